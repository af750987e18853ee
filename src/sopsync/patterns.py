"""Which files a rule is for: `services/{service}/{env}.yaml`, with what it captures from a path.

Wildcards stay within one segment and match at least one character (`{x}`) or any number (`*`); `**` stands for any
number of whole segments. A capture takes as little as it can, or one of the values that `where` lists for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sopsync.yamlpos import quoted

_TOKEN = re.compile(r"\{([^{}/]*)\}|\*+|[^{}*]+|[{}]")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MOST_WILD = 3
"""Wildcards in one segment. With the length of a segment this bounds the time that a hostile path can cost."""
_LONGEST = 255
"""Bytes of a file name on every file system that a repository could be checked out to."""
RESERVED = ("key",)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path pattern, ready to match."""

    text: str
    regex: re.Pattern[str]
    captures: tuple[str, ...]
    listed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The values that a capture may have, where they are listed."""

    def match(self, path: str) -> dict[str, str] | None:
        """What the path gives each capture, or None."""
        found = self.regex.fullmatch(path)
        return found.groupdict() if found else None


def parse_pattern(text: str, where: Mapping[str, Sequence[str]]) -> Pattern:
    """ValueError, fit for a message, for what is not a pattern. `where`: the values a capture may have."""
    segments = text.split("/")
    if not text or "" in segments or "." in segments or ".." in segments:
        raise ValueError(
            f"{quoted(text)} is not a path in the repository: no leading, trailing or double /, no . or .."
        )
    if bad := next((c for c in "?[]\\" if c in text), None):
        raise ValueError(f"{bad} is not a wildcard here: use *, ** or a capture in braces")
    if segments.count("**") > 2:
        raise ValueError(f"{quoted(text)} has more than two **")
    captures: list[str] = []
    regex = "".join(_segment(segment, where, captures) for segment in segments[:-1])
    regex += _last(segments[-1], where, captures)
    if twice := next((name for name in captures if captures.count(name) > 1), None):
        raise ValueError(f"{{{twice}}} is captured twice: use * for one of them")
    return Pattern(text, re.compile(regex, re.DOTALL), tuple(captures), dict(where))


def _segment(segment: str, where: Mapping[str, Sequence[str]], captures: list[str]) -> str:
    """A directory, with its slash."""
    return "(?:[^/]+/)*" if segment == "**" else _name(segment, where, captures) + "/"


def _last(segment: str, where: Mapping[str, Sequence[str]], captures: list[str]) -> str:
    """The file, or whatever is below."""
    return ".+" if segment == "**" else _name(segment, where, captures)


def _name(segment: str, where: Mapping[str, Sequence[str]], captures: list[str]) -> str:
    """One name as a regex. Atomic: how it matched is never tried again because of another segment."""
    parts: list[str] = []
    wild = 0
    was_wild = False
    for found in _TOKEN.finditer(segment):
        token = found[0]
        if token in ("{", "}"):
            raise ValueError(f"a lone {token} in {quoted(segment)}")
        is_wild = token[0] in "*{"
        if is_wild and was_wild:
            raise ValueError(f"{quoted(segment)}: wildcards side by side do not say where one ends")
        if token.startswith("**"):
            raise ValueError(f"{quoted(segment)}: ** stands alone between slashes")
        parts.append(_wildcard(token, where, captures) if is_wild else re.escape(token))
        wild += is_wild
        was_wild = is_wild
    if wild > _MOST_WILD:
        raise ValueError(f"{quoted(segment)} has more than {_MOST_WILD} wildcards")
    return f"(?>{''.join(parts)}(?=/|\\Z))"


def _wildcard(text: str, where: Mapping[str, Sequence[str]], captures: list[str]) -> str:
    if text == "*":
        return f"[^/]{{0,{_LONGEST}}}?"
    name = text[1:-1]
    if not _NAME.fullmatch(name):
        raise ValueError(f"{quoted(text)}: a capture is named with a-z, 0-9 and _, and starts with a letter")
    if name in RESERVED:
        raise ValueError(f"{{{name}}} cannot be captured: it stands for the keys in a file")
    captures.append(name)
    if name in where:
        # the longest that fits, where one value begins like another
        values = sorted(where[name], key=len, reverse=True)
        return f"(?P<{name}>{'|'.join(map(re.escape, values))})"
    return f"(?P<{name}>[^/]{{1,{_LONGEST}}}?)"
