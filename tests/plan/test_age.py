"""When a value is past its `rotate_after`: at the second, in any time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sopsync.age import later, overdue

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "after", "due"),
    [
        ("2026-01-01", "90d", "2026-04-01"),
        ("2026-01-01", "2w", "2026-01-15"),
        ("2026-01-31", "1m", "2026-02-28"),
        ("2027-01-31", "13m", "2028-02-29"),
        ("2026-12-31", "6m", "2027-06-30"),
        ("2028-02-29", "1y", "2029-02-28"),
        ("2026-05-15", "7m", "2026-12-15"),
        ("2026-05-15", "12m", "2027-05-15"),
    ],
)
def test_when_rotation_is_due(since: str, after: str, due: str) -> None:
    at = timedelta(hours=7)
    start = datetime.fromisoformat(since).replace(tzinfo=UTC) + at
    assert later(start, after) == datetime.fromisoformat(due).replace(tzinfo=UTC) + at


def test_due_beyond_the_calendar_is_never() -> None:
    assert later(NOW, "9999y") > NOW + timedelta(days=365 * 7000)
    assert overdue("2026-01-01T00:00:00Z", "9999y", NOW) is None


@pytest.mark.parametrize(
    ("changed", "late"),
    [
        ("2026-02-28T00:00:00Z", None),  # to the second: not late yet
        ("2026-02-27T23:59:59Z", 0),
        ("2026-02-28T01:00:00+02:00", 0),  # 23:00 UTC the day before
        ("2026-02-27T23:30:00-02:00", None),
        ("2026-01-29T00:00:00Z", 30),
        ("2030-01-01T00:00:00Z", None),  # authors may write any date
    ],
)
def test_overdue(changed: str, late: int | None) -> None:
    assert overdue(changed, "1d", NOW) == late


def test_no_date_is_said() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        overdue("", "1d", NOW)
