"""The keys of a file as a target sees them: joined, selected, renamed. Sealed: names and nodes, no values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from sopsync.config_errors import suggest
from sopsync.errors import Problem
from sopsync.rules import Target
from sopsync.sops.tree import Kind, List, Map, Node, Path, Scalar, leaves
from sopsync.yamlpos import quoted

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Field:
    """One key: `name` as the store will have it, `path` into the document, `line` of the key in the file."""

    name: str
    path: Path
    node: Node
    line: int


@dataclass(frozen=True, slots=True)
class Keys:
    """What selecting found: the fields, and what the config says of keys that are not there."""

    fields: tuple[Field, ...]
    problems: tuple[Problem, ...]


def select(path: str, data: Map, at: Path, target: Target, separator: str) -> Keys:
    """The fields of `data`, which is at `at` in the file at `path`, that `target` wants, in file order.

    `encode: json` keeps nesting, so its keys are the outermost; else nested keys are joined with `separator`.
    """
    nested = target.encode == "json" and target.template is None
    found = tuple(_outermost(data, at) if nested else _joined(data, at, separator))
    problems = [*_unnamed(path, found), *_twice(path, found, target)]
    problems += _misspelt(path, target, [one.name for one in found])
    chosen = [one for one in found if _chosen(one.name, target.keys)]
    renamed = tuple(replace(one, name=target.rename.get(one.name, one.name)) for one in chosen)
    if target.rename:
        problems += _twice(path, renamed, target)
    return Keys(renamed, tuple(problems))


def _outermost(data: Map, at: Path) -> Iterator[Field]:
    for key, line, node in data.items:
        yield Field(key, (*at, key), node, line)


def _joined(data: Map, at: Path, separator: str) -> Iterator[Field]:
    """Every scalar and list by its joined path. An empty map has no keys."""
    stack = [(key, (*at, key), node, line) for key, line, node in reversed(data.items)]
    while stack:
        name, path, node, line = stack.pop()
        if isinstance(node, Map):
            inner = reversed(node.items)
            stack.extend((f"{name}{separator}{key}", (*path, key), child, below) for key, below, child in inner)
        else:
            yield Field(name, path, node, line)


def _chosen(name: str, keys: tuple[str, ...]) -> bool:
    """Matched by a glob, or there are none; and by none that starts with `!`."""
    wanted = [glob for glob in keys if not glob.startswith("!")]
    unwanted = (glob[1:] for glob in keys if glob.startswith("!"))
    return (not wanted or any(fnmatchcase(name, glob) for glob in wanted)) and not any(
        fnmatchcase(name, glob) for glob in unwanted
    )


def _misspelt(path: str, target: Target, names: list[str]) -> Iterator[Problem]:
    """Keys that the config names and the file does not have. A glob may match nothing: that is what it is for."""
    for option, asked in (("keys", target.keys), ("rename", tuple(target.rename))):
        for text in asked:
            name = text.removeprefix("!") if option == "keys" else text
            if name not in names and not (option == "keys" and _GLOB.search(name)):
                hint = suggest(name, names) or "a glob in keys may match nothing; rename may not"
                yield Problem(target.where, f"{option}: {path} has no key {quoted(name)}", hint)


def _unnamed(path: str, fields: tuple[Field, ...]) -> Iterator[Problem]:
    for one in fields:
        if not one.name:
            yield Problem(f"{path}:{one.line}", "a key without a name", "give it one; encode: json keeps it inside")


def _twice(path: str, fields: tuple[Field, ...], target: Target) -> Iterator[Problem]:
    first: dict[str, Field] = {}
    for one in fields:
        if one.name in first:
            what = f"{quoted(one.name)} is the name of two keys: here and on line {first[one.name].line}"
            yield Problem(f"{path}:{one.line}", what, f"{target.where}: another separator or rename tells them apart")
        first.setdefault(one.name, one)


def unfit(path: str, one: Field, target: Target) -> Iterator[Problem]:
    """Why a field cannot be a value by itself."""
    if isinstance(one.node, List | Map):
        what = "a list" if isinstance(one.node, List) else "a map"
        hint = f"{target.where}: encode: json keeps it; keys: [..., '!{one.name}'] leaves it out"
        yield Problem(f"{path}:{one.line}", f"{quoted(one.name)} is {what}, and a value is one text", hint)
    elif one.node.kind is Kind.NULL:
        hint = f"{target.where}: keys: [..., '!{one.name}'] leaves it out; an empty text is \"\""
        yield Problem(f"{path}:{one.line}", f"{quoted(one.name)} is null, which cannot be written", hint)


def size(node: Node) -> int:
    """Bytes of the value, at least, from the length of its ciphertext: GCM keeps lengths."""
    return sum(_scalar_size(leaf) for _, leaf, _ in leaves(node) if isinstance(leaf, Scalar))


_DATA = re.compile(r"data:([A-Za-z0-9+/]*)(=*),")


def _scalar_size(node: Scalar) -> int:
    if node.kind in (Kind.FLOAT, Kind.BOOL, Kind.NULL):
        return 1  # these have several spellings
    if node.cipher is not None:
        found = _DATA.search(node.cipher)
        return len(found[1]) * 3 // 4 if found else 0
    if isinstance(node.value, bytes):
        return len(node.value)
    return len(str(node.value).encode("utf-8", "surrogatepass"))
