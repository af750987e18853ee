"""Commit objects: who, when, why, from what, and whether signed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from sopsync.git.process import printable

_PERSON = re.compile(rb"(?P<name>[^<]*?) ?<(?P<email>[^>]*)> (?P<seconds>-?\d+) (?P<sign>[+-])(?P<h>\d\d)(?P<m>\d\d)")


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit for people. What its author wrote is made printable; `date` is RFC 3339 ("" if git has nonsense)."""

    commit: str
    author: str
    email: str
    date: str
    subject: str
    body: str = ""
    """What follows the subject; its lines are lines."""


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a commit object that machines read (git-commit-tree(1); gitformat-signature(5))."""

    parents: tuple[str, ...]
    committed: int
    """Unix time."""
    signature: str
    """First line of the armor, "" if not signed."""
    author: bytes
    message: bytes
    encoding: str

    @classmethod
    def of(cls, data: bytes) -> Header:
        """Parse the content of a commit object. Fields that are missing or broken are empty."""
        head, _, message = data.partition(b"\n\n")
        fields = [line.partition(b" ") for line in head.split(b"\n")]
        first = {name: value for name, _, value in reversed(fields) if name}
        committer = _PERSON.fullmatch(first.get(b"committer", b""))
        signature = first.get(b"gpgsig") or first.get(b"gpgsig-sha256") or b""
        return cls(
            parents=tuple(value.decode("ascii") for name, _, value in fields if name == b"parent"),
            committed=int(committer["seconds"]) if committer else 0,
            signature=signature.decode("ascii", "replace"),
            author=first.get(b"author", b""),
            message=message,
            encoding=first.get(b"encoding", b"utf-8").decode("ascii", "replace"),
        )

    def info(self, commit: str) -> CommitInfo:
        """The same for people."""
        who = _PERSON.fullmatch(self.author)
        subject, _, body = self.message.strip(b"\n").partition(b"\n\n")
        return CommitInfo(
            commit=commit,
            author=self._text(who["name"]) if who else "",
            email=self._text(who["email"]) if who else "",
            date=_date(who) if who else "",
            subject=self._text(b" ".join(subject.split(b"\n"))),
            body="\n".join(self._text(line) for line in body.splitlines()),
        )

    def _text(self, raw: bytes) -> str:
        try:
            return printable(raw.decode(self.encoding, "replace"))
        except LookupError:
            return printable(raw.decode("utf-8", "replace"))


def _date(who: re.Match[bytes]) -> str:
    minutes = int(who["h"]) * 60 + int(who["m"])
    zone = timezone(timedelta(minutes=-minutes if who["sign"] == b"-" else minutes)) if minutes < 24 * 60 else UTC
    try:
        return datetime.fromtimestamp(int(who["seconds"]), zone).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return ""
