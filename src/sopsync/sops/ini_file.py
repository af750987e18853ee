"""INI by the rules of the library sops uses, go-ini v1.67.1: quotes, continuation lines, inline comments."""

from __future__ import annotations

from sopsync.errors import Reason
from sopsync.sops.raw import MAX_NODES, RawComment, RawMap, RawScalar, problem, too_many
from sopsync.sops.yaml_types import string

# What Go's unicode.IsSpace holds; Python's str.strip() would take four control characters more.
SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def load(data: bytes) -> tuple[RawMap, dict[str, RawScalar] | None]:
    """The sections (DEFAULT is always there, first; a repeated section is kept), and the first `[sops]`, if any."""
    sections = _Lines(data).sections()
    meta = [section for section in sections if section.name == "sops"]
    if len(meta) > 1:
        raise problem(Reason.PARSE, "two `[sops]` sections", line=meta[1].line, hint="it is reserved for metadata")
    root = RawMap(1)
    for section in sections:
        if section.name == "sops":
            continue
        body = RawMap(section.line)
        if section.comment:
            body.items.append(("", section.line, RawComment(_uncommented(section.comment))))
        for name, (scalar, comment) in section.keys.items():
            body.items.append((name, scalar[2], scalar))
            if comment:
                body.items.append(("", scalar[2], RawComment(_uncommented(comment))))
        root.items.append((section.name, section.line, body))
    return root, {name: scalar for name, (scalar, _) in meta[0].keys.items()} if meta else None


def _uncommented(text: str) -> str:
    return text.lstrip("; ") if text.startswith(";") else text.lstrip("# ")


class _Section:
    def __init__(self, name: str, line: int, comment: str = "") -> None:
        self.name, self.line, self.comment = name, line, comment
        self.keys: dict[str, tuple[RawScalar, str]] = {}  # a repeated key keeps its first place and its last value


class _Lines:
    """One pass over the lines. Bytes that are not UTF-8 travel as surrogates and come out as bytes."""

    def __init__(self, data: bytes) -> None:
        if data[:2] in (b"\xfe\xff", b"\xff\xfe"):
            data = data[2:]
        text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
        if text.count("\n") > MAX_NODES:
            raise too_many(MAX_NODES)
        self._lines = text.split("\n")
        self._at = 0
        self._comment: list[str] = []
        self._counter = 1

    def sections(self) -> list[_Section]:
        current = _Section("DEFAULT", 1)
        found = [current]
        while self._at < len(self._lines):
            line = self._read().lstrip(SPACE)
            if not line:
                continue
            if line[0] in "#;":
                self._comment.append(line)
            elif line[0] == "[":
                current = self._section(line)
                found.append(current)
            else:
                self._key(current, line)
        return found

    def _read(self) -> str:
        """The next line, with its newline; the last line has none."""
        self._at += 1
        line = self._lines[self._at - 1]
        return line + "\n" if self._at < len(self._lines) else line

    def _section(self, line: str) -> _Section:
        end = line.rfind("]")
        if end < 0:
            raise problem(Reason.PARSE, "a section without `]`", line=self._at)
        if end == 1:
            raise problem(Reason.PARSE, "a section without a name", line=self._at)
        section = _Section(self._utf8(line[1:end]), self._at)
        self._comment.append(_from_comment(line[end + 1 :]))
        section.comment = self._take_comment()
        self._counter = 1
        return section

    def _key(self, section: _Section, line: str) -> None:
        number = self._at
        name, rest = self._name(line)
        if name == "-":
            name = f"#{self._counter}"
            self._counter += 1
        value = self._value(rest)
        if not name:
            raise problem(Reason.PARSE, "a key without a name", line=number)
        raw = value.encode(errors="surrogateescape")
        kind, content = string(raw)
        scalar = (kind, content, number, value)
        section.keys[self._utf8(name)] = (scalar, self._take_comment())

    def _name(self, line: str) -> tuple[str, str]:
        """The key's name, and the rest of the line behind `=` or `:`."""
        quote = '"""' if line.startswith('"""') and len(line.encode(errors="surrogateescape")) > 6 else line[0]
        if quote not in ('"""', '"', "`"):
            end = _delimiter(line)
            if end <= 0:
                raise problem(Reason.PARSE, "a line that is no section, key or comment", line=self._at)
            return line[:end].strip(SPACE), line[end + 1 :]
        start = len(quote)
        close = line.find(quote, start)
        if close < 0:
            raise problem(Reason.PARSE, "a quoted key that does not end", line=self._at)
        end = _delimiter(line[close + start :])
        if end < 0:
            raise problem(Reason.PARSE, "a key without `=`", line=self._at)
        return line[start:close].strip(SPACE), line[close + end + start + 1 :]

    def _value(self, rest: str) -> str:
        line = rest.lstrip(SPACE)
        if not line:
            return ""
        quote = '"""' if line.startswith('"""') and len(line) > 3 else "`" if line[0] == "`" else ""
        if quote:
            end = line.rfind(quote, len(quote))
            return self._multiline(line[len(quote) :], quote) if end < 0 else line[len(quote) : end]
        line = line.strip(SPACE)
        if line.endswith("\\"):
            return self._continued(line[:-1])
        cut = min((i for i in (line.find("#"), line.find(";")) if i >= 0), default=-1)
        if cut >= 0:
            self._comment.append(line[cut:])
            line = line[:cut].strip(SPACE)
        for mark in "'\"":
            if len(line) >= 2 and line[0] == mark and line.find(mark, 1) == len(line) - 1:
                return line[1:-1]
        return line

    def _multiline(self, value: str, quote: str) -> str:
        parts, start = [value], self._at
        while self._at < len(self._lines):
            line = self._read()
            end = line.rfind(quote)
            if end >= 0 and not line[end + len(quote) :].rstrip("\r\n").strip(SPACE).endswith("\\"):
                parts.append(line[:end])
                self._comment.append(_from_comment(line[end:]).strip(SPACE))
                return "".join(parts)
            parts.append(line)
        raise problem(Reason.PARSE, "a quoted value that does not end", line=start)

    def _continued(self, value: str) -> str:
        parts = [value]
        while self._at < len(self._lines):
            line = self._read().strip(SPACE)
            parts.append(line)
            if not line or not line.endswith("\\"):
                break
            parts[-1] = line[:-1]
        return "".join(parts)

    def _take_comment(self) -> str:
        comment = "".join(self._comment).strip(SPACE)
        self._comment.clear()
        return comment.encode(errors="surrogateescape").decode(errors="replace")

    def _utf8(self, name: str) -> str:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise problem(Reason.PARSE, "a name that is not UTF-8", line=self._at) from None
        return name


def _delimiter(text: str) -> int:
    return min((i for i in (text.find("="), text.find(":")) if i >= 0), default=-1)


def _from_comment(text: str) -> str:
    cut = min((i for i in (text.find("#"), text.find(";")) if i >= 0), default=len(text))
    return text[cut:]
