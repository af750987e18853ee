"""When a value is past its `rotate_after`. Pure; told the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_DAYS = {"d": 1, "w": 7}
_MONTHS = {"m": 1, "y": 12}


def later(since: datetime, rotate_after: str) -> datetime:
    """`since` and `90d`, `2w`, `6m` or `1y`, by the calendar. A month after the 31st is the last day of the next."""
    number, unit = int(rotate_after[:-1]), rotate_after[-1]
    try:
        if unit in _DAYS:
            return since + timedelta(days=number * _DAYS[unit])
        months = since.month - 1 + number * _MONTHS[unit]
        first = since.replace(year=since.year + months // 12, month=months % 12 + 1, day=1)
        length = ((first + timedelta(days=31)).replace(day=1) - first).days
        return first.replace(day=min(since.day, length))
    except (OverflowError, ValueError):  # beyond the calendar: never
        return datetime.max.replace(tzinfo=UTC)


def overdue(changed: str, rotate_after: str, now: datetime) -> int | None:
    """Days by which a value that was changed at `changed` (RFC 3339) is overdue at `now`; None if it is not.

    ValueError for what is no date, or has no time zone: git lets authors write nonsense.
    """
    since = datetime.fromisoformat(changed)
    if since.tzinfo is None:
        raise ValueError("no time zone")
    late = now - later(since.astimezone(UTC), rotate_after)
    return late.days if late > timedelta() else None
