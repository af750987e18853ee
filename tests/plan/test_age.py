"""When a value is past its `rotate_after`: at the second, in any time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sopsync.age import overdue, period

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("text", "days"), [("1d", 1), ("2w", 14), ("6m", 180), ("1y", 365), ("9999y", 9999 * 365)])
def test_periods(text: str, days: int) -> None:
    assert period(text) == timedelta(days=days)


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
