"""The protocol every store speaks. A store knows its API and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from sopsync.errors import StoreError
from sopsync.model import Fence, Observed, PastVersion, Payload, Stamp, Survey, Traits, Version

__all__ = ["Observed", "Store", "one_by_one"]


class Store(Protocol):
    """A place secrets live. Raises only `StoreError`. Safe to call from several threads.

    `sopsync.stores.testing` is the specification: a store that passes it is a store.
    """

    name: str
    traits: Traits
    calls: int
    """API calls made so far."""

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        """Everything stamped by any sopsync, every name asked for, and all fences, without reading a value.

        `wanted`: name → the digest that git wants there ("" if only the name is asked for). A store whose listing
        shows less than there is to know looks closer at a name whose first look does not vouch for that digest.
        What could not be looked at is UNKNOWN with its reason, one entry at a time where the store allows it;
        StoreError only where nothing could be. ABSENT only on a positive not-found.
        """

    def read(self, name: str, *, expect: Version) -> Payload:
        """The live value. Conflict if the live version is not `expect`."""

    def write(
        self,
        name: str,
        payload: Payload,
        stamp: Stamp,
        *,
        expect: Version | None,
        options: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Version:
        """Store the payload whole, stamp it with the new version, and return that.

        `expect` None: the name must be free. A version: it must be the live one, or that of the recoverable entry
        (which is thereby restored). If that does not hold: Conflict, nothing changed. Fields the payload does
        not name are gone afterwards. Value first, stamp with it or after it.
        """

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        """Stamp (and tag) the live version anew. Never makes a new version of the value. Conflict if it is not
        `expect`, or not alive."""

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        """Delete, recoverably where the store can. `versions`: name → the live version; at most `traits.deletes` at
        once. Returns what was refused, by name (Conflict where the version is another); the others are gone."""

    def history(self, name: str) -> Iterator[PastVersion]:
        """All versions the store still knows, newest first. No values."""

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        """Replace the owner's fence, which must be `expect` (None: there is none). Conflict if it is not. Where
        `expect` is `fence`, this is a look, made now: it stands there, or Conflict."""

    def close(self) -> None:
        """Let go of connections and tokens. May be called twice."""


def one_by_one(versions: Mapping[str, Version], delete: Callable[[str, Version], None]) -> Mapping[str, StoreError]:
    """`Store.delete` of a store that deletes one entry at a time."""
    refused: dict[str, StoreError] = {}
    for name, version in versions.items():
        try:
            delete(name, version)
        except StoreError as error:
            refused[name] = error
    return refused
