"""Where a run's repository comes from: a path here, or a clone that is fetched into memory or into given storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Event

from sopsync.git import Remote

_MEMORY = Path("/dev/shm")  # noqa: S108 - shm_overview(7); the folder made in it is ours alone


def here(path: Path) -> Callable[[Event], AbstractContextManager[Path]]:
    """A repository on this machine, used as it is."""

    @contextmanager
    def source(_stop: Event) -> Iterator[Path]:
        yield path

    return source


def storage(given: Path | None, environ: Mapping[str, str], until: ExitStack) -> Path:
    """Where the clone is kept: as given, or in memory until `until` closes."""
    return given or Path(until.enter_context(tempfile.TemporaryDirectory(prefix="sopsync-", dir=_memory(environ))))


def remote(clone: Remote, branch: str) -> Callable[[Event], AbstractContextManager[Path]]:
    """A clone, brought up to date for each run."""
    return lambda stop: clone.fetched(branch, stop)


def _memory(environ: Mapping[str, str]) -> Path | None:
    """A place in memory; the one that TMPDIR names, if it does: in a container that is the volume made for it."""
    return _MEMORY if not environ.get("TMPDIR") and os.access(_MEMORY, os.W_OK | os.X_OK) else None
