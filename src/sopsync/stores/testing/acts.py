"""The things a store does to an entry, each with what comes first and what holds once it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sopsync.model import State, Version
from sopsync.stores.testing.place import Place, delete, fence, stamp


@dataclass(frozen=True)
class Act:
    """`ready` makes the entry's state and gives the version to expect; `do` acts; `done` says whether it did."""

    ready: Callable[[Place, str], Version | None]
    do: Callable[[Place, str, Version | None], object]
    done: Callable[[Place, str], bool]


def _absent(_place: Place, _name: str) -> None:
    return None


def _written(place: Place, name: str) -> Version:
    return place.write(name, place.some("one"), stamp("a"))


def _deleted(place: Place, name: str) -> Version:
    version = _written(place, name)
    delete(place.store, name, expect=version)
    return version


def _write(place: Place, name: str, version: Version | None) -> Version:
    return place.write(name, place.some("two"), stamp("b"), expect=version)


def _stands(place: Place, name: str, word: str) -> bool:
    seen = place.see(name)
    return seen.vouched and seen.stamp == stamp("b").naming(seen.version or "") and place.holds(name, place.some(word))


ACTS: Mapping[str, Act] = {
    "create": Act(_absent, _write, lambda place, name: _stands(place, name, "two")),
    "update": Act(_written, _write, lambda place, name: _stands(place, name, "two")),
    "restore": Act(_deleted, _write, lambda place, name: _stands(place, name, "two")),
    "restamp": Act(
        _written,
        lambda place, name, version: place.store.restamp(name, stamp("b"), expect=_known(version), tags={}),
        lambda place, name: _stands(place, name, "one"),
    ),
    "delete": Act(
        _written,
        lambda place, name, version: delete(place.store, name, expect=_known(version)),
        lambda place, name: place.see(name).state in (State.RECOVERABLE, State.ABSENT),
    ),
    "read": Act(
        _written,
        lambda place, name, version: place.store.read(name, expect=_known(version)),
        lambda place, name: place.holds(name, place.some("one")),
    ),
    "fence": Act(
        _absent,
        lambda place, _name, _version: place.store.raise_fence(fence("a"), expect=None),
        lambda place, _name: place.fresh().survey({}).fences == {fence("a").owner: fence("a")},
    ),
}


def _known(version: Version | None) -> Version:
    assert version is not None
    return version
