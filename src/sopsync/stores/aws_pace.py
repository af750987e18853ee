"""How fast calls may go: a token bucket for each group of calls, slower after each throttling, and slowly back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from threading import Lock
from typing import Any

_LEAST = 1 / 16
"""The share of its rate that a group never goes below."""
_REGAINED = 1 / 32
"""The share of its rate that a group gains back with each call that went through."""


class Pace:
    """One group of calls. Safe to use from several threads.

    `rate`: calls per second in the long run. A second's worth may go at once, as AWS's own buckets allow
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/throttling.html describes them).
    """

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._most = self._rate = rate
        self._clock, self._sleep = clock, sleep
        self._due = 0.0
        """When the bucket is full again: calls may run ahead of it by a second."""
        self._lock = Lock()

    def wait(self, within: float = math.inf) -> bool:
        """Until the next call may go. False, at once and taking no turn, if that is in more than `within` seconds."""
        with self._lock:
            now = self._clock()
            due = max(self._due, now) + 1 / self._rate
            early = due - now - max(1.0, 1 / self._rate)
            if early > within:
                return False
            self._due = due
        if early > 0:
            self._sleep(early)
        return True

    def throttled(self) -> None:
        """The server found it too fast."""
        with self._lock:
            self._rate = max(self._rate / 2, self._most * _LEAST)
            self._due = max(self._due, self._clock() + 1)

    def went(self) -> None:
        """A call went through."""
        with self._lock:
            self._rate = min(self._most, self._rate + self._most * _REGAINED)


class Paces:
    """The groups of one API: `quotas` are calls per second by group, `operations` say which group a call is of."""

    def __init__(self, quotas: Mapping[str, float], operations: Mapping[str, str]) -> None:
        self._paces = {group: Pace(rate) for group, rate in quotas.items()}
        self._operations = operations

    def of(self, operation: str) -> Pace:
        """The pace of an operation. KeyError if nobody said which group it is of."""
        return self._paces[self._operations[operation]]


def together(
    shared: MutableMapping[Hashable, Any], where: Hashable, quotas: Mapping[str, float], operations: Mapping[str, str]
) -> Paces:
    """The paces of one account and region, which all stores of a run keep together: AWS's quotas are the account's.
    `shared`: of that run. Stores that are given other rates have divided the quota among themselves."""
    found: Paces = shared.setdefault((where, *sorted(quotas.items())), Paces(quotas, operations))
    return found
