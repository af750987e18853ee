"""Killed anywhere, then run again: every value right, no version too many, a clean plan. On every store, many times."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sopsync.cli import run
from tests.support.aws import Aws
from tests.support.clouds import aws_stage
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, local_outside, vault_stage

TRIALS = 100 if os.environ.get("SOPSYNC_TEST_THOROUGH") else 25
ENTRIES = 12


def killed(argv: list[str], after: float) -> float | None:
    """Run sopsync in a forked process and kill it `after` seconds. None; or, if that was too late, how long it ran."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        os._exit(run(argv))
    watched = os.pidfd_open(child)
    ended, _, _ = select.select([watched], [], [], after)
    ran = time.perf_counter() - start
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(watched)
    return ran if ended else None


def values(round_: int) -> list[str]:
    return [f"k{i:02}=canary-{round_}-{i}" for i in range(ENTRIES)]


def trial_by_kill(
    stage: Stage, settings: str, versions: Callable[[str], int], folder: str = "api", trials: int = TRIALS
) -> None:
    """Rounds of: change every value, apply and be killed, apply again, look."""
    stage.do_write(
        ["sopsync.yaml"],
        [
            "version: 1",
            "owner: acme",
            "stores:",
            f"  s: {settings}",
            "thresholds: {updates: {share: 1}, deletes: {share: 1}}",
            "sync:",
            "  - from: api.yaml",
            f"    to: [{{store: s, name: '{folder}/{{key}}'}}]",
        ],
    )
    stage.do_put(["api.yaml", *values(0)])
    stage.do_commit(["Start"])
    assert capture(["apply", "--yes", "-q"])[0] == 0
    stage.repo.write("api.yaml", stage.encrypt("api.yaml", plain(1)))
    stage.do_commit(["Round 1"])
    start = time.perf_counter()
    assert capture(["apply", "--yes", "-q"]) == (0, f"Applied: {ENTRIES} update.\n")
    whole = time.perf_counter() - start
    chance = random.Random(20)
    landed = 0
    for round_ in range(2, trials + 2):
        stage.repo.write("api.yaml", stage.encrypt("api.yaml", plain(round_)))
        stage.do_commit([f"Round {round_}"])
        ran = killed(["apply", "--yes", "-q"], chance.uniform(0, whole * 1.2))
        landed += ran is None
        whole = ran or whole  # the first may have run on a busy machine, and later kills would all come too late
        code, said = capture(["apply", "--yes", "-q"])
        assert code == 0, said
        assert capture(["plan", "--verify", "-q"]) == (0, f"No changes. {ENTRIES} entries verified by value.\n")
        for pair in values(round_):
            key, value = pair.split("=")
            assert stage.do_live([f"{folder}/{key}", f"value={value}"]) == "value: as told"
            assert versions(f"{folder}/{key}") == round_ + 1
    assert landed > trials // 4, "most kills came too late to prove anything"


def plain(round_: int) -> str:
    return "".join(pair.replace("=", ": ") + "\n" for pair in values(round_))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux)")
def test_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    local_stage = Stage(tmp_path, monkeypatch, local_outside)

    def versions(name: str) -> int:
        with sqlite3.connect(local_stage.repo.path / ".sopsync/store.db") as db:
            (count,) = db.execute("SELECT count(*) FROM versions WHERE name = ?", [name]).fetchone()
        return int(count)

    trial_by_kill(local_stage, f"{{type: local, recipients: [{local_stage.recipient}]}}", versions)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux)")
def test_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> None:
    stage = vault_stage(tmp_path, monkeypatch, bao, "killed")

    def versions(name: str) -> int:
        current = bao.call("GET", f"killed/metadata/p/{name}")["data"]["current_version"]
        return int(current)

    trial_by_kill(stage, f"{{type: vault, address: '{bao.address}', mount: killed, prefix: p}}", versions)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux)")
def test_parameter_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> None:
    stage = aws_stage(tmp_path, monkeypatch, cloud, "ssm")
    ssm = cloud.client("ssm", account=stage.variables["ACCOUNT"])

    def versions(name: str) -> int:
        return int(ssm.get_parameter(Name=name)["Parameter"]["Version"])

    rates = "{put: 1000, get: 1000, describe: 1000, tag: 1000, delete: 1000}"
    trial_by_kill(stage, f"{{type: aws-ssm, rates: {rates}}}", versions, "/api")


@pytest.mark.slow
@pytest.mark.parametrize("half", [1, 2])  # a secret takes about a hundred versions a day
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open (Linux)")
def test_secrets_manager(half: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> None:
    stage = aws_stage(tmp_path, monkeypatch, cloud, "secretsmanager")
    client = cloud.client("secretsmanager", account=stage.variables["ACCOUNT"])

    def versions(name: str) -> int:
        found = client.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, MaxResults=100)
        return len(found["Versions"])

    trial_by_kill(stage, "{type: aws-secretsmanager}", versions, f"half{half}", TRIALS // 2)
