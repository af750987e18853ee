"""Progress on standard error, once a run takes long: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer

_AFTER = 1.0
"""Seconds before a bar shows."""
_EACH = 30.0
"""Seconds between lines, where there is no terminal: a log of an hour's apply has a hundred of them."""


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[], None]]:
    """`total` steps, how fast they go, and how long it will take. Yields what to call after each, from any thread."""
    if not sys.stderr.isatty():
        yield Steps(what, total).done
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: object) -> Text:
            speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
            return Text(f"{speed:.1f}/s" if speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=total)
    timer = Timer(_AFTER, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        timer.cancel()
        bar.stop()


class Steps:
    """Counts steps, and says on standard error how far it is, twice a minute."""

    def __init__(self, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._count = 0
        self._start = self._said = clock()
        self._lock = Lock()

    def done(self) -> None:
        """One more step."""
        with self._lock:
            self._count += 1
            now = self._clock()
            if now - self._said < _EACH or self._count == self._total:
                return
            self._said = now
            rate = self._count / (now - self._start)
            left = _span((self._total - self._count) / rate)
            line = f"{self._what}: {self._count:,} of {self._total:,}, {rate:.1f}/s, about {left} left"
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner, where the number of steps is not known."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    status = Console(stderr=True).status(what)
    timer = Timer(_AFTER, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        status.stop()
