"""What one commit wants, as far as git alone tells: for who only looks, so that one bad file hides no other."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sopsync import manifest, sops
from sopsync.config import Config, load_config
from sopsync.errors import ConfigError, DecryptError, Problem, SourceError
from sopsync.git import Repository, Tree
from sopsync.manifest import Manifests

if TYPE_CHECKING:
    from sopsync.sops import Format, Sealed


@dataclass(frozen=True, slots=True)
class Side:
    """A commit by the rules of a config; without one, nothing is wanted."""

    tree: Tree
    config: Config | None
    manifests: Manifests
    sealed: Mapping[str, Sealed]
    """The manifests that could be parsed, by path."""
    problems: tuple[Problem, ...]
    """Everything wrong with config and manifests."""

    @property
    def commit(self) -> str:
        return self.tree.commit


def find_config(repo: Repository, tree: Tree, path: str) -> Config:
    """The config at a path of a commit. ConfigError with all that is wrong with it."""
    if path not in tree:
        what = f"not in commit {tree.commit[:10]}" if tree.commit else "not in the index"
        raise ConfigError(what, where=path, hint=_where_it_is(repo, tree, path))
    return load_config(repo.read(tree, [path])[path], path)


def _where_it_is(repo: Repository, tree: Tree, path: str) -> str:
    """What to do about a config that is not in the tree: commit it, name it rightly, or write a first one."""
    names = {posixpath.basename(path), "sopsync.yaml"}
    if close := [there for there in tree if posixpath.basename(there) in names]:
        return f'did you mean --config "{close[0]}"? a path in the commit starts at the top of the repository'
    newest = not tree.commit or tree.commit == repo.resolve("HEAD")
    if newest and not repo.bare and (repo.base / path).is_file():
        return f"git add {shlex.quote(os.path.relpath(repo.base / path))} && git commit"
    return "sopsync init, then commit it"


def load_side(repo: Repository, tree: Tree, config: Config | ConfigError) -> Side:
    """What the commit wants by this config, or by none if that is what is wrong."""
    if isinstance(config, ConfigError):
        return Side(tree, None, Manifests({}, {}, {}), {}, config.problems)
    sealed: dict[str, Sealed] = {}

    def parse(data: bytes, *, format: Format, where: str) -> Sealed:  # noqa: A002 - as in sopsync.sops
        sealed[where] = found = sops.parse(data, format=format, where=where)
        return found

    problems: list[Problem] = []
    read = partial(repo.read, tree, strict=False)
    found = manifest.load(tree, read, config, parse, problems=problems)
    broken = {path: _why(repo, tree, path, problem) for path, problem in found.broken.items()}
    return Side(tree, config, found, sealed, (*problems, *broken.values()))


def _why(repo: Repository, tree: Tree, path: str, problem: Problem) -> Problem:
    """A matched path that is no plain file (a link, a git-lfs pointer, …) says so itself."""
    try:
        repo.read(tree, [path])
    except SourceError as error:
        return error.problems[0]
    return problem


def try_config(repo: Repository, tree: Tree, path: str) -> Config | ConfigError:
    """The same, or what is wrong."""
    try:
        return find_config(repo, tree, path)
    except ConfigError as error:
        return error


def parse_file(repo: Repository, tree: Tree, path: str) -> Sealed | DecryptError | None:
    """A file as SOPS sees it; what is wrong with it; None if it is no plain file."""
    data = repo.read(tree, [path], strict=False).get(path)
    if data is None:
        return None
    try:
        return sops.parse(data, format=sops.format_of(path), where=path)
    except DecryptError as error:
        return error
