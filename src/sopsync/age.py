"""Whether a value is past its `rotate_after`. Pure; told the time."""

from __future__ import annotations

from datetime import datetime, timedelta

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def period(rotate_after: str) -> timedelta:
    """`90d`, `2w`, `6m` (of 30 days), `1y` (of 365): as the config model lets it through."""
    return timedelta(days=int(rotate_after[:-1]) * _DAYS[rotate_after[-1]])


def overdue(changed: str, rotate_after: str, now: datetime) -> int | None:
    """Days by which a value that was changed at `changed` (RFC 3339) is overdue at `now`; None if it is not.

    ValueError for what is no date: git lets authors write nonsense.
    """
    late = now - datetime.fromisoformat(changed) - period(rotate_after)
    return late.days if late > timedelta() else None
