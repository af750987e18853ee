"""The sample repository works as it stands: sops opens it, sopsync checks, applies and verifies it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.repo import Repo
from tests.support.servers import tool
from tests.support.story import capture

EXAMPLES = Path(__file__).parent.parent / "examples"
SAMPLE = EXAMPLES / "acme"
FILES = sorted(path for path in SAMPLE.rglob("*") if path.parent != SAMPLE and path.is_file())


def environment() -> dict[str, str]:
    return {**os.environ, "SOPS_AGE_KEY_FILE": str(SAMPLE / "demo-age.key")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_sops_opens_every_file_and_no_secret_is_in_clear(path: Path) -> None:
    done = subprocess.run([tool("sops"), "-d", path], env=environment(), capture_output=True, check=True)
    assert leaks.scan(done.stdout), "values of the sample start with the mark"
    leaks.assert_clean(path)


def test_the_sample_plans_applies_and_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SAMPLE, tmp_path / "acme")
    repo = Repo.init(tmp_path / "acme")
    repo.now = int(time.time())  # a manifest of it has a rotate_after
    repo.commit("A sample")
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(SAMPLE / "demo-age.key"))
    monkeypatch.chdir(repo.path)
    for command, last in (
        ("check", f"{len(FILES)} files, 7 entries, no problems"),
        ("plan", "Plan: 7 create. No files decrypted."),
        ("apply --yes", "Applied: 7 create."),
        ("plan --verify --detailed-exitcode", "No changes. 7 entries verified by value."),
    ):
        code, output = capture(command.split())
        leaks.watch(command, output)
        assert code == 0, output
        assert last in output
    leaks.assert_clean(tmp_path)
