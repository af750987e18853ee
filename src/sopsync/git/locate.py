"""Which repository a path belongs to, by git's own word: only git knows whose repositories it may trust."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopsync.errors import SourceError
from sopsync.git.process import Answer, Git, raw, shown, text

_QUESTIONS = (
    "--is-bare-repository",
    "--is-shallow-repository",
    "--is-inside-work-tree",
    "--show-cdup",  # the way up to the top, `../../`; outside a work tree git answers nothing
    "--absolute-git-dir",  # last, since a path may hold newlines
)


@dataclass(frozen=True, slots=True)
class Place:
    """A repository. `base`: top of the work tree, or the repository itself if it is bare."""

    base: Path
    bare: bool
    shallow: bool


def locate(path: Path, caller: Mapping[str, str]) -> Place:
    """The repository that holds `path`, looking upwards. SourceError if there is neither such a path nor a repository,
    or git will not read it."""
    where = shown(str(path))
    if not path.exists():
        raise SourceError("no such directory", where=where, hint="--repo names a directory of a git repository")
    start = path.absolute()
    start = start if start.is_dir() else start.parent
    answer = Git(start, caller).run("rev-parse", *_QUESTIONS)
    if answer.code:
        raise _unreadable(start, where, answer)
    bare, shallow, inside, rest = text(answer.out).removesuffix("\n").split("\n", 3)
    if inside == "true":
        up = rest.partition("\n")[0]
        return Place((start / up).resolve() if up else start, bare=False, shallow=shallow == "true")
    directory = Path(os.fsdecode(raw(rest)))
    if bare == "true":
        return Place(directory, bare=True, shallow=shallow == "true")
    if start.resolve().is_relative_to(directory):  # inside .git: the work tree is around it
        return locate(directory.parent, caller)
    raise SourceError("the repository has its work tree elsewhere", where=where, hint="name the work tree with --repo")


def next_index(git: Git, caller: Mapping[str, str]) -> Path | None:
    """The index that the next commit is made from, where a caller names one; None for the repository's own.

    `git commit -a` and `git commit PATH` make it from one of their own, and tell hooks which (GIT_INDEX_FILE, from
    the top of the work tree: git(1)). SourceError for one that is not there, which git would take for empty, or that is
    not in the git directory, so another repository's.
    """
    named = caller.get("GIT_INDEX_FILE", "")
    if not named:
        return None
    own = Path(os.fsdecode(git.must("rev-parse", "--absolute-git-dir").removesuffix(b"\n"))).resolve()
    found = (git.directory / named).resolve()
    if found == own / "index":
        return None
    where, hint = shown(named), "unset GIT_INDEX_FILE, or name an index of this repository"
    if not found.is_relative_to(own):
        raise SourceError("GIT_INDEX_FILE is not in the git directory of this repository", where=where, hint=hint)
    if not found.is_file():
        raise SourceError("GIT_INDEX_FILE names no file", where=where, hint=hint)
    return found


def _unreadable(start: Path, where: str, answer: Answer) -> SourceError:
    """Why git will not work here."""
    if any("not a git repository" in line for line in answer.err):
        hint = "go into a repository, or name one with --repo; git init makes one"
        return SourceError("not a git repository, nor inside one", where=where, hint=hint)
    if any("dubious ownership" in line for line in answer.err):
        said = (line.partition("safe.directory ")[2] for line in answer.err)
        trusted = next(filter(None, said), shown(str(start)))
        hint = f"if you trust it: git config --global --add safe.directory {trusted}"
        return SourceError("the repository belongs to somebody else, so git will not read it", where=where, hint=hint)
    return SourceError(f"git cannot read this repository: {answer.err[0][:300]}", where=where, hint="git status there")
