"""The package's own source as data: modules, what they import, where. For tests of its shape."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "sopsync"


@dataclass(frozen=True)
class Module:
    """One module: `name` without the leading `sopsync.` (empty for the package itself)."""

    name: str
    lines: int
    tree: ast.Module

    @classmethod
    def of(cls, name: str, text: str) -> Module:
        return cls(name, len(text.splitlines()), ast.parse(text))

    @property
    def unit(self) -> str:
        return unit_of(self.name)

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def imports(self, modules: Collection[str]) -> Iterator[tuple[int, str]]:
        """(line, full dotted name) of every import, also in functions and for types only; `from p import m` names the
        module m where `p.m` is one of `modules`."""
        for node in self.nodes():
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = "." * node.level + (node.module or "")
                for alias in node.names:
                    full = f"{package}.{alias.name}"
                    yield node.lineno, full if full.removeprefix("sopsync.") in modules else package

    def internal(self, modules: Collection[str]) -> Iterator[tuple[int, str]]:
        """(line, module name) of what it imports of the package."""
        for line, name in self.imports(modules):
            if name.startswith("sopsync."):
                yield line, name.removeprefix("sopsync.")


def unit_of(name: str) -> str:
    """What a module belongs to: itself, or its subpackage. `stores.testing` counts apart: it drives what is above."""
    return "stores.testing" if (name + ".").startswith("stores.testing.") else name.partition(".")[0]


def matches(name: str, patterns: Collection[str]) -> bool:
    """Whether a module is meant by one of the patterns; `cli.*` means the package's own module too."""
    return any(fnmatchcase(name, pattern) or name == pattern.removesuffix(".*") for pattern in patterns)


def load() -> dict[str, Module]:
    """Every module of the package by name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module.of(name, path.read_text(encoding="utf-8"))
    return found
