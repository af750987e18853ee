"""The system as a whole: what is old, what is overdue, what cannot be told; from a plan, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sopsync.age import overdue
from sopsync.change import Action, Change, Plan
from sopsync.estate import Applied, Estate, Shelf, Standing, ages, shelf, span, standing
from sopsync.git import CommitInfo
from sopsync.model import Observed, Origin, Ref, Stamp, State, Version
from sopsync.render.status import last_applied

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
COMMIT = "c" * 40
STAMP = Stamp("acme", "d" * 32, COMMIT, Origin("api.yaml", "/token"), "5")


def info(date: str) -> CommitInfo:
    return CommitInfo(COMMIT, "Ana", "ana@acme.example", date, "Rotate")


def change(
    name: str = "a", action: Action = Action.UNCHANGED, *, vouched: bool = True, at: str = "", there: bool = True
) -> Change:
    state = State.PRESENT if there else State.ABSENT
    seen = Observed(name, state, Version("5"), "acme", STAMP if there else None, vouched, at=at)
    return Change(Ref("s", name), action, "acme", seen=seen)


def estate(*standings: Standing) -> Estate:
    return Estate(Plan(COMMIT, "main", "r" * 40, "f" * 32, ()), NOW, (), standings)


@given(
    st.timedeltas(timedelta(), timedelta(days=365 * 30)),
    st.integers(1, 40),
    st.sampled_from("dwmy"),
    st.integers(-12, 14),
)
@example(NOW - datetime(2026, 5, 29, tzinfo=UTC), 6, "m", 0)
def test_status_says_what_check_and_reconcile_say(ago: timedelta, number: int, unit: str, zone: int) -> None:
    """Whatever time zone the commit's author was in; a month is one of the calendar everywhere."""
    written = (NOW - ago).astimezone(timezone(timedelta(hours=zone))).isoformat()
    limit = f"{number}{unit}"
    assert standing(change(), info(written), limit, NOW).overdue == (overdue(written, limit, NOW) is not None)


def test_due_beyond_the_calendar_is_never_overdue() -> None:
    assert not standing(change(), info("2026-01-01T00:00:00Z"), "9999y", NOW).overdue


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (timedelta(0), "0m"),
        (timedelta(minutes=-5), "0m"),
        (timedelta(minutes=59), "59m"),
        (timedelta(hours=23), "23h"),
        (timedelta(days=59), "59d"),
        (timedelta(days=61), "2mo"),
        (timedelta(days=364), "12mo"),
        (timedelta(days=365), "1y"),
        (timedelta(days=2000), "5y"),
    ],
)
def test_spans(of: timedelta, said: str) -> None:
    assert span(of) == said


def test_the_age_of_a_vouched_value_is_its_commits_in_any_zone() -> None:
    found = standing(change(at="2026-11-25T00:00:00Z"), info("2026-08-01T02:00:00+02:00"), "90d", NOW)
    assert (found.since, found.commit) == (datetime(2026, 8, 1, tzinfo=UTC), COMMIT)
    assert found.overdue


def test_the_age_of_somebody_elses_value_is_what_the_store_says() -> None:
    """Whoever rotated it in the store did rotate it; its commit is not what the stamp of before says."""
    found = standing(change(vouched=False, at="2026-11-25T00:00:00Z"), info("2020-01-01T00:00:00Z"), "90d", NOW)
    assert (found.since, found.commit, found.info) == (datetime(2026, 11, 25, tzinfo=UTC), "", None)
    assert not found.overdue


@pytest.mark.parametrize("date", ["", "nonsense", "2026-01-01T00:00:00"])
def test_an_age_that_nobody_can_tell_is_told_as_such(date: str) -> None:
    """A commit that is not here, or has no date that means anything, never makes a secret look young."""
    found = standing(change(), info(date) if date else None, "90d", NOW)
    assert (found.since, found.due, found.overdue) == (None, None, False)
    assert estate(found).ageless == ("api.yaml:/token",)
    assert ages(estate(found))["age unknown"] == 1


def test_what_is_not_there_has_no_age() -> None:
    found = standing(change(there=False), None, "90d", NOW)
    assert not found.live
    assert (estate(found).ageless, estate(found).overdue) == ((), ())
    assert sum(ages(estate(found)).values()) == 0


def test_a_secret_in_two_stores_is_overdue_once() -> None:
    two = [standing(change(name), info("2020-01-01T00:00:00Z"), "90d", NOW) for name in ("a", "b")]
    assert estate(*two).overdue == ("api.yaml:/token",)


@pytest.mark.parametrize(
    ("days", "band"),
    [
        (0, "under 30 days"),
        (29, "under 30 days"),
        (30, "under 90 days"),
        (89, "under 90 days"),
        (90, "under a year"),
        (364, "under a year"),
        (365, "a year or more"),
        (9999, "a year or more"),
    ],
)
def test_bands_of_age(days: int, band: str) -> None:
    found = standing(change(), info((NOW - timedelta(days=days)).isoformat()), "", NOW)
    assert [name for name, count in ages(estate(found)).items() if count] == [band]


def test_a_store_that_was_not_seen_has_a_problem_and_one_that_was_seen_in_part_has_not() -> None:
    down = Change(Ref("s", "a"), Action.UNKNOWN, "acme", "timed out\nmore", "retry")
    part = change("b", Action.UNKNOWN)
    for changes, what in (
        ([down], "timed out"),
        ([Change(Ref("s", ""), Action.UNKNOWN, "", "timed out")], "timed out"),
    ):
        found = shelf("s", changes, ())
        assert found.problem is not None
        assert found.problem.what == what
    assert shelf("s", [part], ()).problem is None
    assert shelf("s", [down, change()], ()).problem is None
    assert shelf("s", [], ()).problem is None


def test_counts_leave_nothing_out() -> None:
    made = [change(str(i), action) for i, action in enumerate(Action)]
    found = shelf("s", made, ())
    assert found.entries == len(Action)
    assert found.pending == sum(action.writes for action in Action)


def test_last_applied() -> None:
    old, new = (
        Applied(o, c * 40, info(d), ours=True)
        for o, c, d in (("a", "a", "2026-11-01T00:00:00Z"), ("b", "b", "2026-11-26T10:00:00Z"))
    )
    assert last_applied(shelf("s", [], [old, new]), NOW) == "bbbbbbb 2h ago (+1 owner at another commit)"
    assert last_applied(shelf("s", [], []), NOW) == "never"
    assert last_applied(Shelf("s", {}, (Applied("a", COMMIT, None, ours=True),)), NOW) == "ccccccc not in this clone"
    assert (
        last_applied(Shelf("s", {}, (Applied("a", COMMIT, None, ours=False),)), NOW) == "ccccccc by another repository"
    )
