"""Time as a scheduled run needs it: a wall clock for people, and one that no step of the wall clock moves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event


@dataclass(frozen=True, slots=True)
class Clock:
    """`wall` (Unix time), `elapsed` (seconds that only grow), and how to wait. Tests give others."""

    wall: Callable[[], float]
    elapsed: Callable[[], float]
    wait: Callable[[Event, float], bool]
    """Until so many seconds have passed, or (True) the event is set."""
    chance: Callable[[], float]
    """A random number from 0 to 1."""
    start: tuple[float, float]
    """What `wall` and `elapsed` said when the process began."""

    @classmethod
    def real(cls) -> Clock:
        """The clocks of this machine."""
        return cls(time.time, time.monotonic, Event.wait, random.SystemRandom().random, (time.time(), time.monotonic()))

    def steady(self) -> float:
        """Unix time as it was when the process began, and as much later as has passed since."""
        return self.start[0] + self.elapsed() - self.start[1]
