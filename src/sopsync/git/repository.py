"""What sopsync reads from a git repository: commits and what they hold, never the work tree."""

from __future__ import annotations

import heapq
import itertools
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from sopsync.errors import Problem, SourceError
from sopsync.git.commit import CommitInfo, Header
from sopsync.git.history import History, Revision
from sopsync.git.locate import locate, next_index
from sopsync.git.merges import brought_by
from sopsync.git.objects import Differ, Object, Objects, TooLarge
from sopsync.git.process import Git, raw, shown, text
from sopsync.git.signature import Signature, verify
from sopsync.git.tree import Tree, TreeEntry, lfs_pointer, not_a_file
from sopsync.git.worktree import edited

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH = re.compile(r"(?!-)[^\x00-\x20\x7f~^:?*\[\\]+")
_WHOLE = "git fetch --unshallow (actions/checkout: fetch-depth: 0)"
_TREES = 4
"""Trees kept: the commit's, the config's, HEAD; those of older commits come and go."""


class Repository:
    """One repository, through a handful of git processes. Close it, or use it as a context manager."""

    def __init__(self, git: Git, *, base: Path, bare: bool, shallow: bool) -> None:
        self.base = base
        """Top of the work tree; the repository itself if it is bare."""
        self._git = git
        self.bare = bare
        self._shallow = shallow
        self._objects = Objects(git)
        self._lock = Lock()
        self._trees: dict[str, Tree] = {}
        self._roots: dict[str, str] = {}

    @classmethod
    def open(cls, path: Path) -> Repository:
        """The repository that holds `path`: a work tree or a directory in it, a linked worktree, a bare repository."""
        found = locate(path, os.environ)
        return cls(Git(found.base, os.environ), base=found.base, bare=found.bare, shallow=found.shallow)

    # -- commits

    def resolve(self, rev: str) -> str:
        """The full id of the commit that `rev` names."""
        # no options, no second line, no `commit:path` and `:/text`
        if not rev or rev.startswith("-") or set(rev) & set("\0\n\r:"):
            raise SourceError(f"not a revision: {shown(rev)!r}", hint="name a commit, branch or tag")
        found = self._objects.find(f"{rev}^{{commit}}")
        if found is None:
            empty = rev == "HEAD"
            what = "the repository has no commit yet" if empty else f"no commit {shown(rev)!r}, or more than one"
            hint = "git commit" if empty else "git fetch, or write the commit id in full"
            raise SourceError(what, hint=f"{hint}; {_WHOLE}" if self._shallow else hint)
        return found.oid

    def has(self, commit: str) -> bool:
        """Whether this clone has the commit (a full id)."""
        found = self._objects.find(commit) if _OID.fullmatch(commit) else None
        return found is not None and found.kind == "commit"

    def info(self, commit: str) -> CommitInfo:
        """Who, when and why."""
        return self._header(commit).info(commit)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` descends from `older` or is it. False for an `older` that this clone does not have."""
        self._header(newer)
        if not self.has(older):
            return False
        answer = self._git.run("merge-base", "--is-ancestor", older, newer)
        if answer.code not in (0, 1):
            raise answer.failure(f"git cannot compare {older[:10]} with {newer[:10]}")
        if answer.code == 1:
            self._need_whole_history()  # where history is cut, a missing link proves nothing
        return answer.code == 0

    def merge_base(self, one: str, other: str) -> str:
        """Where two commits (full ids) parted. SourceError if nowhere, as far as this clone shows."""
        answer = self._git.run("merge-base", one, other)
        if answer.code == 1:
            self._need_whole_history()
            raise SourceError(f"{one[:10]} and {other[:10]} have no history in common", hint="name another base")
        if answer.code:
            raise answer.failure(f"git cannot compare {one[:10]} with {other[:10]}")
        return answer.out.decode("ascii").strip()

    def touched(self, base: str, commit: str) -> Iterator[tuple[str, frozenset[str]]]:
        """(commit, paths it changed) of everything that `commit` has and `base` has not, newest first. Of a merge, what
        it has from none of its parents."""
        listed = self._git.must("rev-list", "--topo-order", "--parents", commit, f"^{base}").decode("ascii")
        differ = Differ(self._git)
        try:
            for line in listed.splitlines():
                found, *parents = line.split()
                changed = [{d.path for d in differ.compare(found, parent)} for parent in parents]
                yield found, frozenset(set.intersection(*changed) if changed else self.tree(found))
        finally:
            differ.close()

    def root(self, commit: str) -> str:
        """The first commit of the repository: where the line of first parents from `commit` ends.

        Merging another repository's history (its first commit comes with it) does not change the answer.
        """
        if commit not in self._roots:
            self._need_whole_history()
            self._header(commit)
            found = self._git.must("rev-list", "--first-parent", "--max-parents=0", commit)
            self._roots[commit] = found.decode("ascii").split()[0]
        return self._roots[commit]

    def branch(self) -> str:
        """The checked-out branch, or "" (a detached HEAD)."""
        answer = self._git.run("symbolic-ref", "--quiet", "HEAD")
        return text(answer.out).removesuffix("\n").removeprefix("refs/heads/") if answer.code == 0 else ""

    def on_branch(self, commit: str, branch: str) -> bool:
        """Whether `commit` is in the history of `branch`: the local one, or that of any remote as last fetched."""
        if not _BRANCH.fullmatch(branch):
            raise SourceError(f"not a branch name: {shown(branch)!r}", hint="branch: names one, such as main")
        self._header(commit)
        if self._heads(branch, f"--contains={commit}"):
            return True
        if not self._heads(branch):
            hint = f"git fetch origin {shown(branch)}:refs/remotes/origin/{shown(branch)}"
            raise SourceError(f"this clone has no branch {shown(branch)}", hint=hint)
        self._need_whole_history()
        return False

    def _heads(self, branch: str, *which: str) -> list[str]:
        """Refs of a branch: the local one, and that of each remote. One segment for the remote: origin/main is the
        branch main, origin/feature/main is not."""
        patterns = (raw(f"refs/heads/{branch}"), raw(f"refs/remotes/*/{branch}"))
        listed = text(self._git.must("for-each-ref", "--format=%(refname)", *which, *patterns)).splitlines()
        # git takes what is below, main/x, for a match too
        exact = re.compile(rf"refs/(?:heads|remotes/[^/]+)/{re.escape(branch)}")
        return list(filter(exact.fullmatch, listed))

    def brought_by(self, commit: str, tip: str) -> str:
        """The merge that brought `commit` to the line of first parents of `tip`; "" if none had to."""
        self._need_whole_history()
        return brought_by(self._git, commit, tip)

    def signature(self, commit: str, allowed_signers: Path | None) -> Signature:
        """Whether a key listed in `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS) signed the commit."""
        return verify(self._git, commit, self._header(commit).signature, allowed_signers)

    # -- files

    def tree(self, commit: str) -> Tree:
        """Every path of the commit, whatever its bytes."""
        with self._lock:
            if commit not in self._trees:
                self._header(commit)
                listed = self._git.must("ls-tree", "-r", "-z", "--full-tree", commit)
                self._trees[commit] = Tree(commit, listed.split(b"\0")[:-1])
                if len(self._trees) > _TREES:
                    del self._trees[next(iter(self._trees))]
            return self._trees[commit]

    def staged(self) -> Tree:
        """What the index holds: the next commit; in a hook, the one that is being made. Its `commit` is "". SourceError
        in the middle of a merge."""
        listed = []
        git = Git(self.base, os.environ, index=next_index(self._git, os.environ))
        for record in git.must("ls-files", "--stage", "-z").split(b"\0")[:-1]:
            about, _, path = record.partition(b"\t")
            mode, oid, stage = about.split(b" ")
            if stage != b"0":
                raise SourceError("the index holds conflicts", hint="settle the merge and git add what it left")
            listed.append(b"%b blob %b\t%b" % (mode, oid, path))
        return Tree("", listed)

    def read(self, tree: Tree, paths: Iterable[str], *, strict: bool = True) -> dict[str, bytes]:
        """Path → content. One SourceError for all paths that are no plain file of bearable size; unless `strict`, those
        are left out. What should be there and is not (a partial clone) is an error always."""
        found: dict[str, bytes] = {}
        problems: list[Problem] = []
        for path in paths:
            got = self._file(path, tree.get(path))
            if isinstance(got, Problem):
                problems.append(got)
            else:
                found[path] = got
        if problems and strict:
            raise SourceError.of(problems)
        return found

    def blob(self, oid: str) -> bytes:
        """The content of one file, by object id."""
        return self._object(oid, "blob").data

    def uncommitted(self, paths: Collection[str]) -> tuple[str, ...]:
        """Those of `paths` that differ from HEAD in the index or the work tree, or are not in git at all."""
        if self.bare:
            return ()
        head = self._objects.find("HEAD^{commit}")
        committed = self.tree(head.oid) if head else {}
        return edited(self._git, self.base, {path: committed[path].oid if path in committed else "" for path in paths})

    # -- history

    def histories(self, paths: Collection[str], commit: str) -> History:
        """The revisions of those of `paths` that are files in `commit`. Use it as a context manager."""
        self._need_whole_history()
        tree = self.tree(commit)
        files = {path: tree[path].oid for path in paths if path in tree and tree[path].kind == "file"}
        return History(self._git, lambda of: self._header(of).parents, commit, files)

    def history(self, path: str, commit: str) -> Iterator[Revision]:
        """The revisions of one file, newest first (by commit time; never before all that came from it)."""
        with self.histories([path], commit) as files:
            newest = files.newest(path)
            order = itertools.count()
            heap = [(0, next(order), newest)] if newest else []
            seen = {newest}
            while heap:
                revision = heapq.heappop(heap)[2]
                yield revision
                for before in files.older(revision):
                    if before not in seen:
                        seen.add(before)
                        heapq.heappush(heap, (-self._header(before.commit).committed, next(order), before))

    # -- the rest

    def _file(self, path: str, entry: TreeEntry | None) -> bytes | Problem:
        problem = not_a_file(path, entry)
        if entry is None or problem:
            assert problem  # noqa: S101 - a missing entry is a problem
            return problem
        try:
            data = self.blob(entry.oid)
        except TooLarge as error:
            return Problem(shown(path), error.problems[0].what, error.problems[0].hint)
        return lfs_pointer(path, data) or data

    def _header(self, commit: str) -> Header:
        if not _OID.fullmatch(commit):
            raise SourceError(f"not a full commit id: {shown(commit)!r}", hint="git rev-parse gives it")
        return Header.of(self._object(commit, "commit").data)

    def _object(self, oid: str, kind: str) -> Object:
        found = self._objects.find(oid)
        if found is None or found.kind != kind:
            hint = "git fetch; a partial clone lacks content: clone without --filter"
            raise SourceError(f"this clone has no {kind} {oid[:10]}", hint=hint)
        return found

    def _need_whole_history(self) -> None:
        if self._shallow:
            raise SourceError(
                "this clone is shallow: where its history is cut, nobody can tell what came before",
                hint=f"fetch the whole history: {_WHOLE}",
            )

    def close(self) -> None:
        """End all child processes. May be called twice."""
        self._objects.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
