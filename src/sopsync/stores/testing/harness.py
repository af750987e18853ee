"""What a store's author writes to have it tested: a way to open it, a wire that can fail, and a foreign hand.

class TestMyStore(Contract):
    @pytest.fixture
    def empty(self) -> Callable[[], Harness]:      # each call: an empty place of its own
        return lambda: MyHarness(...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Protocol

from sopsync.model import Payload
from sopsync.stores.base import Store


class Fault(StrEnum):
    """How one API call goes wrong."""

    REFUSED = "refused"
    """The server says no: permission denied. Nothing happens."""
    BEFORE = "fails before"
    """The connection breaks before the server sees the call."""
    AFTER = "answer lost"
    """The server carries the call out; the client sees a broken connection."""


@dataclass
class Wire:
    """Stands between one client and its server. The harness calls `send` once for every API call, right before it,
    and does what the answer says: None: make the call; a Fault: make it go wrong that way.

        fault = wire.send()
        if fault is Fault.REFUSED: return the server's own 403
        if fault is Fault.BEFORE:  raise what the client library raises on a broken connection
        answer = really_send(request)
        if fault is Fault.AFTER:   raise the same
        return answer
    """

    calls: int = 0
    """API calls since this wire was made or rewound."""
    faults: dict[int, Fault] = field(default_factory=dict)
    """Call number (the first is 1) → how it fails."""
    deeds: dict[int, Callable[[], None]] = field(default_factory=dict)
    """Call number → what somebody else does right before it; done once."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def send(self) -> Fault | None:
        """Count a call that is about to be made, let the others act, and say how it shall fail."""
        with self._lock:
            self.calls += 1
            deed = self.deeds.pop(self.calls, None)
            fault = self.faults.get(self.calls)
        if deed is not None:
            deed()
        return fault

    def rewind(self) -> None:
        """Count from zero again, with nothing arranged."""
        with self._lock:
            self.calls = 0
            self.faults.clear()
            self.deeds.clear()


class Outside(Protocol):
    """A foreign writer: changes the store through its API without going through sopsync, so that nothing of ours is
    written or updated but what the store itself does. A deed that finds nothing to act on does nothing."""

    @property
    def can_roll_back(self) -> bool:
        """The store has a notion of an older version becoming live again."""

    @property
    def reuses_versions(self) -> bool:
        """An entry deleted for good and put again has the versions it had before, so that nobody who looked before can
        tell. A known blind spot: it is then not tried between a look and a write."""

    def peek(self, name: str) -> Payload | None:
        """The live value, None if there is none. Not counted, never fails."""

    def tags(self, name: str) -> Mapping[str, str]:
        """The tags that `write` or `restamp` was given. Only asked of stores with `traits.tags`."""

    def put(self, name: str, payload: Payload) -> None:
        """Write a value as an ordinary client would. Metadata stays or goes as the store has it."""

    def copy_metadata(self, name: str, payload: Payload) -> None:
        """Write a value and give the new version all the metadata, our stamp included, that the last one had."""

    def strip_metadata(self, name: str) -> None:
        """Remove every trace of sopsync from the entry, and leave its value."""

    def delete(self, name: str) -> None:
        """Delete for good."""

    def soft_delete(self, name: str) -> None:
        """Delete so that it can be had back. Only asked of stores with `traits.recoverable`."""

    def undelete(self, name: str) -> None:
        """Undo `soft_delete`, or our own delete. Only asked of stores with `traits.recoverable`."""

    def roll_back(self, name: str) -> None:
        """Make the version before the live one live. Only asked where `can_roll_back`."""


@dataclass(frozen=True)
class Expected:
    """The least number of API calls each thing takes, by a client that has made a survey."""

    survey: Callable[[int], int]
    """By a fresh client, of a store that holds so many entries, all of them ours; fences included."""
    create: int
    update: int
    restore: int
    """Only asked of stores with `traits.recoverable`."""
    restamp: int
    delete: int
    read: int
    fence: int


class Harness(Protocol):
    """One empty place in a store (a file, a mount, a prefix) and everything needed to test it there."""

    @property
    def outside(self) -> Outside: ...

    @property
    def expected(self) -> Expected: ...

    @property
    def odd_names(self) -> tuple[str, ...]:
        """The strangest names the store takes: odd characters, spaces, the longest."""

    def open(self, wire: Wire) -> Store:
        """A fresh client on this place, every API call of which goes through `wire`."""

    def name(self, word: str) -> str:
        """A legal name made of a word of lower-case letters."""
