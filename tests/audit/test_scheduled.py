"""The trail of scheduled runs: as complete as that of apply, and as hard to do without."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sopsync.audit import File, look_through
from tests.reconcile.things import reconciled, stage
from tests.support import leaks
from tests.support.story import Stage, capture


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return stage(tmp_path, monkeypatch)


def records(log: Path) -> list[dict[str, Any]]:
    leaks.assert_clean(log)
    return [json.loads(line) for line in log.read_text().splitlines()]


def store(acme: Stage) -> Path:
    return acme.repo.path / ".sopsync" / "store.db"


def test_each_run_that_may_write_leaves_its_lines(acme: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "audit.jsonl"
    assert reconciled("--dry-run", "--audit", str(log))[0] == 2
    assert not log.exists()
    assert reconciled("--audit", str(log))[0] == 0
    monkeypatch.setenv("SOPSYNC_AUDIT", str(log))
    _, line, _ = reconciled()
    kinds = [record["kind"] for record in records(log)]
    assert kinds == ["start", "change", "change", "change", "change", "end", "start", "end"]
    assert {r["commit"] for r in records(log)} == {acme.repo.git("rev-parse", "HEAD")}
    verdict = look_through(log, head=line["audit"])
    assert (verdict.findings, verdict.head) == ([], line["audit"])


def test_what_cannot_be_written_refuses_the_run_before_any_store(acme: Stage, tmp_path: Path) -> None:
    code, _, (problem,) = reconciled("--audit", str(tmp_path / "none" / "audit.jsonl"))
    assert (code, problem["what"]) == (4, "the audit file cannot be written: No such file or directory")
    assert not store(acme).exists()


def test_a_refused_run_ends_its_trail(acme: Stage, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    acme.repo.git("checkout", "-q", "-b", "feature")
    acme.do_put(["api.yaml", "more=canary-more"])
    acme.do_commit(["Elsewhere"])
    assert reconciled("--audit", str(log))[0] == 4
    assert [(r["kind"], r.get("exit")) for r in records(log)] == [("start", None), ("end", 4)]


@pytest.mark.parametrize(("at", "created"), [("change", 1), ("end", 4)])
def test_a_trail_that_breaks_off_is_an_error_and_what_was_done_is_told(
    at: str, created: int, acme: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = File.append

    def full(self: File, fields: Any, *, durable: bool = False) -> None:
        if fields["kind"] == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(self, fields, durable=durable)

    monkeypatch.setattr(File, "append", full)
    code, line, problems = reconciled("--audit", str(tmp_path / "audit.jsonl"))
    (problem,) = [p for p in problems if p["where"] == "audit"]
    assert "could not be written on: No space left on device" in problem["what"]
    assert code == 1
    assert created <= line["created"] <= 4


def test_lines_to_standard_output_are_alone_there(acme: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    from sopsync.cli import run

    assert run(["reconcile", "--audit", "-"]) == 0
    said = capfd.readouterr()
    assert [json.loads(line)["kind"] for line in said.out.splitlines()] == ["start", *["change"] * 4, "end"]
    assert 'msg="reconciled"' in said.err
    assert capture(["plan", "-q"])[0] == 0
