"""A repository to reconcile, its remote, and what a run said, taken apart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.story import Stage, capture, local_outside


def stage(tmp: Path, monkeypatch: pytest.MonkeyPatch, *, keys: int = 4, more: str = "", store: str = "") -> Stage:
    """One file of so many keys, each an entry of the embedded store `s`, which lies outside of any clone."""
    made = Stage(tmp, monkeypatch, local_outside)
    made.do_write(["sopsync.yaml"], config(made, more=more, store=store))
    made.do_put(["api.yaml", *(f"k{i:04}=canary-{i}" for i in range(keys))])
    made.do_commit(["Start"])
    return made


def config(made: Stage, *, more: str = "", store: str = "", target: str = "") -> list[str]:
    path = made.repo.path / ".sopsync" / "store.db"
    stores = [f"  s: {{type: local, path: {path}, recipients: [$RECIPIENT]}}", *([store] if store else [])]
    rule = ["sync:", "  - from: api.yaml", f"    to: [{{store: s, name: 'api/{{key}}'{target}}}{more}]"]
    return ["version: 1", "owner: acme", "stores:", *stores, *rule]


def remote(made: Stage) -> str:
    """The URL of a bare copy, as a forge has it."""
    bare = made.repo.path.parent / "forge.git"
    made.repo.git("clone", "-q", "--bare", ".", str(bare))
    made.repo.git("remote", "add", "forge", str(bare))
    return f"file://{bare}"


def reconciled(*args: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """(exit code, the run's own line, the lines before it) of one run with JSON lines."""
    code, said = capture(["reconcile", "--log-format", "json", *args])
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines[-1]["exit"] == code
    return code, lines[-1], lines[:-1]


def samples(text: str) -> dict[str, float]:
    """Prometheus text as name and labels → value; every line must be one that the format knows."""
    found = {}
    for line in text.splitlines():
        if not line.startswith(("# HELP ", "# TYPE ")):
            match = re.fullmatch(r'(\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})?) ([0-9.e+-]+)', line)
            assert match, line
            assert match[1] not in found, line
            found[match[1]] = float(match[2])
    return found
