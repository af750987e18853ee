"""PyYAML's parser, made to give comments to events as go-yaml's does (parserc.go, the parts marked [Go])."""

# mypy: allow-untyped-calls
# (PyYAML's parser has type stubs without types. Its events are Any here: they are given one attribute more.)

from __future__ import annotations

from typing import Any

from yaml.events import AliasEvent, DocumentStartEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent
from yaml.parser import Parser
from yaml.tokens import BlockEndToken, BlockEntryToken, BlockMappingStartToken, BlockSequenceStartToken, ScalarToken

from sopsync.sops.yaml_comment_scanner import CommentScanner


class Comments:
    """The comments of one event."""

    __slots__ = ("foot", "head", "line")

    def __init__(self, head: str = "", line: str = "", foot: str = "") -> None:
        self.head, self.line, self.foot = head, line, foot


class CommentParser(CommentScanner, Parser):
    """Its events have an attribute `comments` where go-yaml's have one."""

    def __init__(self, text: str) -> None:
        self._roles: dict[str, list[str]] = {"head": [], "line": [], "foot": []}
        self._stem: list[str] | None = None
        self._last: Any = None
        CommentScanner.__init__(self, text)
        Parser.__init__(self)

    def check_token(self, *choices: Any) -> bool:
        result = bool(super().check_token(*choices))
        self._unfold()
        return result

    def peek_token(self) -> Any:
        token = super().peek_token()
        self._unfold()
        return token

    def get_token(self) -> Any:
        self.peek_token()
        stem = len(self._roles["head"])
        self._last = token = super().get_token()
        if stem and isinstance(token, BlockEntryToken):
            self._split_stem(stem)
        return token

    def _unfold(self) -> None:
        """Take the comments the next token is at or behind of."""
        while self.tokens and self.found and self.tokens[0].start_mark.index >= self.found[0].token:
            comment = self.found[0]
            if comment.role == "head" and isinstance(self.tokens[0], BlockEndToken):
                break  # an end has no head: it is for what follows
            self._roles[comment.role].append(comment.text)
            self.found.popleft()

    def _split_stem(self, length: int) -> None:
        """The head of a `-` is the head of the whole collection below it, if one begins there."""
        if isinstance(self.peek_token(), BlockSequenceStartToken | BlockMappingStartToken):
            head = self._roles["head"]
            self._stem, self._roles["head"] = head[:length], head[length:]

    def _give(self, event: Any) -> Any:
        event.comments = Comments(**{role: "\n".join(texts) for role, texts in self._roles.items()})
        self._roles = {"head": [], "line": [], "foot": []}
        self._stem = None
        return event

    def parse_node(self, block: bool = False, indentless_sequence: bool = False) -> Any:  # noqa: FBT001, FBT002
        event: Any = super().parse_node(block, indentless_sequence)
        if isinstance(event, ScalarEvent):
            return self._give(event) if isinstance(self._last, ScalarToken) else event
        if isinstance(event, AliasEvent) or event.flow_style:
            return self._give(event)
        if self.state != self.parse_indentless_sequence_entry and self._stem is not None:
            event.comments = Comments(head="\n".join(self._stem))
            self._stem = None
        return event

    def parse_implicit_document_start(self) -> Any:
        event = super().parse_implicit_document_start()
        if isinstance(event, DocumentStartEvent) and not event.explicit:
            setattr(event, "comments", Comments(head=self._document_head()))  # noqa: B010 - unknown to the stubs
        return event

    def _document_head(self) -> str:
        """The part of the first head comment before its last empty line is the document's, not the first key's."""
        head = "\n".join(self._roles["head"])
        if head.endswith("\n"):
            self._roles["head"] = []
            return head[:-1]
        above, empty, below = head.rpartition("\n\n")
        if not empty:
            return ""
        self._roles["head"] = [below] if below else []
        return above

    def parse_document_end(self) -> Any:
        event = self._give(super().parse_document_end())
        comments = event.comments
        if comments.head and not comments.foot:
            comments.head, comments.foot = "", comments.head
        return event

    def parse_block_mapping_key(self) -> Any:
        event: Any = super().parse_block_mapping_key()
        return self._give(event) if isinstance(event, MappingEndEvent) else event

    def parse_flow_mapping_key(self, first: bool = False) -> Any:  # noqa: FBT001, FBT002
        event: Any = super().parse_flow_mapping_key(first)
        return self._give(event) if isinstance(event, MappingEndEvent) else event

    def parse_flow_sequence_entry(self, first: bool = False) -> Any:  # noqa: FBT001, FBT002
        event: Any = super().parse_flow_sequence_entry(first)
        return self._give(event) if isinstance(event, SequenceEndEvent) else event
