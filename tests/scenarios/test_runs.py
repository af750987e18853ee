"""Runs that a story cannot tell: stopped half way, two at once, signed commits, and what a run costs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from sopsync.blame import blame, history
from sopsync.model import Ref
from sopsync.session import Ask, Session
from sopsync.status import status
from sopsync.stores.local import LocalStore
from tests.stores.local_harness import SEALER
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, local_outside, vault_stage
from tests.support.tools import need

LOCAL = "{type: local, recipients: [$RECIPIENT]}"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(tmp_path, monkeypatch, local_outside)
    start(made, LOCAL, keys=4)
    return made


def start(stage: Stage, store: str, *, keys: int) -> None:
    """One file of so many keys, each an entry."""
    stage.do_write(["sopsync.yaml"], config(store))
    stage.do_put(["api.yaml", *(f"k{i:04}=canary-{i}" for i in range(keys))])
    stage.do_commit(["Start"])


def config(store: str) -> list[str]:
    rule = ["sync:", "  - from: api.yaml", "    to: [{store: s, name: 'api/{key}'}]"]
    return ["version: 1", "owner: acme", "stores:", f"  s: {store}", *rule]


def store(stage: Stage) -> LocalStore:
    return LocalStore("s", stage.repo.path / ".sopsync" / "store.db", SEALER)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_write_in_hand_finish(
    which: signal.Signals, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalStore.write

    def interrupted(self: LocalStore, *args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), which)
        return write(self, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "write", interrupted)
        code, said = capture(["apply", "--yes", "-q"])
    assert code == 3, said
    assert said.startswith("Applied: ")
    assert "skipped. hint: run sopsync apply again" in said
    assert capture(["apply", "--yes", "-q"])[0] == 0
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 4 entries verified by value.\n")


def test_a_file_that_cannot_be_written_is_found_before_a_store_is_contacted(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(stage, "local", keys=1)
    files = [tmp_path / "kept", tmp_path / "new"]
    files[0].write_text("as it was")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    bad = [str(tmp_path), str(tmp_path / "none" / "x"), str(tmp_path / "loop")]
    reports = [f"--report=json={path}" for path in (*files, *bad[:2])]
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "__init__", lambda *_, **__: pytest.fail("a store was opened"))
        code, said = capture(["plan", *reports, "-o", bad[2]])
    assert code == 1
    assert [line.partition(": cannot write it: ")[0] for line in said.splitlines()[:-1]] == bad, "all at once"
    assert said.splitlines()[-1] == "3 problems; no store contacted"
    assert files[0].read_text() == "as it was"
    assert not files[1].exists()


def test_a_file_that_could_not_be_written_after_all_says_nothing_of_stores(stage: Stage, tmp_path: Path) -> None:
    start(stage, "local", keys=1)
    code, said = capture(["plan", "--report=json=/dev/full"])
    assert code == 1
    assert "/dev/full: cannot write it" in said
    assert "no store contacted" not in said


def test_interrupted_while_it_plans(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "plan", interrupted)
    assert capture(["plan"]) == (1, "stopped\n")
    assert capture(["apply", "--yes"]) == (1, "stopped\n")


def test_the_question_calls_deleting_deleting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def no(question: str, **_options: object) -> None:
        asked.append(question)
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", no)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert capture(["apply"])[0] == 1
    stage.do_write(["sopsync.yaml"], [line.replace("{key}'", "{key}', prune: true") for line in config(LOCAL)])
    stage.do_commit(["Prune"])
    assert capture(["apply", "--yes"])[0] == 0
    stage.do_unset(["api.yaml", "k0003"])
    stage.do_commit(["One less"])
    assert capture(["apply"])[0] == 1
    stage.do_put(["api.yaml", "k0000=canary-other", "k0005=canary-new"])
    stage.do_commit(["And two others"])
    code, said = capture(["apply"])
    assert (code, said.splitlines()[-1]) == (1, "stopped; nothing was written")
    assert asked == ["Write 4 entries to s?", "Delete 1 entry in s?", "Write 2 entries, delete 1 entry in s?"]


def test_two_processes_at_once_end_as_one(stage: Stage) -> None:
    args = [sys.executable, "-m", "sopsync", "apply", "--yes", "-q"]
    both = [subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    said = [process.communicate()[0].decode() for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    assert set(codes) <= {0, 1, 5}, said
    assert capture(["apply", "--yes", "-q"])[0] == 0
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 4 entries verified by value.\n")
    assert {entry.version for entry in store(stage).survey({}).entries} == {"1"}


def test_only_signed_commits(stage: Stage, tmp_path: Path) -> None:
    need("ssh-keygen")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"ana@acme.example {key.with_suffix('.pub').read_text()}")
    asked = ["apply", "--yes", "-q", "--require-signed", "--allowed-signers", str(signers)]
    code, said = capture(asked)
    assert (code, "not signed by an allowed signer" in said) == (4, True)
    stage.repo.git("config", "gpg.format", "ssh")
    stage.repo.git("config", "user.signingkey", str(key))
    stage.repo.git("commit", "-q", "--allow-empty", "-S", "-m", "Signed")
    assert capture(asked) == (0, "Applied: 4 create.\n")
    assert "signed  not signed" in capture(["blame", "s:api/k0000"])[1]
    stage.do_put(["api.yaml", "k0000=canary-new"])
    stage.repo.git("commit", "-q", "-a", "-S", "-m", "Signed too")
    assert capture(asked) == (0, "Applied: 1 update.\n")
    assert "signed  signed, but no allowed signers are named" in capture(["blame", "s:api/k0000"])[1]
    code, said = capture(["blame", "s:api/k0000", "--allowed-signers", str(signers)])
    assert (code, "signed  good, ana@acme.example\n" in said) == (0, True)


def test_blame_reads_a_value_behind_a_stamp_that_vouches(stage: Stage) -> None:
    assert capture(["apply", "--yes", "-q"])[0] == 0
    stage.do_outside(["put", "api/k0000", "value=canary-foreign"])
    with closing(sqlite3.connect(stage.repo.path / ".sopsync" / "store.db")) as db, db:
        db.execute("UPDATE entries SET stamp = replace(stamp, ' v=1 ', ' v=2 ') WHERE name = 'api/k0000'")
    assert "live    v2, matches its stamp (value not read" in capture(["blame", "s:api/k0000"])[1]
    code, said = capture(["blame", "s:api/k0000", "--verify"])
    assert code == 1
    assert "live    v2, the value is not what git had, although its stamp vouches for it\n" in said


def test_a_no_op_plan_of_many_costs_one_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> None:
    stage = vault_stage(tmp_path, monkeypatch, bao, "costs")
    start(stage, f"{{type: vault, address: '{bao.address}', mount: costs, prefix: p}}", keys=300)
    assert capture(["apply", "--yes", "-q"]) == (0, "Applied: 300 create.\n")
    code, said = capture(["plan", "-v", "-q"])
    assert (code, said) == (0, "No changes. 300 entries in step with git. No files decrypted.\ns: 1 call\n")
    stage.do_put(["api.yaml", "k0007=canary-new"])
    stage.do_commit(["One of them"])
    code, said = capture(["plan", "-v", "-q"])
    assert said == "Plan: 1 update. 1 file decrypted, 1 value read.\ns: 2 calls\n"


def test_tracing_costs_what_a_plan_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> None:
    """One listing for all entries or for one; one call more for its history, or its value."""
    stage = vault_stage(tmp_path, monkeypatch, bao, "tracing")
    start(stage, f"{{type: vault, address: '{bao.address}', mount: tracing, prefix: p}}", keys=20)
    assert capture(["apply", "--yes", "-q"]) == (0, "Applied: 20 create.\n")
    ref, look = Ref("s", "api/k0007"), partial(blame, allowed_signers=None)
    asks: dict[str, tuple[int, Callable[[Session], Any]]] = {
        "status": (1, lambda session: status(session, datetime.now(UTC), recent=True)),
        "blame": (1, lambda session: look(session, ref, verify=False)),
        "blame --verify": (2, lambda session: look(session, ref, verify=True)),
        "blame --history": (2, lambda session: list(history(session, ref))),
        "blame @1": (2, lambda session: look(session, Ref("s", "api/k0007@1"), verify=False)),
    }
    for name, (calls, ask) in asks.items():
        with Session(Ask(stage.repo.path, dict(os.environ))) as session:
            ask(session)
            assert (name, session.costs()) == (name, [f"s: {calls} call{'s' * (calls != 1)}"])


def test_a_bare_repository_is_as_good(stage: Stage, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    stage.repo.git("clone", "-q", "--bare", ".", str(bare))
    assert capture(["apply", "--yes", "-q", "--repo", str(bare)]) == (0, "Applied: 4 create.\n")
    assert (bare / ".sopsync" / "store.db").exists()
