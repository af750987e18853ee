"""Every entry is verified once within the period, whenever runs come; none is left out, and few twice."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.model import Payload, Ref, Secret
from sopsync.reconcile.slices import due, look_back
from sopsync.reconcile.source import here
from sopsync.stores.local_payload import pack
from tests.reconcile.clocks import Hands, Process, job, nothing
from tests.reconcile.things import reconciled
from tests.stores.local_harness import SEALER
from tests.support.story import Stage

HOUR, DAY = 3600.0, 86400.0
REFS = [Ref("s", f"entry/{i}") for i in range(500)]


def late_runs(interval: float, seed: int) -> Iterator[float]:
    """Three days of runs, each up to half an interval late."""
    chance = random.Random(seed)
    for i in range(int(3 * DAY / interval)):
        yield 1_764_000_000 + i * interval + chance.uniform(0, interval / 2)


@settings(deadline=None)
@given(st.sampled_from([300.0, HOUR, 4 * HOUR, 2 * DAY]), st.integers(0, 1000))
def test_a_cronjob_that_knows_nothing_of_its_last_run_leaves_none_out(interval: float, seed: int) -> None:
    seen: dict[Ref, float] = {}
    for now in late_runs(interval, seed):
        for ref in REFS[:40]:
            if due(ref, now=now, back=look_back(interval, None), period=DAY):
                seen[ref] = now
            assert now - seen.get(ref, 1_764_000_000) <= max(DAY, interval) + 2 * interval, ref


@settings(deadline=None)
@given(st.lists(st.floats(1, 5 * HOUR), min_size=2, max_size=60))
def test_a_process_that_stays_up_verifies_each_exactly_once_a_period(gaps: list[float]) -> None:
    now, ends = 1_764_000_000.0, 1_764_000_000.0 + sum(gaps)
    found = dict.fromkeys(REFS[:20], 0)
    for gap in gaps:
        now += gap
        for ref in found:
            found[ref] += due(ref, now=now, back=look_back(HOUR, gap), period=DAY)
    whole = (ends - 1_764_000_000.0) / DAY
    assert all(int(whole) <= n <= int(whole) + 1 for n in found.values())


def test_a_slice_is_about_its_share() -> None:
    found = sum(due(ref, now=1_764_000_123, back=HOUR * 2.4, period=DAY) for ref in REFS)
    assert 30 < found < 70  # a tenth of 500
    assert all(due(ref, now=5, back=DAY, period=DAY) for ref in REFS)
    assert not any(due(ref, now=5, back=DAY, period=0) for ref in REFS)


def test_a_run_verifies_its_slice_and_no_more(acme: Stage) -> None:
    reconciled()
    assert reconciled("--verify-within", "0")[1]["verified"] == 0
    assert reconciled("--verify-within", "1h", "--interval", "1h")[1]["verified"] == 4
    assert reconciled("--dry-run", "--verify-within", "1h", "--interval", "1h")[1]["verified"] == 4


def test_a_value_under_a_stamp_that_still_vouches_is_found_by_the_slice(acme: Stage) -> None:
    reconciled()
    sealed = SEALER.seal(pack(Payload(fields={"value": Secret(b"canary-forged")})))
    with contextlib.closing(sqlite3.connect(acme.repo.path / ".sopsync/store.db")) as db, db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("UPDATE versions SET sealed = ? WHERE name = 'api/k0001'", [sealed])
    assert reconciled("--verify-within", "0")[1]["drift"] == 0
    code, line, (problem,) = reconciled("--verify-within", "1h", "--interval", "1h")
    assert (code, line["drift"], line["verified"], problem["where"]) == (0, 1, 4, "s:api/k0001")


def test_no_moment_falls_between_two_runs_however_long_a_fetch_takes(
    acme: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run looks back over begins where the run before it ended looking."""
    hands, fetches = Hands(), iter([1, 60, 1, 90, 2, 1])
    windows: dict[float, float] = {}

    def looked(ref: Ref, *, now: float, back: float, period: float) -> bool:
        windows[now] = now - back
        return due(ref, now=now, back=back, period=period)

    @contextlib.contextmanager
    def slow(stop: Event) -> Iterator[Path]:
        hands.pass_(next(fetches))
        with here(acme.repo.path)(stop) as path:
            yield path

    monkeypatch.setattr("sopsync.reconcile.run.due", looked)
    Process(job(acme, source=slow, period=DAY), hands, [nothing] * 5)
    ends = list(windows)
    assert len(ends) == 5  # the first run has nothing to verify
    assert [windows[end] for end in ends[1:]] == pytest.approx(ends[:-1], rel=0, abs=0.001)
