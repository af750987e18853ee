"""What goes wrong in scheduled runs: what happens, what exit code and metrics say, and that nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sopsync.stores.local import LocalStore
from tests.reconcile.clocks import Hands, Process, job, nothing
from tests.reconcile.things import config, reconciled, remote, samples, stage
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, vault_stage

SOPSYNC = [sys.executable, "-m", "sopsync", "reconcile"]


@pytest.fixture
def prom(tmp_path: Path) -> Path:
    return tmp_path / "sopsync.prom"


def run(prom: Path, *args: str) -> tuple[int, dict[str, Any], list[dict[str, Any]], dict[str, float]]:
    code, line, before = reconciled("--metrics-file", str(prom), *args)
    return code, line, before, samples(prom.read_text())


# -- one store down


def test_one_store_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prom: Path) -> None:
    """The others are written, and pruned; what is down is unknown, and one line says so; the next run finishes."""
    down = '  down: {type: vault, address: "http://127.0.0.1:1", mount: kv}'
    acme = stage(tmp_path, monkeypatch, store=down, more=", {store: down, name: 'api/{key}'}")
    monkeypatch.setenv("VAULT_TOKEN", "canary-token")
    code, line, (problem,), found = run(prom)
    assert (code, line["created"], line["unknown"], line["failed"]) == (3, 4, 4, 0)
    assert (problem["level"], problem["where"]) == ("error", "down")
    assert problem["what"].startswith("4 entries: ")
    assert found['sopsync_entries{store="down",state="unknown"}'] == 4
    assert found['sopsync_entries{store="s",state="in_sync"}'] == 4
    assert found['sopsync_runs_total{exit="3"}'] == 1
    assert found["sopsync_last_success_timestamp_seconds"] == 0
    assert acme.do_live(["api/k0000", "value=canary-0"]) == "value: as told"


# -- git down


def test_git_down(acme: Stage, tmp_path: Path, prom: Path) -> None:
    """No store is touched, the clone and the last success stay, and the next run goes on from there."""
    url = remote(acme)
    args = ("--repo", url, "--storage", str(tmp_path / "kept"))
    before = run(prom, *args)[3]
    (tmp_path / "forge.git").rename(tmp_path / "gone.git")
    code, line, (problem,), found = run(prom, *args)
    assert (code, line["level"], line["calls"], problem["msg"]) == (1, "error", 0, "error")
    assert problem["where"] == url
    assert found["sopsync_last_success_timestamp_seconds"] == before["sopsync_last_success_timestamp_seconds"]
    assert found['sopsync_runs_total{exit="1"}'] == 1
    (tmp_path / "gone.git").rename(tmp_path / "forge.git")
    assert run(prom, *args)[0] == 0


# -- a bad manifest


@pytest.fixture
def two_files(acme: Stage) -> Stage:
    acme.do_put(["web.yaml", "token=canary-web"])
    lines = config(acme, target=", prune: true")
    acme.do_write(["sopsync.yaml"], [*lines, "  - from: web.yaml", "    to: [{store: s, name: 'web/{key}'}]"])
    acme.do_commit(["Two files"])
    reconciled()
    acme.do_put(["api.yaml", "k0000=canary-new"])
    acme.do_unset(["api.yaml", "k0001"])
    return acme


@pytest.mark.parametrize("damage", ["a merge conflict", "a damaged value"])
def test_a_broken_manifest(damage: str, two_files: Stage, prom: Path) -> None:
    """Its entries stay as they are and nothing is pruned; the other files go on."""
    web = (two_files.repo.path / "web.yaml").read_text()
    if damage == "a merge conflict":
        two_files.repo.write("web.yaml", "<<<<<<< HEAD\n" + web)
    else:
        two_files.repo.write("web.yaml", web.replace("data:", "data:AAAA", 1))
    two_files.do_commit(["One breaks"])
    code, line, before, found = run(prom)
    assert (code, line["updated"], line["deleted"]) == (3, 1, 0)
    assert "web.yaml" in "".join(p["where"] + p["what"] for p in before)
    assert {p["level"] for p in before} == {"error"}
    assert found['sopsync_entries{store="s",state="unknown"}'] == 2  # its entry, and the one that is kept for its sake
    assert two_files.do_live(["web/token", "value=canary-web"]) == "value: as told"
    assert two_files.do_live(["api/k0000", "value=canary-new"]) == "value: as told"


def test_a_manifest_that_is_no_sops_file(two_files: Stage, prom: Path) -> None:
    """Perhaps a secret in clear: nothing is done at all until somebody looked."""
    two_files.repo.write("web.yaml", "token: oops\n")
    two_files.do_commit(["In clear"])
    code, line, before, found = run(prom)
    assert (code, line["updated"], line["calls"]) == (1, 0, 0)
    assert [p["where"] for p in before] == ["web.yaml:1"]
    assert found['sopsync_runs_total{exit="1"}'] == 1
    assert two_files.do_live(["api/k0000", "value=canary-0"]) == "value: as told"


# -- a throttled API


def test_a_throttled_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prom: Path, bao: OpenBao) -> None:
    """A real server that allows a few calls in ten minutes, and says so, which nobody waits for: what got through is
    right, the rest is told, a rerun finishes."""
    made = vault_stage(tmp_path, monkeypatch, bao, "throttled")
    store = f"  s: {{type: vault, address: '{bao.address}', mount: throttled, prefix: p}}"
    rule = ["sync:", "  - from: api.yaml", "    to: [{store: s, name: 'api/{key}'}]"]
    made.do_write(["sopsync.yaml"], ["version: 1", "owner: acme", "stores:", store, *rule])
    made.do_put(["api.yaml", *(f"k{i:04}=canary-{i}" for i in range(12))])
    made.do_commit(["Start"])
    bao.call("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    bao.call("POST", "sys/quotas/rate-limit/slow", {"rate": 20, "interval": "600s", "path": "throttled/"})
    try:
        code, line, before, found = run(prom)
    finally:
        bao.call("DELETE", "sys/quotas/rate-limit/slow")
        bao.call("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": False})
    assert code == 3
    assert line["created"] + line["failed"] == 12
    assert line["created"] > 0
    assert {p["msg"] for p in before} == {"failed"}
    assert found['sopsync_failures_total{store="s"}'] == line["failed"]
    assert found['sopsync_entries{store="s",state="pending"}'] == line["failed"]
    assert run(prom)[0] == 0
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 12 entries verified by value.\n")


# -- SIGTERM


def test_sigterm_while_writing(acme: Stage, prom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = LocalStore.write

    def interrupted(self: LocalStore, *args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return write(self, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "write", interrupted)
        code, line, before, found = run(prom)
    assert code == 3
    assert line["created"] + line["failed"] == 4
    assert line["created"] > 0
    assert {p["msg"] for p in before} == {"skipped"}
    assert found['sopsync_failures_total{store="s"}'] == line["failed"]
    assert run(prom)[0] == 0
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 4 entries verified by value.\n")


def test_sigterm_between_runs(acme: Stage) -> None:
    with subprocess.Popen([*SOPSYNC, "--every", "1h"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert b" created=4 " in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b""
        assert process.wait(30) == 0


def test_sigterm_while_fetching(acme: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git hangs: it is ended, with all that it started, and nothing is left behind."""
    url, pipe, folder = remote(acme), tmp_path / "pipe", tmp_path / "bin"
    os.mkfifo(pipe)
    folder.mkdir()
    hang = f"for word; do [ \"$word\" = fetch ] && {{ exec 3>'{pipe}'; echo hangs >&3; sleep 600; }}; done"
    (folder / "git").write_text(f"#!/bin/sh\n{hang}\nexec '{shutil.which('git')}' \"$@\"\n")
    (folder / "git").chmod(0o755)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(temporary)}
    command = [*SOPSYNC, "--every", "1h", "--repo", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process, pipe.open() as hanging:
        assert hanging.readline() == "hangs\n"
        process.send_signal(signal.SIGTERM)
        assert hanging.read() == "", "git still runs"
        assert process.stdout
        said = process.stdout.read()
        assert process.wait(30) == 1
    assert 'what="stopped while fetching"' in said
    assert list(temporary.iterdir()) == []


# -- a full disk


def on_a_small_disk(tmp: Path, size: str, *args: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """sopsync with a real file system of so many bytes at `tmp/small`, which only it sees, and what it said."""
    small = tmp / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size={size} none "$0" && [ ! -e "$0.seed" ] || cp -a "$0.seed/." "$0" && exec "$@"'
    isolated = ["unshare", "--mount", "sh", "-c"]
    probe = subprocess.run([*isolated, 'mount -t tmpfs none "$0"', small], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs to mount a file system: run as root, where unshare --mount may")
    command = [*isolated, script, str(small), *SOPSYNC, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout + done.stderr


def test_a_full_disk_under_the_clone(acme: Stage, tmp_path: Path) -> None:
    acme.repo.write("large.bin", os.urandom(400_000))
    acme.do_commit(["More than fits"])
    code, said = on_a_small_disk(tmp_path, "200k", "--repo", remote(acme), "--storage", str(tmp_path / "small/kept"))
    assert code == 1, said
    assert "No space left on device" in said
    assert "nothing was changed in any store" in said
    assert acme.do_live(["api/k0000"]) == "nothing"


def test_a_full_disk_under_the_metrics(acme: Stage, tmp_path: Path) -> None:
    """The run is done and says so; what could not be written says what it said before."""
    seed = tmp_path / "small.seed"
    seed.mkdir()
    (seed / "filler").write_bytes(b"x" * 4096 * 3)
    code, said = on_a_small_disk(tmp_path, "12k", "--metrics-file", str(tmp_path / "small/sopsync.prom"))
    assert code == 0, said
    assert " created=4 " in said
    assert 'msg="warning"' in said
    assert "cannot be written: No space left on device" in said


def test_a_full_disk_under_an_embedded_store(acme: Stage, tmp_path: Path) -> None:
    """What was stored before stays, what did not fit is told, and once there is room the rest follows."""
    big = "canary-" + "x" * 200_000
    acme.repo.write("api.yaml", acme.encrypt("api.yaml", "".join(f"k{i:04}: {big}{i}\n" for i in range(4))))
    acme.do_commit(["Large values"])
    seed = tmp_path / "small.seed"
    seed.mkdir()
    lines = config(acme)
    lines[3] = f"  s: {{type: local, path: {tmp_path}/small/store.db, recipients: [$RECIPIENT]}}"
    acme.do_write(["sopsync.yaml"], lines)
    acme.do_commit(["On the small disk"])
    code, said = on_a_small_disk(tmp_path, "700k")
    assert code in (1, 3), said
    assert "failed" in said
    assert "fault in sopsync" not in said


# -- a clock step


@pytest.mark.parametrize("step", [-400 * 86400.0 - 900, 400 * 86400.0 + 900])  # and half a period
def test_a_clock_step(step: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prom: Path) -> None:
    """Runs keep their distance, every entry is still verified once a period, and ages do not jump."""
    acme, hands = stage(tmp_path, monkeypatch, keys=40), Hands()

    def leap() -> None:
        hands.wall += step

    acts = [nothing] * 3 + [leap] + [nothing] * 8
    process = Process(job(acme, period=1800.0), hands, acts, metrics_file=prom)
    assert [r.code for r in process.results] == [0] * 13
    assert hands.pauses == [300.0] * 13
    assert sum(r.verified for r in process.results[1:7]) == 40
    assert sum(r.verified for r in process.results[7:13]) == 40
    assert samples(prom.read_text())["sopsync_last_success_timestamp_seconds"] == hands.wall - 300


def test_a_process_survives_whatever_a_run_meets(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_more: object) -> None:
        raise RuntimeError("canary-in-a-message")

    made = job(acme)
    with monkeypatch.context() as patched:
        patched.setattr("sopsync.session.Session.plan", broken)
        process = Process(made, Hands(), [patched.undo])
    assert [r.code for r in process.results] == [1, 0]
    (finding,) = process.results[0].findings
    assert "RuntimeError" in finding.problem.what
    assert "canary" not in finding.problem.what
