"""The part of what git wants that a run was told to look at: some stores, some files. Such a run never deletes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sopsync.errors import ConfigError, Problem
from sopsync.model import Desired, Ref


@dataclass(frozen=True, slots=True)
class Filter:
    """Names of stores and globs over paths; of each, none means all."""

    stores: Sequence[str] = ()
    paths: Sequence[str] = ()

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.stores or self.paths)

    def check(self, stores: Collection[str], paths: Collection[str]) -> None:
        """ConfigError where something is named that is not there: it would look like a store, or a file, with nothing
        to do."""
        problems = [
            Problem("", f'unknown store "{name}"', f"one of: {', '.join(stores)}")
            for name in self.stores
            if name not in stores
        ]
        problems += [
            Problem("", f'no manifest matches --path "{glob}"', "it is a glob over paths in the commit")
            for glob in self.paths
            if not any(fnmatchcase(path, glob) for path in paths)
        ]
        if problems:
            raise ConfigError.of(problems)

    def takes(self, store: str) -> bool:
        return not self.stores or store in self.stores

    def of(self, desired: Mapping[Ref, Desired]) -> dict[Ref, Desired]:
        """What is left of what git wants."""
        return {
            ref: want
            for ref, want in desired.items()
            if self.takes(ref.store)
            and (not self.paths or any(fnmatchcase(want.origin.path, glob) for glob in self.paths))
        }
