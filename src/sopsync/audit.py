"""What an apply leaves behind for auditors: a line when it starts, one an operation, one when it ends; chained."""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from sopsync import __version__
from sopsync.apply import Outcome
from sopsync.chain import Tail, Verdict, digest, link, tail_of, verify
from sopsync.errors import Refused, SourceError, printable

_ACTORS = (
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILD_REQUESTEDFOREMAIL",  # Azure Pipelines
    "BUILDKITE_BUILD_CREATOR_EMAIL",
    "CIRCLE_USERNAME",
)
"""Where CI systems say who started a job: each one's documentation of predefined variables."""
_LONGEST = 64 * 1024
"""Bytes of a line, at most: what is looked at to find the last one."""
_TOLD = 500
"""Characters that are kept of what people wrote (each takes up to twelve bytes). An entry's name stays whole."""


class Sink(Protocol):
    """Where lines go. OSError if one cannot be written; then it may be there in part."""

    head: str
    """Digest of the last line written."""

    def append(self, fields: Mapping[str, Any], *, durable: bool = False) -> None: ...

    def close(self) -> None: ...


class Trail:
    """The lines of one run. Safe to call from several threads."""

    def __init__(self, sink: Sink, *, commit: str, actor: str) -> None:
        self._sink = sink
        self._common = {"run": uuid.uuid4().hex, "actor": _cut(actor), "commit": commit}
        self._counts: Counter[str] = Counter()
        self._counting = Lock()

    @property
    def head(self) -> str:
        """Digest of the last line of this run."""
        return self._sink.head

    def start(self) -> None:
        """The first line, on disk when this returns: what cannot be written is found out here."""
        self._append("start", {"tool": __version__}, durable=True)

    def outcome(self, outcome: Outcome) -> None:
        """What became of one change. OSError if it cannot be told."""
        change, problem = outcome.change, outcome.problem
        with self._counting:
            self._counts[outcome.status.value] += 1
        told = {
            "store": change.ref.store,
            "entry": change.ref.name,
            "owner": change.owner,
            "source": _cut(str(change.origin)) if change.origin else None,
            "action": change.action.value,
            "from": change.seen.version if change.seen else None,
            "to": outcome.version,
            "outcome": outcome.status.value,
            "problem": _cut(printable(problem.what)) if problem else None,
        }
        self._append("change", told)

    def end(self, code: int) -> None:
        """The last line: the exit code, and how many operations ended how."""
        self._append("end", {"exit": code, "outcomes": dict(sorted(self._counts.items()))}, durable=True)

    def close(self) -> None:
        """Let go of the file."""
        self._sink.close()

    def _append(self, kind: str, fields: Mapping[str, Any], *, durable: bool = False) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._sink.append({"at": at, "kind": kind, **self._common, **fields}, durable=durable)


class Stream:
    """Lines handed to somebody who writes them out, in a chain that begins with this run."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.head = Tail().digest
        self._write = write
        self._lock = Lock()

    def append(self, fields: Mapping[str, Any], *, durable: bool = False) -> None:  # noqa: ARG002 - not ours to sync
        with self._lock:
            line = link(Tail(self.head), fields)
            self._write(line.decode("ascii"))
            self.head = digest(line)

    def close(self) -> None:
        """Nothing is held."""


class File:
    """Lines at the end of a file, which any number of processes of this machine may share."""

    def __init__(self, path: Path) -> None:
        """Refused if it cannot be written, or holds something else."""
        self.head = Tail().digest
        self._lock = Lock()
        self._end = 0
        try:
            # not blocking: a pipe that nobody reads would be waited for
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o640)
        except OSError as error:
            hint = "name a file that can be written; its directory must be there"
            raise _cannot(path, error.strerror or "", hint) from None
        if unfit := self._unfit():
            os.close(self._fd)
            raise _cannot(path, *unfit)

    def _unfit(self) -> tuple[str, str] | None:
        """(why lines cannot be appended to what was opened, what to do)."""
        try:
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                return "not a plain file", "- writes to standard output"
            with self._alone():
                whole = self._tail() is not None
        except OSError as error:
            return error.strerror or "", "it must be on a file system with locks"
        return None if whole else ("it holds something else than audit lines", "name another file")

    def append(self, fields: Mapping[str, Any], *, durable: bool = False) -> None:
        with self._lock, self._alone():
            if os.fstat(self._fd).st_size < self._end:  # a chain begun anew in the middle of a run would look whole
                raise OSError("somebody cut the file")
            tail = self._tail()
            if tail is None:
                raise OSError("somebody else wrote to the file")
            line = link(tail, fields)
            if len(line) + 2 > _LONGEST:  # with it, the next one would not find its end
                raise OSError("an entry's name is too long for a line")
            self._write((b"\n" if tail.torn else b"") + line + b"\n")
            if durable:
                os.fsync(self._fd)
            self._end = os.fstat(self._fd).st_size
            self.head = digest(line)

    def close(self) -> None:
        os.close(self._fd)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process appends meanwhile."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _tail(self) -> Tail | None:
        """Where the chain goes on; None if the file ends in something else."""
        size = os.fstat(self._fd).st_size
        if not size:
            return Tail()
        start = max(0, size - _LONGEST)
        end = os.pread(self._fd, _LONGEST, start)
        _, newline, last = end.removesuffix(b"\n").rpartition(b"\n")
        if start and not newline:  # longer than any line of ours
            return None
        return tail_of(last, ended=end.endswith(b"\n"))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]


def look_through(path: Path, *, head: str = "") -> Verdict:
    """Verify a file as it is now; lines that are being appended meanwhile are left out. SourceError if unreadable."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            size = os.fstat(file.fileno()).st_size
            fcntl.flock(file, fcntl.LOCK_UN)
            return verify(_lines(file, size), head=head)
    except OSError as error:
        what = f"cannot read it: {error.strerror}"
        raise SourceError(what, where=printable(str(path)), hint="name a file that apply --audit wrote") from None


def _lines(file: Any, size: int) -> Iterator[bytes]:
    while size > 0 and (line := file.readline(min(size, 2 * _LONGEST))):
        size -= len(line)
        yield line


def actor_of(environ: Mapping[str, str]) -> str:
    """Who runs this, as far as the environment says: nothing proves it. `SOPSYNC_ACTOR`, what CI says, or user@host."""
    for name in ("SOPSYNC_ACTOR", *_ACTORS):
        if environ.get(name):
            return printable(environ[name])
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user often has no name
        user = str(os.getuid())
    return printable(f"{user}@{socket.gethostname()}")


def _cut(text: str) -> str:
    return text if len(text) <= _TOLD else text[: _TOLD - 1] + "…"


def _cannot(path: Path, why: str, hint: str) -> Refused:
    return Refused(f"the audit file cannot be written: {why}", where=printable(str(path)), hint=hint)
