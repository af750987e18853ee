"""Secrets that are older than their manifest allows, told by the commits that stamps name: no key, no call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from sopsync import age
from sopsync.change import Change
from sopsync.stamp import Origin


def overdue(
    changes: Iterable[Change], limits: Mapping[str, str], dated: Callable[[str], str | None], now: float
) -> dict[Origin, int]:
    """Secret → days past its limit, each once however many stores hold it.

    `limits`: path → rotate_after. `dated`: commit → its date, RFC 3339, None or "" if nobody knows. An entry whose
    stamp does not vouch for what is live says nothing of the value's age, and is left out.
    """
    found: dict[Origin, int] = {}
    for change in changes:
        want, seen = change.desired, change.seen
        if want is None or seen is None or seen.stamp is None or not seen.vouched or want.origin.path not in limits:
            continue
        if date := dated(seen.stamp.commit):
            with suppress(ValueError):  # git lets authors write nonsense
                late = age.overdue(date, limits[want.origin.path], datetime.fromtimestamp(now, UTC))
                if late is not None:
                    found[want.origin] = late
    return found
