"""The nouns of a plan: actions, changes, and the plan itself. Frozen data, no values, no decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sopsync.errors import Problem
from sopsync.model import Desired, Fence, Observed, Ref
from sopsync.stamp import Origin


class Action(StrEnum):
    """What will happen to an entry, or what was found instead."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    RESTAMP = "restamp"
    RESTORE = "restore"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    DRIFT = "drift"
    ORPHAN = "orphan"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"

    @property
    def glyph(self) -> str:
        """One character, always shown with the word."""
        return _GLYPHS[self]

    @property
    def writes(self) -> bool:
        """Whether apply will touch the store for it."""
        return self in _WRITES


_GLYPHS = {
    Action.CREATE: "+", Action.UPDATE: "~", Action.ADOPT: ">", Action.RESTAMP: "*", Action.RESTORE: "^",
    Action.DELETE: "-", Action.UNCHANGED: "=", Action.DRIFT: "!", Action.ORPHAN: "o", Action.CONFLICT: "x",
    Action.UNKNOWN: "?",
}  # fmt: skip
_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.ADOPT, Action.RESTAMP, Action.RESTORE, Action.DELETE})


class Ask(StrEnum):
    """What only opening can tell: is the live value git's value, or (before a delete) is the source genuine."""

    VALUE = "value"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One field a change touches: `op` is `+`, `~` or `-`."""

    op: str
    key: str

    def __str__(self) -> str:
        return f"{self.op} {self.key}"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan. `ask` is set until it is settled; `same` says that the live value is git's already."""

    ref: Ref
    action: Action
    owner: str
    reason: str = ""
    hint: str = ""
    desired: Desired | None = None
    seen: Observed | None = None
    ask: Ask | None = None
    same: bool | None = None
    keys: tuple[KeyChange, ...] = ()
    blocks: bool = False
    """A drift that the config says must stop the run."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose fences a write must pass: its owner's, and that of the owner before, whose entry it takes along."""
        before = self.seen.owner if self.seen is not None else ""
        known = self.desired is not None and before in self.desired.previous_owners
        return tuple(dict.fromkeys((self.owner, before))) if known else (self.owner,)

    @property
    def origin(self) -> Origin | None:
        """Where in git the entry comes from: what is wanted, else what its stamp says."""
        if self.desired is not None:
            return self.desired.origin
        return self.seen.stamp.origin if self.seen is not None and self.seen.stamp is not None else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, at one commit, to every entry of every store that was looked at."""

    commit: str
    branch: str
    root: str
    config: str
    changes: tuple[Change, ...]
    fences: Mapping[Ref, Fence] = field(default_factory=dict)
    """By (store, owner)."""
    broken: tuple[Problem, ...] = ()
    """Files whose entries stay untouched because they cannot be read."""
    notes: tuple[str, ...] = ()
    sealed: bool = False
    filtered: bool = False
    opened: int = 0
    """Files decrypted."""
    read: int = 0
    """Live values read."""

    def writes(self) -> Iterator[Change]:
        """The changes that touch a store."""
        return (change for change in self.changes if change.action.writes)
