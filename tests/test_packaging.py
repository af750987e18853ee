"""The locks and the wheel hold what they should: everything pinned and hashed, nothing from anywhere but the index."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = [
    text for name, extra in PROJECT["project"]["optional-dependencies"].items() if name != "all" for text in extra
]
RUNTIME = [*PROJECT["project"]["dependencies"], *EXTRAS]
BUILD = PROJECT["dependency-groups"]["build"]
DEV = [text for text in PROJECT["dependency-groups"]["dev"] if isinstance(text, str)]
HELM = PROJECT["dependency-groups"]["helm"]
LOCKS = {
    "requirements.txt": RUNTIME,
    "requirements-dev.txt": [*RUNTIME, *BUILD, *DEV],
    "requirements-build.txt": BUILD,
    "requirements-helm.txt": HELM,  # by itself: see pyproject.toml
}


def pins(lock: str) -> dict[str, set[str]]:
    """Package → the versions a lock pins, one for each kind of machine. Every entry must be pinned and hashed."""
    found: dict[str, set[str]] = {}
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    for line in filter(str.strip, text.splitlines()):
        match = re.match(r"([\w.-]+)==([\w.]+)(?: ;[^#]*?)?((?: +--hash=sha256:[0-9a-f]{64})+)\s*$", line)
        assert match, f"{lock}: not pinned and hashed: {line[:80]}"
        found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    """Otherwise somebody changed pyproject.toml and did not run `make lock`."""
    pinned = pins(lock)
    for text in LOCKS[lock]:
        wanted = Requirement(text)
        versions = pinned.get(canonicalize_name(wanted.name), set())
        assert versions, f"{lock} lacks {text}; run: make lock"
        assert all(wanted.specifier.contains(v) for v in versions), f"{lock} has {versions} for {text}; run: make lock"


def test_locks_agree() -> None:
    """What is tested is what is installed."""
    tested = pins("requirements-dev.txt")
    for lock in LOCKS.keys() - {"requirements-helm.txt"}:
        for name, versions in pins(lock).items():
            assert tested[name] == versions, f"{name} in {lock}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "//" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option such as --index-url"


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    sources = {f"sopsync/{path.relative_to(ROOT / 'src/sopsync').as_posix()}" for path in _sources()}
    assert {name for name in names if name.startswith("sopsync/")} == sources
    assert {name.split("/")[0] for name in names} == {"sopsync", f"sopsync-{PROJECT['project']['version']}.dist-info"}
    assert "sopsync/py.typed" in names


def _sources() -> list[Path]:
    return [p for p in (ROOT / "src/sopsync").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
