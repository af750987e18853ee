"""Which entries a run verifies by value: each has its moment within the period, and is due once that has passed. Pure.

There is no state: an entry's moment comes from a hash of where it is. A run looks back over the time since the run
before it, so runs may be late, by chance or by jitter, and none is left out.
"""

from __future__ import annotations

from sopsync.model import Ref
from sopsync.shard import position


def due(ref: Ref, *, now: float, back: float, period: float) -> bool:
    """Whether the entry's moment lies in the last `back` seconds before `now` (Unix time; all in seconds).

    `period` 0: never. `back` of a whole period or more: always.
    """
    if period <= 0:
        return False
    moment = position(ref) / 2**64 * period
    return (now - moment) % period < back


def look_back(interval: float, since: float | None) -> float:
    """How far a run looks back: to the last run that finished (`since`, seconds ago), where one is known; else an
    interval and a half, so that a run half an interval late leaves no gap."""
    return since if since is not None else interval * 1.5
