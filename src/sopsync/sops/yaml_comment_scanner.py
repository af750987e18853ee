"""PyYAML's scanner, made to collect comments as go-yaml's does (scannerc.go, the parts marked [Go])."""

# mypy: allow-untyped-calls
# (PyYAML's scanner has type stubs without types.)

from __future__ import annotations

from collections import deque
from typing import Any

from yaml.error import Mark
from yaml.reader import Reader
from yaml.scanner import Scanner
from yaml.tokens import (
    BlockEndToken,
    BlockEntryToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    StreamEndToken,
    ValueToken,
)

_BREAK = "\r\n\x85\u2028\u2029"
_BREAK_OR_END = _BREAK + "\0"
_BLANK = " \t"
_LOOK_AHEAD = 512  # how far go-yaml looks for the next comment behind blanks and empty lines
_NO_LINE_COMMENT = (BlockEntryToken, DirectiveToken, DocumentStartToken, DocumentEndToken, StreamEndToken)


class _Place:
    """A position: characters from the start, line from 0, column as the rule at hand counts it."""

    __slots__ = ("column", "index", "line")

    def __init__(self, index: int, line: int, column: int) -> None:
        self.index, self.line, self.column = index, line, column


class Found:
    """Comment lines joined by newlines, in one of three roles, until the token at or behind `token` takes them."""

    __slots__ = ("end", "role", "scan", "start", "text", "token")

    def __init__(self, role: str, text: str, token: int, start: _Place, *, scan: int = 0, end: int = 0) -> None:
        self.role, self.text, self.token, self.start, self.scan, self.end = role, text, token, start, scan, end


