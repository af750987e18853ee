"""Which repository a path belongs to. The home of GitPython, which is imported here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sopsync.errors import SourceError
from sopsync.git.process import shown

if TYPE_CHECKING:
    import git


def locate(path: Path) -> tuple[Path, Path]:
    """(top of the work tree, or the repository itself if it is bare; the git directory), looking upwards from `path`.

    SourceError if there is neither such a path nor a repository.
    """
    where = shown(str(path))
    if not path.exists():
        raise SourceError("no such directory", where=where, hint="--repo names a directory of a git repository")
    start = path.absolute()
    try:
        with _repo(start if start.is_dir() else start.parent) as repo:
            return Path(repo.working_tree_dir or repo.git_dir), Path(repo.git_dir)
    except ValueError:
        hint = "go into a repository, or name one with --repo; git init makes one"
        raise SourceError("not a git repository, nor inside one", where=where, hint=hint) from None


@contextmanager
def _repo(start: Path) -> Iterator[git.Repo]:
    """The repository, opened. ValueError if there is none."""
    with _no_first_run():
        import git
    try:
        repo = git.Repo(start, search_parent_directories=True, expand_vars=False)
    except (git.exc.GitError, OSError):
        raise ValueError(str(start)) from None
    with repo:
        yield repo


@contextmanager
def _no_first_run() -> Iterator[None]:
    """Keep GitPython from running `git version` on import: it would hand git our whole environment, keys and all.

    Told that git is a thing that cannot be executed, it gives up quietly before any program starts.
    """
    told = {"GIT_PYTHON_REFRESH": "quiet", "GIT_PYTHON_GIT_EXECUTABLE": os.devnull}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
