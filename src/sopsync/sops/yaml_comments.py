"""YAML with its comments where go-yaml puts them, for the two selectors that read comments.

libyaml drops comments. go-yaml's scanner collects them and its parser hangs each on a node as head, line or foot
comment; sops then turns them into siblings of that node. Here the same rules sit on PyYAML's scanner and parser, which
are the same program as libyaml's and go-yaml's. They are slow, so used only where a file's selector asks for it.
"""

# mypy: allow-untyped-calls
# (PyYAML's parser has type stubs without types.)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from sopsync.errors import Reason
from sopsync.sops.raw import (
    MAX_COMMENTED_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    RawComment,
    RawList,
    RawMap,
    RawNode,
    RawScalar,
    problem,
    too_deep,
    too_many,
)
from sopsync.sops.tree import Kind
from sopsync.sops.yaml_comment_parser import CommentParser, Comments
from sopsync.sops.yaml_file import empty_root
from sopsync.sops.yaml_types import resolve


def load(data: bytes) -> list[RawMap]:
    """Every document's root mapping, with comments. Raises DecryptError: PARSE or TOO_LARGE."""
    if len(data) > MAX_COMMENTED_BYTES:
        what = f"more than {MAX_COMMENTED_BYTES >> 20} MiB of YAML whose comments count"
        raise problem(Reason.TOO_LARGE, what, hint="use a selector without comments, and no empty comments")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return list(_Builder(CommentParser(data.decode(encoding))).documents())
    except (yaml.YAMLError, ValueError):
        raise problem(Reason.PARSE, "not valid YAML") from None


class _Node:
    """A node as go-yaml has it: an event's comments, and what it holds."""

    __slots__ = ("foot", "head", "held", "line", "place")

    def __init__(self, event: Any, held: Any) -> None:
        comments: Comments = getattr(event, "comments", _NONE)
        self.head, self.line, self.foot = comments.head, comments.line, comments.foot
        self.held = held  # a RawScalar, the node an alias stands for, a list of nodes, a list of pairs of nodes
        self.place: int = _line(event)


class _Pairs(list[tuple[_Node, _Node]]):
    """What a mapping holds."""


_NONE = Comments()


class _Builder:
    """Builds nodes (decode.go), then documents as sops makes them of nodes (its YAML store)."""

    def __init__(self, parser: CommentParser) -> None:
        self._next = parser.get_event
        self._anchors: dict[str, _Node] = {}
        self._made = 0

    def documents(self) -> Iterator[RawMap]:
        while not isinstance(event := self._next(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                start = _Node(event, None)
                root = self._node(self._next(), 0)
                end = _Node(self._next(), None)
                yield self._document(start, root, end)

    def _node(self, event: Any, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise too_deep(_line(event))
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise problem(Reason.PARSE, "not valid YAML", line=_line(event))
            return _Node(event, self._anchors[event.anchor])
        held: Any
        if isinstance(event, ScalarEvent):
            kind, value = resolve(event.value, event.tag, plain=not event.style)
            held = (kind, value, _line(event), event.value)
        else:
            held = _Pairs() if isinstance(event, MappingStartEvent) else []
        node = _Node(event, held)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(held, _Pairs):
            self._pairs(node, held, flow=bool(event.flow_style), depth=depth)
        elif isinstance(held, list):
            while not isinstance(event := self._next(), SequenceEndEvent):
                held.append(self._node(event, depth + 1))
            _close(node, event)
        return node

    def _pairs(self, node: _Node, pairs: _Pairs, *, flow: bool, depth: int) -> None:
        """A foot belongs to the key: to the one before, if it was found on a key, to this one, if on its value."""
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._node(event, depth + 1)
            if not flow and key.foot and pairs:
                pairs[-1][0].foot, key.foot = key.foot, ""
            value = self._node(self._next(), depth + 1)
            if not key.foot:
                key.foot, value.foot = value.foot, ""
            pairs.append((key, value))
        _close(node, event)
        if not flow and node.foot and pairs:
            pairs[-1][0].foot, node.foot = node.foot, ""

    def _document(self, start: _Node, root: _Node, end: _Node) -> RawMap:
        raw = self._map(root, 0) if isinstance(root.held, _Pairs) else empty_root(root.held, root.place)
        before, behind = _pieces(start.head), _pieces(end.foot)
        raw.items[:0] = [("", root.place, comment) for comment in before]
        raw.items.extend(("", root.place, comment) for comment in behind)
        return raw

    def _value(self, node: _Node, depth: int, *, handled: bool) -> RawNode:
        """`handled`: the node's own comments were put beside it already."""
        self._made += 1
        if self._made > MAX_NODES:
            raise too_many(node.place)
        if depth > MAX_DEPTH:
            raise too_deep(node.place)
        if isinstance(node.held, tuple):
            scalar: RawScalar = node.held
            return scalar
        if isinstance(node.held, _Node):
            return self._value(node.held, depth + 1, handled=False)
        if isinstance(node.held, _Pairs):
            return self._map(node, depth, handled=handled)
        raw = RawList(node.place)
        if not handled:
            raw.items += _pieces(node.head, node.line)
        for item in node.held:
            raw.items += _pieces(item.head, item.line)
            raw.items.append(self._value(item, depth + 1, handled=True))
            raw.items += _pieces(item.foot)
        if not handled:
            raw.items += _pieces(node.foot)
        return raw

    def _map(self, node: _Node, depth: int, *, handled: bool = False) -> RawMap:
        raw = RawMap(node.place)

        def add(place: int, *texts: str) -> None:
            raw.items.extend(("", place, comment) for comment in _pieces(*texts))

        if not handled:
            add(node.place, node.head, node.line)
        for key, value in node.held:
            add(key.place, key.head, key.line)
            beside = not isinstance(value.held, list)
            if beside:
                add(key.place, value.head, value.line)
            raw.items.append((_name(key), key.place, self._value(value, depth + 1, handled=beside)))
            if beside:
                add(key.place, value.foot)
            add(key.place, key.foot)
        if not handled:
            add(node.place, node.foot)
        return raw


def _close(node: _Node, event: Any) -> None:
    comments: Comments = getattr(event, "comments", _NONE)
    node.line, node.foot = comments.line, comments.foot


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _name(key: _Node) -> str | None:
    held = key.held.held if isinstance(key.held, _Node) else key.held
    return held[1] if isinstance(held, tuple) and held[0] is Kind.STR else None


def _pieces(*texts: str) -> list[RawComment]:
    return [RawComment(line[1:]) for text in texts for line in text.split("\n") if line]
