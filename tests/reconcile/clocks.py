"""A clock whose hands a test moves, and a process that stays up by it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sopsync.cli.schedule import CODES
from sopsync.errors import Problem
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.loop import Telling, reconcile
from sopsync.reconcile.result import Result
from sopsync.reconcile.run import Job
from sopsync.reconcile.source import here
from tests.support.story import Stage

START = 1_764_000_000.0


class Hands:
    """Time stands still but while somebody waits. `pauses`: how long each wait was to be."""

    def __init__(self) -> None:
        self.wall = START
        self.elapsed = 50.0
        self.pauses: list[float] = []

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds

    def clock(self, chance: float = 0.5) -> Clock:
        def wait(event: threading.Event, seconds: float) -> bool:
            self.pauses.append(seconds)
            self.pass_(seconds)
            return event.is_set()

        return Clock(lambda: self.wall, lambda: self.elapsed, wait, lambda: chance, (self.wall, self.elapsed))


def job(stage: Stage, **more: Any) -> Job:
    """What `sopsync reconcile --every 5m` would do in a stage's repository."""
    made = Job(here(stage.repo.path), "HEAD", dict(os.environ), CODES, interval=300.0, period=0)
    return replace(made, **more)


class Process:
    """`sopsync reconcile --every 5m`, by given hands. Between runs the next of `acts` happens; then it ends."""

    def __init__(self, made: Job, hands: Hands, acts: Sequence[Callable[[], Any]] = (), **telling: Any) -> None:
        self.results: list[Result] = []
        self.complaints: list[Problem] = []
        self.stop = threading.Event()
        self.hands = hands
        self._acts = list(acts)
        clock = hands.clock()
        telling_ = Telling(self.results.append, self.complaints.append, **telling)
        self.last, self.idle = reconcile(
            made, telling_, replace(clock, wait=lambda event, s: self._between(clock, event, s)), self.stop, stay=True
        )

    def _between(self, clock: Clock, event: threading.Event, seconds: float) -> bool:
        if seconds < 60:  # a webhook's pause, not ours
            return clock.wait(event, seconds)
        if not self._acts:
            event.set()
        else:
            self._acts.pop(0)()
        return clock.wait(event, seconds)


def nothing() -> None:
    """An act."""


def kept(path: Path) -> str:
    return path.read_text("utf-8")
