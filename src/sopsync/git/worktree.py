"""Edits that are not in a commit yet: the one place that looks at the index and the work tree."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopsync.git.objects import LIMIT
from sopsync.git.process import Git, raw, text

_LINK = b"120000"


@dataclass(frozen=True, slots=True)
class _Staged:
    """A path in the index."""

    mode: bytes
    oid: str
    settled: bool
    """Not in the middle of a merge."""
    skipped: bool
    """Left out of a sparse checkout."""


def edited(git: Git, base: Path, committed: Mapping[str, str]) -> tuple[str, ...]:
    """Those paths of `committed` (path → oid in HEAD, "" if not there) that index or work tree hold otherwise.

    Contents are compared by their hash, computed here: `git status` and `git diff` would run the filter programs
    that a repository's config names. A file that differs only in line ends, as `core.autocrlf` makes them, is the same.
    """
    index = _index(git)
    return tuple(path for path, oid in committed.items() if _differs(base, path, oid, index.get(path)))


def _index(git: Git) -> dict[str, _Staged]:
    """Records `<tag> <mode> <oid> <stage>` TAB path (git-ls-files(1))."""
    found = {}
    for record in git.must("ls-files", "--stage", "-t", "-z").split(b"\0")[:-1]:
        about, _, path = record.partition(b"\t")
        tag, mode, oid, stage = about.split(b" ")
        found[text(path)] = _Staged(mode, oid.decode("ascii"), stage == b"0", tag == b"S")
    return found


def _differs(base: Path, path: str, committed: str, staged: _Staged | None) -> bool:
    at = base / os.fsdecode(raw(path))
    if staged is None:
        return bool(committed) or os.path.lexists(at)
    if staged.oid != committed or not staged.settled:
        return True
    if staged.skipped and not os.path.lexists(at):
        return False
    try:
        content = os.fsencode(at.readlink()) if staged.mode == _LINK else _content(at)
    except OSError:  # gone, no longer a link, not ours to read: whatever it is, it is not what HEAD holds
        return True
    return committed not in (_oid(content, committed), _oid(content.replace(b"\r\n", b"\n"), committed))


def _content(at: Path) -> bytes:
    """A regular file's bytes. OSError for anything else: a pipe would never end."""
    about = at.lstat()
    if not stat.S_ISREG(about.st_mode) or about.st_size > LIMIT:
        raise OSError
    return at.read_bytes()


def _oid(content: bytes, like: str) -> str:
    """The object id git would give the content, in the hash that `like` is made with."""
    data = b"blob %d\0" % len(content) + content
    return (hashlib.sha1(data, usedforsecurity=False) if len(like) == 40 else hashlib.sha256(data)).hexdigest()
