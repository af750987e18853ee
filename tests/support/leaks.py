"""Finds secrets where they must not be, in text, files and databases, in whatever disguise.

Every test secret starts with `canary-`, so the mark alone is searched for by default; where the mark itself may be lost
(a secret cut, a binary one), name the whole secrets. A finding says where and in which form, never what.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import json
import os
import re
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

MARK = "canary-"
"""How every test secret starts."""

Text = str | bytes
Material = Text | Path | Mapping[str, Text]
"""What can be searched: text, bytes, a file, a whole directory, or texts by the name of where they came from."""

_WRAPPED = ("base64", "hex")
"""Forms that are often broken into lines."""

_MOST = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret found: where, in which form, and at which byte of it. Never the secret."""

    where: str
    form: str
    at: int

    def __str__(self) -> str:
        return f"{self.where}: {self.form} at byte {self.at}"


def scan(material: Material, secrets: Iterable[Text] = (MARK,), *, where: str = "text") -> list[Leak]:
    """Every form of every secret (6 bytes or more) in `material`; empty means clean.

    A path that does not exist or cannot be read is an error, not a clean bill.
    """
    needles = dict.fromkeys((form, needle) for secret in secrets for form, needle in _forms(_bytes(secret)))
    return [
        Leak(place, form, at)
        for place, data in _places(material, where)
        for folded in [data.translate(None, b" \t\r\n")]
        for form, needle in needles
        if (at := max(data.find(needle), folded.find(needle) if form in _WRAPPED else -1)) >= 0
    ]


def assert_clean(material: Material, secrets: Iterable[Text] = (MARK,), *, where: str = "text") -> None:
    """Fail, listing every place, if any secret is in `material`."""
    if leaks := scan(material, secrets, where=where):
        raise AssertionError("\n".join(["secrets leaked:", *map(str, leaks)]))


# -- the forms a secret can take


@cache
def _forms(secret: bytes) -> tuple[tuple[str, bytes], ...]:
    """(name, bytes to look for) of each disguise."""
    assert len(secret) >= 6, "a shorter secret would be found by chance"
    text = secret.decode("utf-8", "surrogateescape")
    forms: dict[bytes, str] = {secret: "in clear"}

    def add(form: str, *needles: Text) -> None:
        for needle in needles:
            forms.setdefault(_bytes(needle), form)

    add("reversed", secret[::-1])
    add("hex", secret.hex(), secret.hex().upper())
    add("utf-16", text.encode("utf-16-le", "surrogatepass"), text.encode("utf-16-be", "surrogatepass"))
    for skipped in range(3):
        add("base64", *_base64(secret, skipped))
    shown = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    # Go's encoder also escapes what HTML would trip over
    add("escaped as JSON", *shown, *(re.sub("[<>&]", lambda m: f"\\u{ord(m[0]):04x}", s) for s in shown))
    add("escaped as Python", repr(text)[1:-1], repr(secret)[2:-1])
    add("escaped as HTML", html.escape(text))
    for escaped in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        add("escaped as URL", escaped, re.sub("%..", lambda m: m[0].lower(), escaped))
    return tuple((form, needle) for needle, form in forms.items())


def _base64(secret: bytes, skipped: int) -> tuple[bytes, bytes]:
    """What is certain to appear where base64 holds the secret, `skipped` bytes into a group of three: the characters
    made of nothing but the secret's bits. In the standard and in the URL-safe alphabet."""
    whole = base64.b64encode(bytes(skipped) + secret)
    first = -(-skipped * 8 // 6)
    last = (skipped + len(secret)) * 8 // 6
    return whole[first:last], whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _bytes(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


# -- the places to look at


def _places(material: Material, where: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of everything in the material, unpacked."""
    if isinstance(material, Path):
        yield from _files(material)
    elif isinstance(material, Mapping):
        for name, text in material.items():
            yield from _unpacked(name, _bytes(text))
    else:
        yield from _unpacked(where, _bytes(material))


def _files(top: Path) -> Iterator[tuple[str, bytes]]:
    """Each file below `top`, its name, and where a link points. Links are not followed: what they name is elsewhere."""
    mode = top.lstat().st_mode
    yield f"{_masked(top)} (its name)", os.fsencode(top.name)
    if stat.S_ISDIR(mode):
        for entry in sorted(top.iterdir()):
            yield from _files(entry)
    elif stat.S_ISLNK(mode):
        yield f"{_masked(top)} (what it links to)", os.fsencode(top.readlink())
    elif stat.S_ISREG(mode):
        data = top.read_bytes()
        yield from _unpacked(_masked(top), data)
        if data.startswith(b"SQLite format 3\0"):
            yield from _cells(top)


def _unpacked(where: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes, and what they are when inflated (git's loose objects are zlib)."""
    assert len(data) <= _MOST, f"{where} is too large to search"
    yield where, data
    if data[:1] == b"\x78":
        with contextlib.suppress(zlib.error):  # it only looked like it
            yield f"{where} (inflated)", zlib.decompressobj().decompress(data, _MOST)
    elif data[:2] == b"\x1f\x8b":
        yield f"{where} (unzipped)", gzip.decompress(data)


def _cells(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every cell of a database: a long value is spread over pages and not in one piece in the file."""
    with sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True) as db:
        db.text_factory = bytes
        tables = [row[0].decode() for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for number, row in enumerate(db.execute(f'SELECT * FROM "{table}"'), 1):  # noqa: S608 - its own table names
                for cell in row:
                    if isinstance(cell, bytes):
                        yield from _unpacked(f"{_masked(path)} (table {table}, row {number})", cell)
    db.close()


def _masked(path: Path) -> str:
    return redact(str(path))


def redact(text: str) -> str:
    """`text` with whatever starts with the mark blotted out, so that a report of a leak is not one more leak."""
    return re.sub(rf"{MARK}[^\s\"'\\,;)\]}}]*", "<secret>", text)


# -- what ran in this process and was caught before pytest could see it

_watchers: list[Callable[[str, Text], None]] = []


def watch(channel: str, text: Text) -> None:
    """Hand output that a test caught itself (a redirected stream, a child's pipe) to the guard of the running test."""
    for watcher in _watchers:
        watcher(channel, text)


def add_watcher(watcher: Callable[[str, Text], None]) -> None:
    """Called by the guard."""
    _watchers.append(watcher)
