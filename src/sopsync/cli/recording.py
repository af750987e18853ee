"""Around an apply: its audit trail, opened before anything else and ended whichever way the run ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sopsync.cli.exits import Exit, UsageError, of_error, worst
from sopsync.cli.output import err, out
from sopsync.errors import SopsyncError

if TYPE_CHECKING:
    from sopsync.apply import Outcome
    from sopsync.audit import Trail


class _Stop(Event):
    """Ends this run when it is set, or when `outer` is; ends nobody else's."""

    def __init__(self, outer: Event | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or (self._outer is not None and self._outer.is_set())


class Recording:
    """What the command says of its run. Without a trail, nothing is kept."""

    def __init__(self, to: str, trail: Trail | None, stop: Event | None = None) -> None:
        self.say = err if to == "-" else out
        """For what is not an audit line: standard output belongs to them if they go there."""
        self.code = Exit.DONE
        self.stop: Event = _Stop(stop)
        self._trail = trail
        self.lost = ""
        """Why lines are missing from the trail."""

    @property
    def head(self) -> str:
        """Digest of the last line of this run; "" where nothing is kept."""
        return self._trail.head if self._trail else ""

    def outcome(self, outcome: Outcome) -> None:
        """Keep it. What cannot be kept ends the run: the writes in hand finish, no other begins."""
        if self._trail is None or self.lost:
            return
        try:
            self._trail.outcome(outcome)
        except OSError as error:
            self.lost = error.strerror or str(error)
            self.stop.set()

    def done(self, code: int) -> Exit:
        """The run's exit code: an error if operations are missing from the trail."""
        self.code = worst([Exit(code), Exit.ERROR]) if self.lost else Exit(code)
        return self.code


@contextmanager
def recording(to: str, *, commit: str, json: bool, quiet: bool) -> Iterator[Recording]:
    """The same for `apply`, which tells on standard error how it went."""
    if to == "-" and json:
        raise UsageError("--json and --audit - both want standard output", hint="give --audit a file")
    with kept(to, commit) as run:
        yield run
        if run.lost:
            what = f"error: the audit file could not be written on: {run.lost}; the run was stopped"
            err([what, "  hint: what was done is listed above, and not all of it is in the file"])
            return
    if run.lost:
        raise SopsyncError(f"the audit file could not be ended: {run.lost}", where=to)
    if run.head and not quiet:
        err([f"audit: the last line has the digest {run.head}"])


@contextmanager
def kept(to: str, commit: str, stop: Event | None = None) -> Iterator[Recording]:
    """`to`: a file, `-` for standard output, or "" for nowhere. Refused if it cannot be written.

    What is lost later is in the recording's `lost`, also if it was the end. `stop` stops this run too.
    """
    if not to:
        yield Recording(to, None, stop)
        return
    from sopsync.audit import File, Stream, Trail, actor_of

    sink = Stream(lambda line: out([line])) if to == "-" else File(Path(to))
    trail = Trail(sink, commit=commit, actor=actor_of(os.environ))
    run = Recording(to, trail, stop)
    try:
        _begin(trail, to)
        try:
            yield run
        except BaseException as error:
            # the error is what the run is remembered for, whether or not its end can be written
            with suppress(OSError):
                trail.end(of_error(error) if isinstance(error, SopsyncError) else Exit.ERROR)
            raise
        try:
            trail.end(run.code)
        except OSError as error:
            run.lost = run.lost or error.strerror or str(error)
            run.code = worst([run.code, Exit.ERROR])
    finally:
        trail.close()


def _begin(trail: Trail, to: str) -> None:
    from sopsync.errors import Refused

    try:
        trail.start()
    except OSError as error:
        what = f"the audit file cannot be written: {error.strerror or error}"
        raise Refused(what, where=to, hint="nothing was written to any store") from None
