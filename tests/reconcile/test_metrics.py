"""What Prometheus sees: of one run, in a file; of a process that stays up, at its endpoint."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sopsync.errors import SourceError
from sopsync.reconcile.metrics import CONTENT_TYPE, COUNTERS, GAUGES, Totals, load, recall, render, save
from sopsync.reconcile.result import Result
from sopsync.reconcile.serve import serving
from tests.reconcile.clocks import START, Hands, Process, job, nothing
from tests.reconcile.things import reconciled, samples
from tests.support.servers import free_port
from tests.support.story import Stage, capture


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
    assert reconciled("--rev", "no-such", *args)[0] == 1
    third = samples(file.read_text())
    assert (third['sopsync_runs_total{exit="0"}'], third['sopsync_runs_total{exit="1"}']) == (2, 1)
    assert third["sopsync_last_run_exit_code"] == 1
    name = "sopsync_last_success_timestamp_seconds"
    assert third[name] == second[name] > first[name] > 0
    assert not [name for name in third if name.startswith("sopsync_entries")], "nobody looked: no number is true"


def test_what_is_written_is_read_back() -> None:
    totals = Totals()
    totals.add(Result(0, started=START, changes={"a": {"create": 2}}, failures={"a": 1}, calls={"a": 12345678}))
    totals.add(Result(3, started=START + 1))
    again = recall(render(Result(0), totals))
    assert (again.counters, again.success) == (totals.counters, START)
    assert recall('garbage\nsopsync_runs_total{exit="0"} 1e\nsopsync_runs_total 1e999\n\0').counters == {}


def test_what_is_no_plain_file_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_text, args=['sopsync_runs_total{exit="0"} 5\n'])
    writer.start()
    assert load(pipe) == Totals()
    assert pipe.read_text()  # nobody has
    writer.join()
    problem = save(pipe, "")
    assert problem is not None
    assert problem.what == "cannot be written: not a plain file"
    assert pipe.is_fifo()


def test_a_place_that_cannot_even_be_looked_at_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    problem = save(tmp_path / ("x" * 300), "")
    assert problem is not None
    assert problem.what.startswith("cannot be written: File name too long")


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


@contextmanager
def gateway() -> Iterator[tuple[str, dict[str, dict[str, float]], list[str]]]:
    """A Pushgateway as its README has it, as far as POST goes: (URL, path → what it holds, methods seen)."""
    held: dict[str, dict[str, float]] = {}
    methods: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            methods.append(self.command)
            sent = samples(self.rfile.read(int(self.headers["Content-Length"])).decode())
            names = {name.partition("{")[0] for name in sent}
            kept = {n: v for n, v in held.get(self.path, {}).items() if n.partition("{")[0] not in names}
            held[self.path] = kept | sent
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/", held, methods
        finally:
            http.shutdown()
            thread.join()


def test_a_gateway_keeps_the_last_success_and_tells_jobs_apart(acme: Stage) -> None:
    with gateway() as (url, held, methods):
        reconciled("--pushgateway", url)
        first = held["/metrics/job/sopsync"]
        assert first['sopsync_last_run_changes{store="s",action="create"}'] == 4
        assert reconciled("--pushgateway", url, "--rev", "no-such")[0] == 1
        second = held["/metrics/job/sopsync"]
        assert second["sopsync_last_run_exit_code"] == 1
        name = "sopsync_last_success_timestamp_seconds"
        assert second[name] == first[name] > 0
        reconciled("--pushgateway", url, "--shard", "1/4")
        reconciled("--pushgateway", url, "--dry-run")
        paths = {"/metrics/job/sopsync", "/metrics/job/sopsync/shard/1", "/metrics/job/sopsync-check"}
        assert set(held) == paths
        assert set(methods) == {"POST"}
    code, said = capture(["reconcile", "--pushgateway", url])
    assert code == 0
    assert "did not take the metrics: Connection refused" in said
    assert capture(["reconcile", "--pushgateway", "ftp://x"])[0] == 1


@pytest.mark.parametrize(
    ("listen", "reached"), [("[::1]:0", ["[::1]"]), ("127.0.0.1:0", ["127.0.0.1"]), (":0", ["127.0.0.1", "[::1]"])]
)
def test_it_listens_to_both_families(listen: str, reached: list[str]) -> None:
    if not socket.has_dualstack_ipv6():
        reached = [host for host in reached if host != "[::1]"]
        if not reached:
            pytest.skip("this system has no IPv6")
    with serving(listen, lambda: "", lambda: True) as port:
        for host in reached:
            with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=10) as answer:
                assert answer.read() == b"ok\n"
