"""Shards: together the whole, each alone its part, and never a hand on what is another's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.guard import Threshold, Thresholds
from sopsync.model import Fence, Ref
from sopsync.shard import Shard
from sopsync.stores.local import LocalStore
from tests.reconcile.things import config, reconciled, stage
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, vault_stage

N = 3


@settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_each_entry_is_in_exactly_one_part_whatever_its_case(name: str, total: int) -> None:
    parts = [Shard(i, total) for i in range(total)]
    assert sum(part.holds(Ref("s", name)) for part in parts) == 1
    assert [p.holds(Ref("s", name)) for p in parts] == [p.holds(Ref("s", name.casefold())) for p in parts]


def test_a_part_is_the_same_in_every_version_and_about_as_large_as_the_others() -> None:
    assert [Shard(0, 4).holds(Ref("prod", f"api/{i}")) for i in range(8)] == STABLE
    sizes = [sum(Shard(i, 4).holds(Ref("prod", f"api/{n}")) for n in range(4000)) for i in range(4)]
    assert all(900 < size < 1100 for size in sizes)


STABLE = [True, False, False, False, False, False, False, False]


def test_thresholds_of_a_part() -> None:
    whole = Thresholds(Threshold(0.3, 10), Threshold(0.3, 3))
    assert Shard(1, 4).thresholds(whole) == Thresholds(Threshold(0.3, 3), Threshold(0.3, 1))
    assert Shard(0, 1).thresholds(whole) == whole


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return stage(tmp_path, monkeypatch, keys=24)


def test_parts_make_the_whole_and_an_index_may_come_from_kubernetes(
    many: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = []
    for index in range(N):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        code, line, _ = reconciled("--shard", str(N))
        assert (code, line["shard"]) == (0, f"{index}/{N}")
        created.append(line["created"])
    assert sum(created) == 24
    assert min(created) > 0
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 24 entries verified by value.\n")


def test_a_part_deletes_its_own_and_nobody_elses(many: Stage) -> None:
    """Also where all that is wanted is in other parts: whose an entry is, is told by the whole."""
    many.do_write(["sopsync.yaml"], [*config(many, target=", prune: true"), "thresholds: {deletes: {share: 1}}"])
    many.do_commit(["Prune"])
    reconciled()
    many.do_unset(["api.yaml", *(f"k{i:04}" for i in range(1, 24))])
    many.do_commit(["One is left"])
    gone = set(range(1, 24))
    for index in range(N):
        part = Shard(index, N)
        code, line, before = reconciled("--shard", f"{index}/{N}")
        mine = {i for i in gone if part.holds(Ref("s", f"api/k{i:04}"))}
        assert (code, line["deleted"], line["orphan"], before) == (0, len(mine), 0, [])
        gone -= mine
        for i in range(1, 24):
            assert (many.do_live([f"api/k{i:04}"]) == "nothing") == (i not in gone)
    assert not gone
    assert many.do_live(["api/k0000", "value=canary-0"]) == "value: as told"


def test_a_part_keeps_the_old_until_the_others_have_written_the_new(many: Stage) -> None:
    """Every key is renamed: it has a new entry, in one part or another, and an old one that is unwanted."""
    many.do_write(["sopsync.yaml"], [*config(many, target=", prune: true"), "thresholds: {deletes: {share: 1}}"])
    many.do_commit(["Prune"])
    reconciled()
    many.do_put(["api.yaml", *(f"n{i:04}=canary-{i}" for i in range(24))])
    many.do_unset(["api.yaml", *(f"k{i:04}" for i in range(24))])
    many.do_commit(["Rename"])
    for index in range(N):
        code, line, problems = reconciled("--shard", f"{index}/{N}")
        last = index == N - 1
        assert (code, bool(line["deleted"]), bool(line["unknown"])) == ((0, True, False) if last else (3, False, True))
        assert last or any("kept: " in problem["what"] for problem in problems)
    assert [reconciled("--shard", f"{index}/{N}")[0] for index in range(N)] == [0] * N
    assert all(many.do_live([f"api/k{i:04}"]) == "nothing" for i in range(24))


def test_a_part_deletes_nothing_until_the_others_have_updated_what_they_have_to(many: Stage) -> None:
    """The deleted key's value may be what the updated one now holds."""
    many.do_write(["sopsync.yaml"], [*config(many, target=", prune: true"), "thresholds: {deletes: {share: 1}}"])
    many.do_commit(["Prune"])
    reconciled()
    zero, one = (next(i for i in range(24) if Shard(part, N).holds(Ref("s", f"api/k{i:04}"))) for part in (0, 1))
    many.do_put(["api.yaml", f"k{one:04}=canary-{zero}"])
    many.do_unset(["api.yaml", f"k{zero:04}"])
    many.do_commit(["Move a value"])
    code, line, (problem,) = reconciled("--shard", f"0/{N}")
    assert (code, line["deleted"], line["unknown"]) == (3, 0, 1)
    assert problem["what"] == f"kept: api/k{one:04}, of another part, is not written yet"
    assert reconciled("--shard", f"1/{N}")[:1] == (0,)
    code, line, problems = reconciled("--shard", f"0/{N}")
    assert (code, line["deleted"], problems) == (0, 1, [])


