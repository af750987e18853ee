"""The paths of a commit, and what keeps one of them from being read as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sopsync.errors import Problem
from sopsync.git.process import shown, text

_KINDS = {b"120000": "link", b"160000": "submodule"}
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_MAX = 1024
"""Bytes of the largest pointer file (git-lfs docs/spec.md)."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """What a path is in a commit. `kind` is file, link or submodule."""

    kind: str
    oid: str


class Tree(Mapping[str, TreeEntry]):
    """All paths of a commit, in git's order. Nothing is read yet."""

    __slots__ = ("_commit", "_entries")

    def __init__(self, commit: str, listed: Iterable[bytes]) -> None:
        """`listed`: records of `git ls-tree -z`: `<mode> <type> <oid>` TAB path."""
        self._commit = commit
        self._entries = dict(map(_entry, listed))

    @property
    def commit(self) -> str:
        return self._commit

    def __getitem__(self, path: str) -> TreeEntry:
        return self._entries[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _entry(record: bytes) -> tuple[str, TreeEntry]:
    about, _, path = record.partition(b"\t")
    mode, _, oid = about.split(b" ")
    return text(path), TreeEntry(_KINDS.get(mode, "file"), oid.decode("ascii"))


def not_a_file(path: str, entry: TreeEntry | None) -> Problem | None:
    """Why there is no file to read at `path`, or None."""
    if entry is None:
        return Problem(shown(path), "not in this commit", "git add it and commit")
    if entry.kind == "file":
        return None
    what = "a symbolic link" if entry.kind == "link" else "a submodule"
    return Problem(shown(path), f"{what} where a file should be", "commit the file itself, or match other paths")


def lfs_pointer(path: str, data: bytes) -> Problem | None:
    """That git holds only a pointer and the file is elsewhere, or None."""
    if len(data) > _LFS_MAX or not data.startswith(_LFS):
        return None
    hint = f"keep secrets out of git lfs: git lfs untrack {shown(path)}, then commit the file itself"
    return Problem(shown(path), "a git-lfs pointer, not the file", hint)
