"""Clear YAML as a tree that knows its lines: small, bounded, and without surprises. Reads the config file.

YAML 1.2's idea of types, narrowed to what survives being text: only `true`/`false`, `null`, and numbers written as they
would be printed are more than text. So `yes`, `1.10`, `007` and a commit id of digits all stay what the author typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from sopsync.errors import ConfigError, Problem
from sopsync.sops.tree import Kind, List, Map, Node, Scalar

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 100_000
"""With every alias counted as what it stands for: an alias costs a few bytes and can stand for all before it."""

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,8})\.[0-9]{0,8}[1-9]")
_WORDS: dict[str, tuple[Kind, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (Kind.NULL, None)),
    **dict.fromkeys(("true", "True", "TRUE"), (Kind.BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (Kind.BOOL, False)),
}


def parse(data: bytes, path: str) -> Node:
    """The one document in `data` (UTF-8). ConfigError names every repeated key, or the first thing that is not YAML."""
    if len(data) > MAX_BYTES:
        raise ConfigError("larger than 1 MiB", where=path, hint="is this the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("not UTF-8", where=f"{path}:{line}", hint="save it as UTF-8") from None
    builder = _Builder(path)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        # `problem` says what, `context` and the snippet would quote the file
        mark: Any = error.problem_mark or error.context_mark
        raise ConfigError(
            f"not YAML: {error.problem or 'cannot be parsed'}",
            where=f"{path}:{mark.line + 1}" if mark else path,
            hint="quote texts that hold : # { } [ ] & * or start with @ or %",
        ) from None
    except yaml.YAMLError:
        raise ConfigError("not YAML: holds control characters", where=path, hint="remove them") from None
    if builder.problems:
        raise ConfigError.of(builder.problems)
    if builder.root is None:
        raise ConfigError("is empty", where=path, hint="sopsync init writes a first one")
    return builder.root


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen. `key` is what the next value belongs to."""

    line: int
    anchor: str | None
    is_map: bool
    items: list[tuple[str, int, Node]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    key: tuple[str, int] | None = None
    size: int = 1
    height: int = 1


_Sized = tuple[Node, int, int]
"""A node, how many nodes it is, and how deep it goes."""


class _Builder:
    """Events in, tree out, with no recursion: depth costs the author a limit, not us a stack."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, _Sized] = {}

    def take(self, event: yaml.Event) -> None:
        """One parser event."""
        mark: Any = event.start_mark
        line: int = mark.line + 1
        if getattr(event, "tag", None) not in _TAGS:
            raise self._refuse(line, "a YAML tag", "write the value without !")
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                raise self._refuse(line, "a second document", "keep one document in the file")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self._open) >= MAX_DEPTH:
                    raise self._refuse(line, f"nested deeper than {MAX_DEPTH}", "flatten it")
                self._open.append(_Open(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.ScalarEvent():
                self._put((_scalar(event, line), 1, 0), line, event.anchor)
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise self._refuse(line, "an alias to what is not there yet", "define its anchor above")
                self._put(self._anchors[event.anchor], line, None)
            case _:
                pass

    def _close(self) -> None:
        done = self._open.pop()
        node: Node = (
            Map(tuple(done.items), done.line)
            if done.is_map
            else List(tuple(child for _, _, child in done.items), done.line)
        )
        self._put((node, done.size, done.height), done.line, done.anchor)

    def _put(self, sized: _Sized, line: int, anchor: str | None) -> None:
        """A finished node: into the collection it belongs to, or as the root."""
        node, size, height = sized
        if anchor:
            self._anchors[anchor] = sized
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if len(self._open) + height > MAX_DEPTH:
            raise self._refuse(line, f"nested deeper than {MAX_DEPTH}", "flatten it")
        if parent.size > MAX_NODES:
            raise self._refuse(line, f"more than {MAX_NODES} values, aliases counted in full", "use fewer aliases")
        if not parent.is_map:
            parent.items.append(("", line, node))
        elif parent.key is None:
            parent.key = self._key(node, line, parent)
        else:
            name, key_line = parent.key
            parent.key = None
            parent.items.append((name, key_line, node))

    def _key(self, node: Node, line: int, parent: _Open) -> tuple[str, int]:
        if not isinstance(node, Scalar) or not isinstance(node.value, str | int):
            raise self._refuse(line, "a key that is not text", "write it in quotes")
        name = node.value if isinstance(node.value, str) else str(node.value).lower()
        if name in parent.seen:
            hint = f"it is on line {parent.seen[name]} too; keep one"
            self.problems.append(Problem(f"{self.path}:{line}", f"{quoted(name)} is here twice", hint))
        parent.seen.setdefault(name, line)
        return name, line

    def _refuse(self, line: int, what: str, hint: str) -> ConfigError:
        return ConfigError(what, where=f"{self.path}:{line}", hint=hint)


def _scalar(event: yaml.ScalarEvent, line: int) -> Scalar:
    text = event.value
    if not event.implicit[0] or event.style not in (None, ""):  # quoted, block, or tagged: text
        return Scalar(Kind.STR, line, text)
    if text in _WORDS:
        kind, value = _WORDS[text]
        return Scalar(kind, line, value)
    if _INT.fullmatch(text):
        return Scalar(Kind.INT, line, int(text))
    if _FLOAT.fullmatch(text):
        return Scalar(Kind.FLOAT, line, float(text))
    return Scalar(Kind.STR, line, text)


def plain(node: Node, depth: int = MAX_DEPTH + 1) -> object:
    """The tree as dict, list, str, int, float, bool and None. What is encrypted, or too deep, becomes None."""
    if depth == 0:
        return None
    if isinstance(node, Map):
        return {key: plain(child, depth - 1) for key, _, child in node.items}
    if isinstance(node, List):
        return [plain(child, depth - 1) for child in node.items]
    return node.value


def line_at(node: Node, loc: tuple[str | int, ...]) -> int:
    """The line of the key or item that `loc` leads to, as far as it leads. Parts that name nothing are passed over:
    pydantic puts the names of union members among them."""
    line = node.line
    for part in loc:
        for name, key_line, child in children(node):
            if name == part:
                node, line = child, key_line
                break
    return line


def children(node: Node) -> Iterator[tuple[str | int, int, Node]]:
    """(key or index, line, node) of what is directly inside."""
    if isinstance(node, Map):
        yield from node.items
    elif isinstance(node, List):
        yield from ((i, child.line, child) for i, child in enumerate(node.items))


def quoted(text: str) -> str:
    """A name for a message: on one line, at most 80 characters, in double quotes."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:80])
    return f'"{shown}{"…" if len(text) > 80 else ""}"'
