"""What Prometheus sees: of one run, in a file; of a process that stays up, at its endpoint."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.reconcile.metrics import CONTENT_TYPE, COUNTERS, GAUGES, Totals, recall, render
from sopsync.reconcile.result import Result
from tests.reconcile.clocks import START, Hands, Process, job, nothing
from tests.reconcile.things import reconciled, samples
from tests.support.servers import free_port
from tests.support.story import Stage


def test_a_file_of_one_run(acme: Stage, tmp_path: Path) -> None:
    file = tmp_path / "sopsync.prom"
    args = ("--metrics-file", str(file))
    reconciled(*args)
    found = samples(file.read_text())
    states = ("in_sync", "pending", "drift", "orphan", "conflict", "unknown")
    assert [found[f'sopsync_entries{{store="s",state="{s}"}}'] for s in states] == [4, 0, 0, 0, 0, 0]
    assert found['sopsync_changes_total{store="s",action="create"}'] == 4
    assert found['sopsync_runs_total{exit="0"}'] == 1
    assert found["sopsync_last_run_exit_code"] == 0
    assert found["sopsync_last_success_timestamp_seconds"] == found["sopsync_last_run_timestamp_seconds"]
    assert found['sopsync_api_calls_total{store="s"}'] > 0
    assert "sopsync_last_success_age_seconds" not in found
    assert {name.partition("{")[0] for name in found} <= GAUGES.keys() | COUNTERS.keys()


def test_counters_go_on_in_the_file_and_a_failure_keeps_the_last_success(acme: Stage, tmp_path: Path) -> None:
    file = tmp_path / "sopsync.prom"
    args = ("--metrics-file", str(file))
    reconciled(*args)
    first = samples(file.read_text())
    acme.do_put(["api.yaml", "k0001=canary-new"])
    acme.do_commit(["New"])
    reconciled(*args)
    second = samples(file.read_text())
    assert second['sopsync_changes_total{store="s",action="create"}'] == 4
    assert second['sopsync_changes_total{store="s",action="update"}'] == 1
    assert second['sopsync_runs_total{exit="0"}'] == 2
    assert second['sopsync_api_calls_total{store="s"}'] > first['sopsync_api_calls_total{store="s"}']
    assert reconciled("--ref", "no-such", *args)[0] == 1
    third = samples(file.read_text())
    assert (third['sopsync_runs_total{exit="0"}'], third['sopsync_runs_total{exit="1"}']) == (2, 1)
    assert third["sopsync_last_run_exit_code"] == 1
    assert third["sopsync_last_success_timestamp_seconds"] == second["sopsync_last_success_timestamp_seconds"]
    assert not [name for name in third if name.startswith("sopsync_entries")], "nobody looked: no number is true"


def test_what_is_written_is_read_back() -> None:
    totals = Totals()
    totals.add(Result(0, started=START, changes={"a": {"create": 2}}, failures={"a": 1}, calls={"a": 12345678}))
    totals.add(Result(3, started=START + 1))
    again = recall(render(Result(0), totals))
    assert (again.counters, again.success) == (totals.counters, START)
    assert recall('garbage\nsopsync_runs_total{exit="0"} 1e\nsopsync_runs_total 1e999\n\0').counters == {}


def get(port: int, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", error.read().decode()


def test_the_endpoint(acme: Stage) -> None:
    port, hands = free_port(), Hands()
    seen: list[dict[str, float]] = []

    def look() -> None:
        code, kind, text = get(port, "/metrics")
        assert (code, kind) == (200, CONTENT_TYPE)
        seen.append(samples(text))
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/")[0] == 404

    def late() -> None:
        hands.pass_(3 * 300 + 600 - 1)
        assert get(port, "/healthz")[0] == 200
        hands.pass_(1)
        assert get(port, "/healthz")[0] == 503

    process = Process(job(acme), hands, [look, look, late], listen=f"127.0.0.1:{port}")
    assert [r.code for r in process.results] == [0, 0, 0, 0]
    assert [s['sopsync_changes_total{store="s",action="create"}'] for s in seen] == [4, 4]
    assert [s['sopsync_runs_total{exit="0"}'] for s in seen] == [1, 2]
    assert seen[0]["sopsync_last_success_age_seconds"] == 0
    with pytest.raises(urllib.error.URLError):
        get(port, "/healthz")


def test_before_the_first_run_ended_and_of_a_wrong_address(acme: Stage) -> None:
    hands = Hands()
    with pytest.raises(SourceError, match="cannot listen"):
        Process(job(acme), hands, listen="256.0.0.1:1")
    with pytest.raises(SourceError, match="cannot listen"):
        Process(job(acme), hands, listen="nonsense")


def test_age_grows_while_runs_fail(acme: Stage) -> None:
    port, hands = free_port(), Hands()
    ages: list[float] = []

    def look() -> None:
        ages.append(samples(get(port, "/metrics")[2])["sopsync_last_success_age_seconds"])

    def break_it() -> None:
        look()
        acme.repo.git("branch", "-m", "main", "away")

    Process(job(acme, rev="refs/heads/main"), hands, [break_it, look, nothing], listen=f"127.0.0.1:{port}")
    assert ages == [0, 300]
