"""The revisions a file went through, as a graph read from git no further than somebody asks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sopsync.errors import SourceError
from sopsync.git.objects import Differ
from sopsync.git.process import Git, end, raw

_PATHSPECS = 200
"""Paths given to git exactly; git compares each with each directory entry, so many are widened to directories."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The content a commit gave to a path: different from what the path held in every parent of that commit."""

    commit: str
    path: str
    oid: str


class History:
    """Revisions of some files, seen from one commit. `newest` is where to start, `older` goes on from there.

    A merge that took a path from one of its parents is no revision: the line goes on in that parent, as in `git log`.
    A merge whose content is in none of them is one, with a line to follow into each. A revert is a revision.
    A rename is one too, and its older revision has the old path.
    """

    def __init__(self, git: Git, parents: Callable[[str], Sequence[str]], commit: str, files: Mapping[str, str]):
        """`parents`: of any commit. `files`: path → oid of the regular files of `commit` that are asked about."""
        self._git = git
        self._parents = parents
        self._files = files
        self._whole = Differ(git, "-M", "-l1000")
        self._walks: dict[tuple[str, str], _Walk] = {}
        self._walk_of: dict[Revision, _Walk] = {}
        self._start = self._walk(commit, "", files)

    def newest(self, path: str) -> Revision | None:
        """The revision that the commit shows; None if it has no such file, or it was not asked about."""
        if path not in self._files:
            return None
        return self._arrive(self._start, self._start.first(), path, self._files[path])

    def older(self, revision: Revision) -> tuple[Revision, ...]:
        """What the file was before `revision` (one of ours): nothing, one, or in a merge several revisions."""
        walk = self._walk_of[revision]
        found = []
        for parent in walk.parents(revision.commit):
            oid = walk.before(revision.commit, parent)[revision.path]
            if oid:
                found.append(self._arrive(walk, parent, revision.path, oid))
        real = self._parents(revision.commit)
        if len(found) < len(real):  # some parent does not have the path: perhaps it has it by another name
            for parent in real:
                found += self._renamed(revision, walk, parent)
        return tuple(dict.fromkeys(found))

    def _renamed(self, revision: Revision, walk: _Walk, parent: str) -> list[Revision]:
        """Where the file was in `parent`, if the commit moved it."""
        moves = walk.moves.get((revision.commit, parent))
        if moves is None:
            compared = self._whole.compare(revision.commit, parent)
            moves = {d.path: (d.old_path, d.old_oid) for d in compared if d.path != d.old_path}
            walk.moves[revision.commit, parent] = moves
        if revision.path not in moves:
            return []
        # one walk for everything the commit moved: a renamed directory costs one process, not one a file
        old_path, old_oid = moves[revision.path]
        moved = self._walk(parent, revision.commit, [old for new, (old, _) in moves.items() if new in walk.paths])
        return [self._arrive(moved, moved.first(), old_path, old_oid)]

    def _walk(self, start: str, reached_from: str, paths: Collection[str]) -> _Walk:
        key = (start, reached_from)
        if key not in self._walks:
            self._walks[key] = _Walk(self._git, start, paths)
        return self._walks[key]

    def _arrive(self, walk: _Walk, commit: str, path: str, oid: str) -> Revision:
        revision = Revision(walk.settle(commit, path), path, oid)
        self._walk_of[revision] = walk
        return revision

    def close(self) -> None:
        """End all child processes. May be called twice."""
        self._whole.close()
        for walk in self._walks.values():
            walk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Walk:
    """The commits that touched any of `paths`, from `start` back: one `git rev-list`, stopped when nobody asks on."""

    def __init__(self, git: Git, start: str, paths: Collection[str]) -> None:
        self.paths = frozenset(paths)
        self.moves: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        spec: list[str | bytes] = ["--", *_pathspec(self.paths)]
        # --parents: of each commit the nearest older ones that touched the paths; sides of a merge that
        # brought nothing are left out (git-rev-list(1), "History Simplification", default mode)
        self._command: list[str | bytes] = ["rev-list", "--parents", start, *spec]
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None
        self._differ = Differ(git, *spec)
        self._first = ""
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._before: dict[tuple[str, str], dict[str, str]] = {}

    def first(self) -> str:
        """The commit through which all lines of history of `paths` lead."""
        return self._first or self._read()

    def parents(self, commit: str) -> tuple[str, ...]:
        """The next older commits that touched any of the paths."""
        while commit not in self._nodes:
            self._read()
        return self._nodes[commit]

    def before(self, commit: str, parent: str) -> Mapping[str, str]:
        """Path → oid it has in `parent` ("": none) for each path that differs between the two."""
        edge = (commit, parent)
        if edge not in self._before:
            compared = self._differ.compare(commit, parent)
            # equal oids: only the mode differs, which is no other content
            self._before[edge] = {d.path: d.old_oid for d in compared if d.path in self.paths and d.oid != d.old_oid}
        return self._before[edge]

    def settle(self, commit: str, path: str) -> str:
        """The commit that really made what `commit` has at `path`: on from parent to parent while it is the same."""
        while True:
            same = (parent for parent in self.parents(commit) if path not in self.before(commit, parent))
            parent = next(same, None)
            if parent is None:
                return commit
            commit = parent

    def _read(self) -> str:
        if self._process is None:
            self._process = self._git.start(*self._command)
        assert self._process.stdout  # noqa: S101 - Git.start pipes it
        commit, *parents = self._process.stdout.readline().decode("ascii").split() or [""]
        if not commit:
            raise SourceError("git cannot read the history of this repository", hint="git fsck tells more")
        self._nodes[commit] = tuple(parents)
        self._first = self._first or commit
        return commit

    def close(self) -> None:
        self._differ.close()
        if self._process is not None:
            end(self._process)


def _pathspec(paths: Collection[str]) -> list[bytes]:
    """What git is to look at: these paths, or directories that hold them; nothing means everything."""
    wanted = {raw(path) for path in paths}
    while len(wanted) > _PATHSPECS:
        wanted = {path.rpartition(b"/")[0] for path in wanted}
    return [] if b"" in wanted else sorted(wanted)
