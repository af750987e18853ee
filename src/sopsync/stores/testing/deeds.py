"""What a foreign hand may do to an entry, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sopsync.model import Payload
from sopsync.stores.testing.harness import Outside
from sopsync.stores.testing.place import Place

Deed = Callable[[Outside, str, Payload], None]


def _there_and_back(outside: Outside, name: str, _payload: Payload) -> None:
    outside.soft_delete(name)
    outside.undelete(name)


def _replace(outside: Outside, name: str, payload: Payload) -> None:
    outside.delete(name)
    outside.put(name, payload)


DEEDS: Mapping[str, Deed] = {
    "put": lambda outside, name, payload: outside.put(name, payload),
    "copy metadata": lambda outside, name, payload: outside.copy_metadata(name, payload),
    "strip metadata": lambda outside, name, _payload: outside.strip_metadata(name),
    "delete": lambda outside, name, _payload: outside.delete(name),
    "replace": _replace,
    "soft delete": lambda outside, name, _payload: outside.soft_delete(name),
    "undelete": _there_and_back,
    "roll back": lambda outside, name, _payload: outside.roll_back(name),
}
WRITES = frozenset({"put", "copy metadata", "replace"})
"""Deeds after which the foreign payload is live."""
DISOWNS = WRITES | {"strip metadata", "roll back"}
"""Deeds that may leave an entry without our mark: git gets it back only where the config says `adopt`."""


def possible(deed: str, place: Place) -> bool:
    """Whether the store has such a thing."""
    if deed in ("soft delete", "undelete"):
        return place.traits.recoverable
    return deed != "roll back" or place.outside.can_roll_back
