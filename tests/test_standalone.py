"""The project stands alone: no tracked file names the machine it was written on, or where packages are fetched from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# In pieces, so that this file does not contain what it forbids.
PLACES = ("/wo" + "rk/", "/tmp/" + "w/", "../sha" + "red", ".libr" + "ary/")
HOSTS: tuple[str, ...] = (
    "py" + "pi.org",
    "pythonhos" + "ted.org",
    "crates" + ".io",
    "npm" + "js.org",
    "npm" + "js.com",
)
HOSTS += ("gol" + "ang.org", "maven" + ".org", "deb" + "ian.org")


def _any(words: tuple[str, ...]) -> bytes:
    return "|".join(map(re.escape, words)).encode()


# A place not inside a longer path or base64; a host with whatever stands before it.
FORBIDDEN = re.compile(rb"(?<![\w+.-])(?:" + _any(PLACES) + rb")|\b(?:[\w-]+\.)*(?:" + _any(HOSTS) + rb")\b")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: what is tracked is not known")
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        data = path.read_bytes()
        for match in FORBIDDEN.finditer(data):
            line = data.count(b"\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match[0].decode()}")
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("word", [*PLACES, *HOSTS, "https://files." + HOSTS[1], f"({PLACES[0]}main)"])
def test_the_search_finds(word: str) -> None:
    assert FORBIDDEN.search(f"see {word} there".encode())


def test_the_search_lets_pass() -> None:
    innocent = "bench/.work/ net/work/ bm9uZQ+/wor" + "k/ https://crates and shared/, pypi"
    assert not FORBIDDEN.search(innocent.encode())
