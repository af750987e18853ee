"""Everything a mount shows without a value being read: one call where server and policy allow it, else folder by folder
and entry by entry."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from sopsync.errors import StoreError, Unavailable
from sopsync.stores.vault_entry import Meta
from sopsync.stores.vault_http import THREADS
from sopsync.stores.vault_kv import Kv
from sopsync.stores.vault_settings import FENCES, VAULT

_T = TypeVar("_T")
_GIVE_UP = 8
"""Calls without an answer after which the server is down, rather than one entry unreadable."""


@dataclass(slots=True)
class Listing:
    """What is there. `unknown`: name, or folder ending in a slash, and why it could not be looked at."""

    found: dict[str, Meta] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def legal(name: str) -> bool:
    return len(name) <= VAULT.max_name and re.fullmatch(VAULT.name_pattern, name) is not None


def scan(kv: Kv) -> Listing | None:
    """In one call; None where that cannot be had."""
    found = kv.scan()
    return None if found is None else Listing(found)


def walk(kv: Kv, names: Collection[str]) -> Listing:
    """In one call for each folder and each entry. A path that is refused, or breaks, is unknown, and the others go on;
    StoreError where the fences cannot be seen, nothing can, or the server does not answer any more."""
    return _Walk(kv).run(names)


class _Walk:
    def __init__(self, kv: Kv) -> None:
        self._kv = kv
        self._failed: dict[str, StoreError] = {}
        self._silent: list[Unavailable] = []

    def run(self, names: Collection[str]) -> Listing:
        with ThreadPoolExecutor(THREADS) as pool:
            # 1. The folders, level by level. Where the first is refused, that of the fences may not be.
            listed, folders = set[str](), [""]
            while folders:
                inside = self._each(pool, folders, self._kv.folder)
                paths = [folder + key for folder, keys in inside.items() for key in keys]
                if folders == [""] and self._failed:
                    paths = [f"{FENCES}/"]
                listed.update(path for path in paths if not path.endswith("/"))
                folders = [path for path in paths if path.endswith("/")]
            # 2. The entries; and, where the listing has a hole, the names asked for.
            holes = tuple(self._failed)
            asked = {name for name in names if name.startswith(holes)}
            wanted = [name for name in listed | asked if legal(name) or name.startswith(f"{FENCES}/")]
            seen = self._each(pool, wanted, self._kv.metadata)
        # 3. A fence that cannot be seen is not a fence that is not there.
        for path, error in self._failed.items():
            if path.startswith(f"{FENCES}/"):
                raise error
        unknown = {path or "/": error.problems[0].what for path, error in self._failed.items()}
        return Listing({name: meta for name, meta in seen.items() if meta is not None}, unknown)

    def _each(self, pool: ThreadPoolExecutor, paths: Iterable[str], look: Callable[[str], _T]) -> dict[str, _T]:
        """What `look` gives for each path. What it raises is kept in `_failed`, unless the server is down."""

        def one(path: str) -> tuple[str, _T] | None:
            if len(self._silent) >= _GIVE_UP:
                return None
            try:
                return path, look(path)
            except StoreError as error:
                self._failed[path] = error
                if isinstance(error, Unavailable):
                    self._silent.append(error)
                return None

        found = dict(pair for pair in pool.map(one, paths) if pair is not None)
        if len(self._silent) >= _GIVE_UP:
            raise self._silent[0]
        return found
