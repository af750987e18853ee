"""The trail of an apply: complete, in order, found out to be unwritable before a store is, and shared by many."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sopsync.apply import Outcome, Status
from sopsync.audit import File, Trail, actor_of, look_through
from sopsync.change import Action, Change
from sopsync.errors import Refused, SourceError
from sopsync.model import Ref
from tests.support import leaks
from tests.support.story import Stage, capture, local_outside

CONFIG = [
    "version: 1",
    "owner: acme",
    "stores:",
    "  s: {type: local, recipients: [$RECIPIENT]}",
    "sync:",
    "  - from: api.yaml",
    "    to: [{store: s, name: 'api/{key}', adopt: true}]",
]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(tmp_path, monkeypatch, local_outside)
    made.do_write(["sopsync.yaml"], CONFIG)
    made.do_put(["api.yaml", "a=canary-1", "b=canary-2"])
    made.do_commit(["Start"])
    monkeypatch.setenv("SOPSYNC_ACTOR", "ana")
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def records(log: Path) -> list[dict[str, Any]]:
    leaks.assert_clean(log)
    return [json.loads(line) for line in log.read_text().splitlines()]


def store(stage: Stage) -> Path:
    return stage.repo.path / ".sopsync" / "store.db"


def test_each_operation_leaves_a_line(stage: Stage, log: Path) -> None:
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    start, *changes, end = records(log)
    assert (start["kind"], end["kind"], end["exit"], end["outcomes"]) == ("start", "end", 0, {"done": 2})
    told = [(c["kind"], c["action"], c["store"], c["entry"], c["from"], c["to"], c["outcome"]) for c in changes]
    assert told == [("change", "create", "s", f"api/{key}", None, "1", "done") for key in "ab"]
    assert [c["source"] for c in changes] == ["api.yaml:/a", "api.yaml:/b"]
    head = stage.repo.git("rev-parse", "HEAD")
    assert {(r["run"], r["actor"], r["commit"]) for r in records(log)} == {(start["run"], "ana", head)}
    assert stat.S_IMODE(log.stat().st_mode) & 0o007 == 0


def test_the_next_run_goes_on(stage: Stage, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment too; a run with nothing to do leaves its start and end."""
    monkeypatch.setenv("SOPSYNC_AUDIT", str(log))
    assert capture(["apply", "--yes", "-q"])[0] == 0
    assert capture(["apply", "--yes", "-q"])[0] == 0
    stage.do_put(["api.yaml", "a=canary-3"])
    stage.do_commit(["Rotate"])
    code, said = capture(["apply", "--yes"])
    assert code == 0
    made = records(log)
    assert [r["kind"] for r in made] == ["start", "change", "change", "end", "start", "end", "start", "change", "end"]
    assert (made[7]["from"], made[7]["to"], made[7]["action"]) == ("1", "2", "update")
    assert len({r["run"] for r in made}) == 3
    verdict = look_through(log)
    assert verdict.findings == []
    assert f"audit: the last line has the digest {verdict.head}\n" in said


def test_an_adopted_entry_names_the_version_it_had(stage: Stage, log: Path) -> None:
    stage.do_outside(["put", "api/a", "value=canary-theirs"])
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    (adopted,) = [r for r in records(log) if r.get("action") == "adopt"]
    assert (adopted["entry"], adopted["from"], adopted["to"]) == ("api/a", "1", "2")


@pytest.mark.parametrize("kind", ["no directory", "a directory", "something else", "text", "a pipe", "read only"])
def test_what_cannot_be_written_is_found_out_before_any_store(kind: str, stage: Stage, log: Path) -> None:
    match kind:
        case "no directory":
            log = log.parent / "none" / "audit.jsonl"
        case "a directory":
            log.mkdir()
        case "something else":
            log.write_text('{"an": "event"}\n')
        case "text":
            log.write_text("no newline at the end")
        case "a pipe":
            os.mkfifo(log)
        case "read only":
            log = Path("/proc/version")
    code, said = capture(["apply", "--yes", "--audit", str(log)])
    assert code == 4, said
    assert "the audit file cannot be written: " in said
    assert "hint: " in said
    assert not store(stage).exists()
    if kind in ("something else", "text"):
        assert "sopsync_audit" not in log.read_text()


