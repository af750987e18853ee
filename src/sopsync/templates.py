"""Texts with holes: `{env}-ssm`, `/{env}/{key|kebab}`, `postgres://{user}:{password|urlencode}@db`.

`{{` and `}}` stand for braces. Filling is one pass, so a value that holds braces is only text.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from sopsync.yamlpos import quoted

Filter = Callable[[str], str]

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_JOINTS = re.compile(r"[-_. ]+")


def _words(joint: str) -> Filter:
    """Camel humps and runs of `-`, `_`, `.` and space become one `joint`; all else (a `/`) stays; lower case."""
    return lambda text: _JOINTS.sub(joint, _HUMPS.sub(joint, text)).lower()


NAME_FILTERS: Mapping[str, Filter] = {
    "kebab": _words("-"),
    "snake": _words("_"),
    "upper": str.upper,
    "lower": str.lower,
}


VALUE_FILTERS: Mapping[str, Filter] = {
    "urlencode": lambda text: quote(text, safe=""),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "json": lambda text: json.dumps(text, ensure_ascii=False),
}


@dataclass(frozen=True, slots=True)
class Hole:
    """`{name|filter|…}`."""

    name: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A text with holes, checked: every filter is one of those it was parsed with."""

    text: str
    parts: tuple[str | Hole, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the holes ask for, each once, in order."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Hole)))

    def fill(self, values: Mapping[str, str], filters: Mapping[str, Filter] = NAME_FILTERS) -> str:
        """The text. KeyError for a hole that `values` does not name."""
        return "".join(part if isinstance(part, str) else _filled(part, values, filters) for part in self.parts)

    def partly(self, values: Mapping[str, str]) -> tuple[str | Hole, ...]:
        """The text with the holes that `values` names filled, and the others left."""
        filled = [
            p if isinstance(p, str) or p.name not in values else _filled(p, values, NAME_FILTERS) for p in self.parts
        ]
        return _merged(filled)

    def pattern(self, values: Mapping[str, str], free: str) -> re.Pattern[str]:
        """What `fill` can give when `values` are known and every other hole gives what `free` (a regex) matches."""

        def of(part: str | Hole) -> str:
            if isinstance(part, str):
                return re.escape(part)
            return re.escape(_filled(part, values, NAME_FILTERS)) if part.name in values else f"(?:{free})"

        return re.compile("".join(map(of, self.parts)), re.DOTALL)


def _filled(hole: Hole, values: Mapping[str, str], filters: Mapping[str, Filter]) -> str:
    text = values[hole.name]
    for name in hole.filters:
        text = filters[name](text)
    return text


_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+")


def parse_template(text: str, filters: Mapping[str, object] = NAME_FILTERS) -> Template:
    """ValueError, fit for a message, for a brace without its partner, an empty hole, or an unknown filter."""
    parts: list[str | Hole] = []
    for token in _TOKEN.findall(text):
        if token in ("{{", "}}"):
            parts.append(token[0])
        elif token in ("{", "}"):
            raise ValueError(f"a lone {token} in {quoted(text)}: write {token * 2} for the character itself")
        elif token.startswith("{"):
            parts.append(_hole(token, filters))
        else:
            parts.append(token)
    return Template(text, _merged(parts))


def _hole(token: str, filters: Mapping[str, object]) -> Hole:
    name, *used = (part.strip() for part in token[1:-1].split("|"))
    if not name:
        raise ValueError(f"{token} names nothing")
    for one in used:
        if one not in filters:
            raise ValueError(f"unknown filter {quoted(one)} in {quoted(token)}: there are {', '.join(filters)}")
    return Hole(name, tuple(used))


def _merged(parts: list[str | Hole]) -> tuple[str | Hole, ...]:
    """Texts side by side as one, so that templates that mean the same are equal."""
    merged: list[str | Hole] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
