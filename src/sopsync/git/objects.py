"""Objects and comparisons, any number of them through one git process each."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import IO

from sopsync.errors import SourceError
from sopsync.git.process import Git, end, raw, text

LIMIT = 100 * 1024 * 1024
"""Bytes of the largest object we read: a secrets file is never near it, and memory stays bounded."""


class TooLarge(SourceError):
    """An object beyond LIMIT. Nothing of it was kept."""


class _Conversation:
    """A git process that answers one request at a time; started when first asked, and anew if it ended."""

    def __init__(self, git: Git, *args: str | bytes) -> None:
        self._git = git
        self._args = args
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def _ask(self, line: bytes) -> IO[bytes]:
        """Send one line; the stream the answer comes from."""
        if self._process is None:
            self._process = self._git.start(*self._args)
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - Git.start pipes both
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self._process.stdout

    def _ended(self) -> SourceError:
        self.close()
        return SourceError(
            "git cannot read an object of this repository",
            hint="a partial clone lacks it (clone without --filter), or it is damaged (git fsck)",
        )

    def close(self) -> None:
        """End the process. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            end(process)


@dataclass(frozen=True, slots=True)
class Object:
    """A git object. `kind` is blob, commit, tree or tag."""

    oid: str
    kind: str
    data: bytes


class Objects(_Conversation):
    """Reads any number of objects through one `git cat-file --batch`. Safe to call from several threads."""

    def __init__(self, git: Git) -> None:
        super().__init__(git, "cat-file", "--batch")

    def find(self, name: str) -> Object | None:
        """The object of an id or revision; None if there is none.

        The answer is `<oid> <type> <size>` and the content, or `<name> missing` (git-cat-file(1), batch output).
        `name` must be one line: see `Repository.resolve`.
        """
        with self._lock:
            stream = self._ask(raw(name))
            head = stream.readline()
            if not head.endswith(b"\n"):
                raise self._ended()
            if head.endswith((b" missing\n", b" ambiguous\n")):
                return None
            oid, kind, size = head.decode("ascii").split()
            if int(size) > LIMIT:
                self.close()  # cheaper than reading past it
                raise TooLarge(f"larger than {LIMIT >> 20} MB", hint="that is no secrets file: name it in no rule")
            data = stream.read(int(size) + 1)
            if len(data) != int(size) + 1:
                raise self._ended()
            return Object(oid, kind, data[:-1])


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs between an older and a newer commit. An oid is "" where there is no regular file."""

    path: str
    oid: str
    old_path: str
    old_oid: str


class Differ(_Conversation):
    """Compares any number of pairs of commits through one `git diff-tree --stdin`."""

    def __init__(self, git: Git, *options: str | bytes) -> None:
        """`options`: flags and, after `--`, paths to look at."""
        super().__init__(git, "diff-tree", "--stdin", "-r", "--raw", "-z", "--no-abbrev", "--no-commit-id", *options)

    def compare(self, newer: str, older: str) -> tuple[Difference, ...]:
        """What `newer` changed with `older` as its parent.

        A line that is not an object id is echoed (git-diff-tree(1) does not say so; builtin/diff-tree.c does), which
        marks where the answer ends. It is random, so that no path can hold it.
        """
        mark = f"end-{secrets.token_hex(16)}\n".encode()
        with self._lock:
            self._ask(f"{newer} {older}".encode())
            stream = self._ask(mark.rstrip())
            answer = bytearray()
            while not answer.endswith(mark):
                line = stream.readline()
                if not line:
                    raise self._ended()
                answer += line
        return tuple(_differences(bytes(answer.removesuffix(mark))))


def _differences(answer: bytes) -> Iterator[Difference]:
    """Records `:<mode> <mode> <oid> <oid> <status>` NUL path NUL; a rename has two paths, old first."""
    fields = iter(answer.split(b"\0")[:-1])
    for record in fields:
        old_mode, mode, old_oid, oid, status = record.removeprefix(b":").decode("ascii").split()
        first = text(next(fields))
        second = text(next(fields)) if status[0] in "RC" else first
        yield Difference(second, _regular(mode, oid), first, _regular(old_mode, old_oid))


def _regular(mode: str, oid: str) -> str:
    return oid if mode.startswith("100") else ""