def test_the_fence_holds_for_parts_too(many: Stage) -> None:
    old = many.repo.head()
    many.do_put(["api.yaml", "k0000=canary-new"])
    many.do_commit(["New"])
    reconciled("--shard", f"0/{N}")
    many.repo.git("reset", "-q", "--hard", old)
    for index in range(N):
        code, line, _ = reconciled("--shard", f"{index}/{N}")
        nothing_to_do = index == 0 and not Shard(0, N).holds(Ref("s", "api/k0000"))
        assert (code, line["created"], line["updated"]) == (0 if nothing_to_do else 4, 0, 0)


@pytest.mark.parametrize(
    ("args", "other", "code"),
    [
        (["--shard", "0/3"], "", 0),
        (["--shard", "0/3"], "another commit", 5),
        ([], "", 5),
    ],
)
def test_who_else_may_raise_the_fence_meanwhile(
    args: list[str], other: str, code: int, many: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between this run's look and its write, somebody raises the fence: to the same commit, or to another."""
    real = LocalStore.raise_fence

    def overtaken(self: LocalStore, fence: Fence, *, expect: Fence | None) -> None:
        real(self, replace(fence, commit="0" * 40) if other else fence, expect=expect)
        real(self, fence, expect=expect)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "raise_fence", overtaken)
        got, line, _ = reconciled(*args)
    assert (got, bool(line["created"])) == (code, code == 0)


def test_parts_at_once_share_a_fence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> None:
    """Each begins before any has raised it: all but one find it raised, to where they want it."""
    made = vault_stage(tmp_path, monkeypatch, bao, "shards")
    store = f"  s: {{type: vault, address: '{bao.address}', mount: shards, prefix: p}}"
    rule = ["sync:", "  - from: api.yaml", "    to: [{store: s, name: 'api/{key}'}]"]
    made.do_write(["sopsync.yaml"], ["version: 1", "owner: acme", "stores:", store, *rule])
    made.do_put(["api.yaml", *(f"k{i:04}=canary-{i}" for i in range(24))])
    made.do_commit(["Start"])
    command = [sys.executable, "-m", "sopsync", "reconcile", "--shard"]
    parts = [subprocess.Popen([*command, f"{i}/{N}"], stdout=subprocess.PIPE, text=True) for i in range(N)]
    said = [part.communicate()[0] for part in parts]
    assert [part.returncode for part in parts] == [0] * N, said
    assert capture(["plan", "--verify", "-q"]) == (0, "No changes. 24 entries verified by value.\n")
