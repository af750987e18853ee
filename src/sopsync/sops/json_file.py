"""JSON by the rules of Go's encoding/json, with lines: strict grammar, repeated keys kept, every number a float."""

from __future__ import annotations

import re
from json import decoder

from sopsync.errors import DecryptError, Reason
from sopsync.sops import golang
from sopsync.sops.raw import MAX_DEPTH, MAX_NODES, RawList, RawMap, RawNode, RawScalar, problem, too_deep, too_many
from sopsync.sops.tree import Kind

_BLANK = r"[ \t\r\n]*"
_STRING = r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_KEY = re.compile(rf"{_BLANK}({_STRING}){_BLANK}:{_BLANK}")
_VALUE = re.compile(rf"(?:({_STRING})|({_NUMBER})|(true|false|null)|([{{\[]))")
_NEXT = re.compile(rf"{_BLANK}([,\]}}]){_BLANK}")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_SKIP = re.compile(_BLANK)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SCAN = decoder.scanstring  # type: ignore[attr-defined]
_WORDS: dict[str, tuple[Kind, bool | None]] = {
    "true": (Kind.BOOL, True),
    "false": (Kind.BOOL, False),
    "null": (Kind.NULL, None),
}


def load(data: bytes, *, integers: bool = False) -> tuple[RawMap, bool]:
    """The root object, and whether a number in it is an integer no float holds.

    sops from 3.13.2 on reads those as integers, before that as floats, so they enter its MAC differently: `integers`
    takes them the newer way. Raises DecryptError: PARSE or TOO_LARGE.
    """
    reader = _Reader(data, integers=integers)
    return reader.root(), reader.inexact


class _Reader:
    def __init__(self, data: bytes, *, integers: bool) -> None:
        # Go puts U+FFFD for every byte that is not UTF-8; outside a string that is an error like any other.
        self._text = _SURROGATES.sub("\ufffd", data.decode(errors="surrogateescape"))
        self._at = 0
        self._line = 1
        self._nodes = 0
        self._integers = integers
        self.inexact = False

    def root(self) -> RawMap:
        self._step(_SKIP)
        if not self._text.startswith("{", self._at):
            if self._text.strip(" \t\r\n") == "null":  # which Go takes for an object without anything
                return RawMap(self._line)
            raise problem(Reason.PARSE, "the document is not a JSON object", line=self._line)
        stack: list[RawMap | RawList] = []
        node: RawNode = self._value(stack)  # pushes a container on the stack; the loop fills and pops it
        while stack:
            container = stack[-1]
            opened = node is container
            if opened and self._closes("}" if isinstance(container, RawMap) else "]"):
                node = stack.pop()
            elif opened or self._more(container):
                key, line = self._key() if isinstance(container, RawMap) else ("", 0)
                node = self._value(stack)
                if isinstance(container, RawMap):
                    container.items.append((key, line, node))
                else:
                    container.items.append(node)
            else:
                node = stack.pop()
        self._step(_SKIP)
        if self._at != len(self._text):
            raise self._bad()
        assert isinstance(node, RawMap)  # noqa: S101 - the first character was `{`
        return node

    def _bad(self) -> DecryptError:
        return problem(Reason.PARSE, "not valid JSON", line=self._line)

    def _step(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self._bad()
        self._line += self._text.count("\n", self._at, match.end())
        self._at = match.end()
        return match

    def _closes(self, mark: str) -> bool:
        """Take the mark that ends a container just opened, if it is next."""
        self._step(_SKIP)
        if not self._text.startswith(mark, self._at):
            return False
        self._at += 1
        return True

    def _more(self, container: RawMap | RawList) -> bool:
        """Behind an element: True at a comma, False at the mark that ends the container."""
        mark = self._step(_NEXT).group(1)
        if mark == ",":
            return True
        if mark != ("}" if isinstance(container, RawMap) else "]"):
            raise self._bad()
        return False

    def _key(self) -> tuple[str, int]:
        line = self._line
        return self._unquote(self._step(_KEY).group(1)), line

    def _unquote(self, text: str) -> str:
        if "\\" not in text:
            return text[1:-1]
        try:
            plain: str = _SCAN(text, 1, True)[0]  # noqa: FBT003 - strict: no control characters
        except decoder.JSONDecodeError:
            raise self._bad() from None
        return _SURROGATES.sub("\ufffd", plain)

    def _value(self, stack: list[RawMap | RawList]) -> RawNode:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise too_many(self._line)
        string, number, word, opening = self._step(_VALUE).groups()
        if string is not None:
            plain = self._unquote(string)
            return Kind.STR, plain, self._line, plain
        if number is not None:
            return self._number(number)
        if word is not None:
            return *_WORDS[word], self._line, word
        if len(stack) == MAX_DEPTH:
            raise too_deep(self._line)
        node = RawMap(self._line) if opening == "{" else RawList(self._line)
        stack.append(node)
        return node

    def _number(self, text: str) -> RawScalar:
        value = golang.parse_float(text)
        if value is None:
            raise problem(Reason.PARSE, "a number too large for a float", line=self._line)
        if _INTEGER.fullmatch(text) and golang.is_int64(int(text)) and str(int(text)) != golang.float_text(value):
            self.inexact = True
            if self._integers:
                return Kind.INT, int(text), self._line, text
        return Kind.FLOAT, value, self._line, text