def test_a_full_disk_at_the_start_writes_nothing(stage: Stage) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sopsync.audit.File._write", full)
        code, said = capture(["apply", "--yes", "--audit", str(stage.repo.path.parent / "a.jsonl")])
    assert code == 4
    assert "the audit file cannot be written: No space left on device" in said
    assert not store(stage).exists()


def full(_self: File, _data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_up_stops_the_run_and_says_so(stage: Stage, log: Path) -> None:
    """The write in hand is told to the person; no other begins; the exit code is an error."""
    write, lines = File._write, []

    def fills(self: File, data: bytes) -> None:
        lines.append(data)
        return write(self, data) if len(lines) == 1 else full(self, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(File, "_write", fills)
        code, said = capture(["apply", "--yes", "--audit", str(log)])
    assert code == 1
    assert "s:api/a  done" in said
    assert "s:api/b  skipped" in said
    assert "the audit file could not be written on: No space left on device; the run was stopped" in said
    assert [r["kind"] for r in records(log)] == ["start"]
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    assert look_through(log).whole


def test_refused_and_failed_runs_leave_their_exit(stage: Stage, log: Path) -> None:
    stage.repo.git("checkout", "-q", "-b", "topic")
    stage.do_put(["api.yaml", "a=canary-4"])
    stage.do_commit(["Not merged"])
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 4
    assert capture(["apply", "--audit", str(log), "--rev", "main"])[0] == 64
    assert capture(["apply", "--audit", str(log), "--rev", "main", "no-such-plan.json"])[0] == 1
    ends = [r["exit"] for r in records(log) if r["kind"] == "end"]
    assert (ends, len(records(log))) == ([4, 64, 1], 6)


def test_stale_changes_of_a_saved_plan_are_told(stage: Stage, log: Path, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert capture(["plan", "-o", plan])[0] == 0
    stage.do_outside(["put", "api/a", "value=canary-theirs"])
    assert capture(["apply", plan, "-q", "--audit", str(log)])[0] == 5
    _, stale, done, end = records(log)
    assert (stale["entry"], stale["outcome"], stale["to"]) == ("api/a", "stale", None)
    assert (done["entry"], done["outcome"], end["exit"]) == ("api/b", "done", 5)


def test_standard_output_carries_audit_lines_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sopsync", "apply", "--yes", "--audit", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    leaks.watch("apply --audit -", done.stdout.decode() + done.stderr.decode())
    (tmp_path / "out.jsonl").write_bytes(done.stdout)
    verdict = look_through(tmp_path / "out.jsonl")
    assert (verdict.findings, verdict.lines) == ([], 4)
    assert b"Applied: 2 create." in done.stderr
    assert verdict.head.encode() in done.stderr
    code, said = capture(["apply", "--yes", "--json", "--audit", "-"])
    assert (code, "both want standard output" in said) == (64, True)


def test_many_at_once_make_one_chain(log: Path) -> None:
    """Threads of one run, and runs of other processes: no line lost, none out of its place."""
    script = (
        "import sys; from pathlib import Path; from sopsync.audit import File, Trail\n"
        "t = Trail(File(Path(sys.argv[1])), commit='c', actor='a')\n"
        "t.start()\n"
        "for _ in range(100): t._append('change', {})\n"
        "t.end(0)\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(log)]) for _ in range(3)]
    trail = Trail(File(log), commit="c", actor="a")
    change = Change(Ref("s", "e"), Action.CREATE, "acme")
    trail.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(trail.outcome, [Outcome(change, Status.DONE)] * 100))
    trail.end(0)
    trail.close()
    assert [other.wait() for other in others] == [0, 0, 0]
    verdict = look_through(log)
    assert verdict.findings == []
    assert (verdict.lines, verdict.runs) == (4 * 102, 4)


def test_a_torn_end_is_reported_then_taken_up(stage: Stage, log: Path) -> None:
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    log.write_bytes(log.read_bytes()[:-20])
    code, said = capture(["audit", "verify", str(log)])
    assert code == 1
    assert f"{log}:4: torn: a run was cut off" in said
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    code, said = capture(["audit", "verify", str(log)])
    assert code == 0, said
    assert f"note: {log}:4: torn: a run was cut off while writing it" in said
    assert f"note: {log}:1: this run has no end" in said


def test_verify_against_a_kept_head(stage: Stage, log: Path) -> None:
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    head = look_through(log).head
    assert capture(["audit", "verify", str(log), "--head", head]) == (
        0,
        f"{log}: 4 lines, 1 run, the chain is whole\nhead {head}\n",
    )
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    code, said = capture(["audit", "verify", str(log)])
    assert code == 0
    assert "whether its end was cut off or its last line changed, only --head tells" in said
    code, said = capture(["audit", "verify", str(log), "--head", head])
    assert code == 1
    assert "no line has the digest that was kept: the end was cut off" in said
    assert capture(["audit", "verify", str(log), "--head", "abc"])[0] == 64
    code, said = capture(["audit", "verify", str(log), "--json"])
    assert (code, json.loads(said)["whole"]) == (0, True)
    code, said = capture(["audit", "verify", str(log.with_name("none"))])
    assert (code, "cannot read it: No such file" in said) == (1, True)


def test_a_line_longer_than_any_of_ours_is_not_gone_on_from(log: Path) -> None:
    log.write_bytes(b'{"sopsync_audit":1,' + b"x" * 100_000)
    with pytest.raises(Refused):
        File(log)
    with pytest.raises(SourceError):
        look_through(log.parent)


def test_what_others_wrote_never_makes_a_line_too_long_to_go_on_from(
    stage: Stage, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in git may have any length, the name it is written under may not: `rename` shortens it."""
    monkeypatch.setenv("SOPSYNC_ACTOR", "\N{GRINNING FACE}" * 6000)
    key = "\N{GRINNING FACE}" * 6000
    stage.repo.write("long.json", stage.encrypt("long.json", json.dumps({key: "canary-3"})))
    more = ["  - from: long.json", "    to:", "      - store: s", "        name: long/{key}", "        rename:"]
    stage.do_write(["sopsync.yaml"], [*CONFIG, *more, f"          ? {key}", "          : short"])
    stage.do_commit(["A long key"])
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    assert capture(["apply", "--yes", "-q", "--audit", str(log)])[0] == 0
    assert look_through(log).findings == []
    (told,) = [record for record in records(log) if record.get("entry") == "long/short"]
    assert told["source"].startswith("long.json:/\N{GRINNING FACE}")
    assert told["source"].endswith("…")


def test_a_line_that_would_be_too_long_is_not_written(log: Path) -> None:
    file = File(log)
    file.append({"kind": "start"})
    with pytest.raises(OSError, match="too long"):
        file.append({"entry": "x" * 70_000})
    file.append({"kind": "end"})
    assert look_through(log).lines == 2


@pytest.mark.parametrize("left", [0, 10])
def test_a_file_that_is_cut_under_a_run_is_not_gone_on_with(left: int, log: Path) -> None:
    """As by logrotate's copytruncate: a chain begun anew would be whole, and the run's beginning nowhere."""
    file = File(log)
    file.append({"kind": "start"})
    os.truncate(log, left)
    with pytest.raises(OSError, match="cut"):
        file.append({"kind": "end"})


def test_who_it_was() -> None:
    assert actor_of({"SOPSYNC_ACTOR": "deploy-bot", "GITHUB_ACTOR": "ana"}) == "deploy-bot"
    assert actor_of({"GITHUB_ACTOR": "ana", "SOPSYNC_ACTOR": ""}) == "ana"
    assert actor_of({"GITLAB_USER_LOGIN": "k\x1bim"}) == "k<1b>im"
    assert "@" in actor_of({"USER": "somebody-else"})
    assert "somebody-else" not in actor_of({"USER": "somebody-else"})
