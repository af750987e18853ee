"""Secrets that are older than their manifest allows, told by the commits that stamps name: no key, no call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sopsync.change import Change
from sopsync.stamp import Origin

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def seconds(rotate_after: str) -> float:
    """`90d`, `2w`, `6m`, `1y` in seconds; a month has 30 days, a year 365."""
    return int(rotate_after[:-1]) * _DAYS[rotate_after[-1]] * 86400.0


def overdue(
    changes: Iterable[Change], limits: Mapping[str, str], dated: Callable[[str], str | None], now: float
) -> dict[Origin, float]:
    """Secret → seconds past its limit, each once however many stores hold it.

    `limits`: path → rotate_after. `dated`: commit → its date, RFC 3339, None or "" if nobody knows. An entry whose
    stamp does not vouch for what is live says nothing of the value's age, and is left out.
    """
    found: dict[Origin, float] = {}
    for change in changes:
        want, seen = change.desired, change.seen
        if want is None or seen is None or seen.stamp is None or not seen.vouched or want.origin.path not in limits:
            continue
        if date := dated(seen.stamp.commit):
            late = now - datetime.fromisoformat(date).timestamp() - seconds(limits[want.origin.path])
            if late > 0:
                found[want.origin] = late
    return found