class CommentScanner(Reader, Scanner):
    """Puts comments into `found`, in file order. Each has a role towards what stands before or behind it."""

    def __init__(self, text: str) -> None:
        self.found: deque[Found] = deque()
        self._scan = _Place(0, 0, 0)  # where the blanks before the current token began
        self._line_token = 0
        Reader.__init__(self, text)
        Scanner.__init__(self)

    def need_more_tokens(self) -> bool:
        # Two tokens of lookahead, so that a foot comment is known before the token it belongs to is used.
        if self.done:
            return False
        if len(self.tokens) < 3:
            return True
        self.stale_possible_simple_keys()
        return bool(self.next_possible_simple_key() == self.tokens_taken)

    def fetch_more_tokens(self) -> None:
        super().fetch_more_tokens()
        if not isinstance(self.tokens[-1], _NO_LINE_COMMENT):
            self._scan_line_comment(self._line_token)

    def scan_to_next_token(self) -> None:
        self._scan = self._here()
        while True:
            if self.column == 0 and self.peek() == "\ufeff":
                self.forward()
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            self._raise_entry_comment()
            if self.peek() == "#":
                self._scan_comments(self._scan)
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def unwind_indent(self, column: int) -> None:
        # A block's end moves before comments that are indented like its parent: they are that parent's feet.
        if not self.flow_level:
            at = self._here() if column < 0 else self._scan
            block = _Place(at.index - 1, at.line, at.column)
            while self.indent > column:
                stop = block.index
                for comment in reversed(self.found):
                    if comment.end < stop:
                        break
                    if comment.start.column == self.indent + 1:
                        block = comment.start
                    stop = comment.scan
                mark = Mark("", block.index, block.line, block.column, None, 0)
                self.tokens.append(BlockEndToken(mark, mark))
                self.indent = self.indents.pop()
        if column >= 0:
            # Here, between blanks and token: a comment behind `:` or `,` belongs to what stands before.
            before = self.tokens and self.peek() == ("," if self.flow_level else ":")
            self._line_token = self.tokens[-1].start_mark.index if before else self.index

    def scan_block_scalar_ignored_line(self, start_mark: Any) -> Any:
        while self.peek() in _BLANK:
            self.forward()
        if self.peek() == "#":
            self._scan_line_comment(start_mark.index)
        return super().scan_block_scalar_ignored_line(start_mark)

    def _here(self) -> _Place:
        return _Place(self.index, self.line, self.column)

    def _ahead(self, count: int) -> str:
        at = self.pointer + count
        return self.buffer[at] if at < len(self.buffer) else "\0"

    def _newlines(self) -> int:
        """Line breaks since the last character that is neither break nor blank."""
        count, at = 0, self.pointer - 1
        while at >= 0:
            char = self.buffer[at]
            if char in _BREAK and not (char == "\r" and self.buffer[at + 1] == "\n"):
                count += 1
            elif char not in " \t\r":
                break
            at -= 1
        return count

    def _take_line(self, seen: int) -> str:
        """Go to `seen`, and return the rest of its line."""
        text: list[str] = []
        while True:
            char = self.peek()
            if char in _BREAK_OR_END:
                if self.index >= seen:
                    return "".join(text)
                self.scan_line_break()
            else:
                if self.index >= seen:
                    text.append(char)
                self.forward()

    def _raise_entry_comment(self) -> None:
        """`- # comment`, then a collection below: the comment is a head of what follows, not a line comment."""
        if not self.found or len(self.tokens) < 2 or self.peek() in _BREAK:
            return
        comment = self.found[-1]
        if (
            comment.role == "line"
            and isinstance(self.tokens[-1], BlockEntryToken)
            and isinstance(self.tokens[-2], BlockSequenceStartToken)
        ):
            comment.role = "head"
            if comment.start.line == self.line - 1:
                comment.token = self.index

    def _scan_line_comment(self, token: int) -> None:
        if self._newlines():
            return
        ahead = 0
        while ahead < _LOOK_AHEAD and self._ahead(ahead) in _BLANK:
            ahead += 1
        if ahead < _LOOK_AHEAD and self._ahead(ahead) == "#":
            start = _Place(self.index + ahead, self.line, self.column + ahead)
            self.found.append(Found("line", self._take_line(self.index + ahead), token, start))

    def _scan_comments(self, scan: _Place) -> None:
        """Consume comment lines, and cut them into feet of what was before and a head of what comes next."""
        before = self.tokens[-1]
        if isinstance(before, FlowEntryToken) and len(self.tokens) > 1:
            before = self.tokens[-2]
        run = _Run(scan, before.start_mark.index)
        newlines = self._newlines()
        # A comment that starts on this line may still be a foot of what stands before it.
        foot_line = -1
        if scan.line > 0 and not isinstance(before, ValueToken):
            foot_line = self.line - newlines + 1 + (newlines == 0 and self.column > 1)
        empty_before, was_empty = newlines > 1, False
        line, column, ahead = self.line, self.column, 0
        while ahead < _LOOK_AHEAD:
            column += 1
            char = self._ahead(ahead)
            if char in _BLANK:
                ahead += 1
                continue
            indent = max(self.indent, 0)
            dedented = run.start.column - 1 < indent
            closes = bool(self.flow_level) and char in "]}"
            if closes or char in _BREAK_OR_END:
                if closes or (not was_empty and not empty_before and (dedented or run.start.line == foot_line)):
                    run.cut(self.found, _Place(self.index + ahead, line, column), dedented=dedented)
                elif not was_empty and run.lines and char != "\0":
                    run.lines.append("")
            elif column - 1 < indent and column != run.start.column:
                run.cut(self.found, _Place(self.index + ahead, line, column))
            if char in _BREAK:
                empty_before, was_empty, column, line, ahead = True, True, 0, line + 1, ahead + 1
                continue
            if char != "#":
                break
            at = _Place(self.index + ahead, line, column)
            run.add(at, self._take_line(at.index))
            # As in Go, the look-ahead resumes behind the line break, but on the comment's line number.
            was_empty, column, line, ahead = False, 0, self.line, 1
        run.head(self.found, self.index + ahead - 1)


class _Run:
    """Comment lines seen and not yet given a role."""

    __slots__ = ("lines", "scan", "start", "token")

    def __init__(self, scan: _Place, token: int) -> None:
        self.scan, self.token, self.start = scan, token, _Place(0, 0, 0)
        self.lines: list[str] = []

    def add(self, at: _Place, line: str) -> None:
        if not self.lines:
            self.start = at
        self.lines.append(line)

    def cut(self, found: deque[Found], end: _Place, *, dedented: bool = False) -> None:
        """What there is so far is a foot; a dedented one is not that of the token before it."""
        if self.lines:
            token = self.start.index if dedented else self.token
            text = "\n".join(self.lines)
            found.append(Found("foot", text, token, self.start, scan=self.scan.index, end=end.index))
            self.scan, self.token, self.lines = end, end.index, []

    def head(self, found: deque[Found], end: int) -> None:
        """What is left is a head of the token that follows."""
        if self.lines:
            index, text = self.start.index, "\n".join(self.lines)
            found.append(Found("head", text, index, self.start, scan=self.scan.index, end=end))
