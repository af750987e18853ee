"""YAML: libyaml's events built into raw trees, with bounds on depth, nodes and alias expansion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from sopsync.errors import DecryptError, Reason
from sopsync.sops.raw import (
    MAX_DEPTH,
    MAX_NODES,
    RawList,
    RawMap,
    RawNode,
    RawScalar,
    problem,
    shown,
    too_deep,
    too_many,
)
from sopsync.sops.tree import Kind
from sopsync.sops.yaml_types import NOT_JUST_STRINGS, resolve

try:
    from yaml._yaml import CParser as _Parser
except ImportError:  # PyYAML built without libyaml: right, and fifteen times slower
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser):  # type: ignore[no-redef]
        def __init__(self, stream: bytes) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)


def load(data: bytes) -> Iterator[RawMap]:
    """Each document's root mapping, in order, parsed only when asked for. Raises DecryptError: PARSE or TOO_LARGE."""
    try:
        yield from _Builder(_Parser(data).get_event).documents()
    except yaml.YAMLError as error:
        raise _invalid(error) from None
    except ValueError:
        raise problem(Reason.PARSE, "not valid YAML: not UTF-8 or UTF-16") from None


def _invalid(error: yaml.YAMLError) -> DecryptError:
    """The line and libyaml's fixed phrase. PyYAML's own phrases are left out, as they quote the input."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    phrase = str(getattr(error, "problem", None) or "")
    detail = f": {phrase}" if phrase in _PHRASES else ""
    return problem(Reason.PARSE, f"not valid YAML{detail}", line=mark.line + 1 if mark else 0)


_PHRASES = frozenset(
    (
        "could not find expected ':'",
        "did not find expected key",
        "did not find expected '-' indicator",
        "did not find expected ',' or ']'",
        "did not find expected ',' or '}'",
        "did not find expected node content",
        "did not find expected <document start>",
        "found character that cannot start any token",
        "found unexpected end of stream",
        "found unknown escape character",
        "mapping values are not allowed in this context",
        "block sequence entries are not allowed in this context",
        "control characters are not allowed",
    )
)


class _Anchor:
    """What an anchor names, and what a use of it costs."""

    __slots__ = ("height", "node", "nodes")

    def __init__(self, node: RawNode, nodes: int, height: int) -> None:
        self.node, self.nodes, self.height = node, nodes, height


class _Frame:
    """An open map or list."""

    __slots__ = ("anchor", "height", "is_list", "items", "key", "key_line", "node", "start")

    def __init__(self, node: RawMap | RawList, anchor: str | None, start: int) -> None:
        self.node, self.anchor, self.start = node, anchor, start
        self.items: list[Any] = node.items
        self.is_list = isinstance(node, RawList)
        self.height = 1
        self.key: str | None = None
        self.key_line = 0  # 0: the next node of a map is a key

    def put(self, node: RawNode, height: int, line: int) -> None:
        """Take a finished child, `height` containers high; in a map it is the next key or the value of the last."""
        if height >= self.height:
            self.height = height + 1
        if key_line := self.key_line:
            self.items.append((self.key, key_line, node))
            self.key_line = 0
        elif self.is_list:
            self.items.append(node)
        else:
            self.key = node[1] if type(node) is tuple and node[0] is Kind.STR else None  # type: ignore[assignment]
            self.key_line = line


class _Builder:
    """Builds documents without recursion. Anchors live for the whole stream and may be set anew, as in go-yaml."""

    def __init__(self, next_event: Callable[[], Any]) -> None:
        self._next = next_event
        self._anchors: dict[str, _Anchor | None] = {}
        self._nodes = 0

    def documents(self) -> Iterator[RawMap]:
        while (kind := type(event := self._next())) is not StreamEndEvent:
            if kind is DocumentStartEvent:
                if event.version not in (None, (1, 1)):
                    line = event.start_mark.line + 1
                    raise problem(Reason.PARSE, "sops reads %YAML 1.1 only", line=line, hint="remove the directive")
                yield self._root()

    def _root(self) -> RawMap:
        """One document's root. An empty document is an empty map; any other root than a map is refused, as by sops."""
        next_event, scalar = self._next, self._scalar
        stack: list[_Frame] = []
        root: RawNode = (Kind.NULL, None, 1, "")
        line = 1
        while (kind := type(event := next_event())) is not DocumentEndEvent:
            line = event.start_mark.line + 1
            height = 0
            if kind is ScalarEvent:
                node: RawNode = scalar(event, line)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                stack.append(self._open(event, line, len(stack)))
                continue
            elif kind is AliasEvent:
                node, height = self._alias(event.anchor, line, len(stack))
            else:
                node, height = self._close(stack.pop())
            if stack:
                stack[-1].put(node, height, line)
            else:
                root = node
        return root if isinstance(root, RawMap) else empty_root(root, line)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise too_many(line)

    def _open(self, event: Any, line: int, depth: int) -> _Frame:
        self._count(1, line)
        if depth == MAX_DEPTH:
            raise too_deep(line)
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it closes: an alias of it in between is a loop
        node = RawMap(line) if type(event) is MappingStartEvent else RawList(line)
        return _Frame(node, event.anchor, self._nodes)

    def _close(self, frame: _Frame) -> tuple[RawNode, int]:
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchor(frame.node, self._nodes - frame.start + 1, frame.height)
        return frame.node, frame.height

    def _scalar(self, event: Any, line: int) -> RawScalar:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise too_many(line)
        text: str = event.value
        if event.tag is None and (event.style or (text and text[0] not in NOT_JUST_STRINGS)):
            node: RawScalar = (Kind.STR, text, line, text)  # most scalars, ciphertexts among them
        else:
            node = (*resolve(text, event.tag, plain=not event.style), line, text)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(node, 1, 0)
        return node

    def _alias(self, name: str, line: int, depth: int) -> tuple[RawNode, int]:
        anchor = self._anchors.get(name)
        if anchor is None:
            what = "an anchor's value contains itself" if name in self._anchors else "alias of an anchor not set before"
            raise problem(Reason.PARSE, f"not valid YAML: {what}", line=line)
        self._count(anchor.nodes, line)
        if depth + anchor.height > MAX_DEPTH:
            raise too_deep(line)
        return anchor.node, anchor.height


def empty_root(root: object, line: int) -> RawMap:
    """The root that stands for an empty document. Raises DecryptError (PARSE) if the document holds something else."""
    if isinstance(root, tuple) and root[0] is Kind.NULL:
        return RawMap(line)
    raise problem(Reason.PARSE, "the document is not a mapping", line=line, hint="sops needs keys at the top level")


def check_root(root: RawMap) -> None:
    """What sops rejects of document 1, and of no other, where it looks for the metadata. Raises DecryptError."""
    seen: dict[str, int] = {}
    for key, line, node in root.items:
        if key is None:
            continue
        if key in seen:
            raise problem(Reason.PARSE, f"key {shown(key)} appears twice, first at line {seen[key]}", line=line)
        seen[key] = line
        if key == "<<" and not _mergeable(node):
            raise problem(Reason.PARSE, "`<<` at the top level must hold a map, or a list of maps", line=line)


def _mergeable(node: RawNode) -> bool:
    if isinstance(node, RawList):
        return all(isinstance(item, RawMap) for item in node.items)
    return isinstance(node, RawMap)
