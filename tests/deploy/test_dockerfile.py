"""The Dockerfile: built and run where there is an engine; its steps checked one by one where there is none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Step:
    """One instruction: its stage (counted from 0), its word, the rest, lines joined."""

    stage: int
    word: str
    rest: str


def steps() -> Iterator[Step]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stage = -1
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        yield Step(stage, word, " ".join(rest.split()))


STEPS = list(steps())
LAST = max(step.stage for step in STEPS)


def of(word: str, stage: int | None = None) -> list[str]:
    return [step.rest for step in STEPS if step.word == word and stage in (None, step.stage)]


def test_the_base_is_pinned_and_one() -> None:
    (base,) = [rest.partition("=")[2] for rest in of("ARG")]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+|python@sha256:[0-9a-f]{64}", base)
    assert {rest.split()[0] for rest in of("FROM")} == {"${PYTHON}"}


def test_whatever_pip_installs_is_hashed() -> None:
    for command in (part for rest in of("RUN") for part in rest.split("&&") if re.search(r"\bpip\b.* install", part)):
        assert "--require-hashes" in command or "--no-index" in command, command


def test_it_runs_as_nobody_without_a_shell_or_tools_to_build() -> None:
    assert of("USER", LAST) == ["65532:65532"]
    after = [step.word for step in STEPS if step.stage == LAST][-3:]
    assert after == ["WORKDIR", "ENTRYPOINT", "CMD"], "nothing is run as root after USER"
    assert json.loads(of("ENTRYPOINT", LAST)[0]) == ["sopsync"]
    json.loads(of("CMD", LAST)[0])
    assert not [rest for rest in of("RUN", LAST) if "pip" in rest]
    (packages,) = re.findall(r"apt-get install -y --no-install-recommends ([^&]+)", of("RUN", LAST)[0])
    assert set(packages.split()) == {"ca-certificates", "git", "gnupg", "openssh-client"}


def test_no_secret_is_baked_in() -> None:
    assert not re.search(r"TOKEN|PASSWORD|SECRET|_KEY", " ".join(of("ARG") + of("ENV")))


def context(folder: Path) -> None:
    """What enters the build: .dockerignore is a list of exceptions to everything."""
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in wanted:
        here, there = ROOT / name, folder / name
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)


def test_the_wheel_is_made_of_what_is_copied_and_its_commands_run(tmp_path: Path) -> None:
    """The steps of the first two stages, with the packages that are here standing in for the locked ones."""
    build, source = tmp_path / "context", tmp_path / "src"
    build.mkdir()
    source.mkdir()
    context(build)
    for rest in of("COPY", 0):
        *names, target = rest.split()
        for name in names:
            if (build / name).is_dir():
                shutil.copytree(build / name, source / target)
            else:
                shutil.copy(build / name, source / target)
    (hatch,) = [rest for rest in of("RUN", 0) if "hatchling" in rest]
    command = hatch.replace("/dist", str(tmp_path / "dist")).split()
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], cwd=source, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    place = tmp_path / "opt"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        str(place),
        "install",
        "--no-cache-dir",
    ]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    ours = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    (site,) = place.glob("lib/python*/site-packages")
    (site / "locked.pth").write_text(f"{ours}\n")
    for name in ("sopsync", "sopsync-askpass", "sopsync-ssh"):
        assert (place / "bin" / name).exists()
    ran = subprocess.run([place / "bin/sopsync", "reconcile", "--help"], check=True, capture_output=True, text=True)
    assert "--every" in ran.stdout


def engine() -> str:
    for name in ("docker", "podman"):
        found = shutil.which(name)
        if found and not subprocess.run([found, "ps"], capture_output=True, check=False).returncode:
            return found
    return ""


@pytest.mark.slow
def test_built_and_run(tmp_path: Path) -> None:
    docker = engine()
    if not docker:
        pytest.skip("needs a running docker or podman")
    subprocess.run([docker, "build", "-q", "-t", "sopsync-test", ROOT], check=True, capture_output=True)
    hardened = [docker, "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none"]
    ran = subprocess.run([*hardened, "sopsync-test", "--version"], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("sopsync ")
    ssh = subprocess.run(
        [*hardened, "--entrypoint", "ssh", "sopsync-test", "-V"], check=True, capture_output=True, text=True
    )
    assert "OpenSSH" in ssh.stderr
