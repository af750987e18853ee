"""The nouns of sopsync as frozen data: secrets, payloads, entries wanted and seen. No I/O."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType, NoReturn, Protocol

from sopsync.stamp import Fence, Origin, Stamp

__all__ = ["Fence", "Origin", "Stamp"]

Version = NewType("Version", str)
"""A store's own name for one version of an entry. Opaque: compare for equality, never for order."""

VALUE = "value"
"""The field a single value is kept under where a store only knows maps of fields."""


class Secret:
    """Plaintext in a sealed envelope: it cannot be printed, formatted, hashed, pickled, copied, compared with `==`
    or turned into JSON by accident. `reveal()` opens it; a test lists the few files that may."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The plaintext bytes."""
        return self._value

    def same(self, other: Secret) -> bool:
        """Whether both hold the same bytes, in time that does not depend on where they differ."""
        return hmac.compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("compare secrets with Secret.same")

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


@dataclass(frozen=True, slots=True, eq=False)
class Payload:
    """What an entry holds: one value, or a map of fields. Exactly one of the two is set."""

    value: Secret | None = None
    fields: Mapping[str, Secret] | None = None

    def as_fields(self) -> Mapping[str, Secret]:
        """The payload as a map: a single value is the field `value`."""
        if self.fields is not None:
            return self.fields
        assert self.value is not None  # noqa: S101 - the class invariant
        return {VALUE: self.value}

    def same(self, other: Payload) -> bool:
        """Whether both would be stored alike. Field names are not secret; values are compared in constant time."""
        ours, theirs = self.as_fields(), other.as_fields()
        if ours.keys() != theirs.keys():
            return False
        # a list, not a generator: all() over a generator would stop at the first difference
        return all([ours[name].same(theirs[name]) for name in ours])  # noqa: C419


class Ref(NamedTuple):
    """One object in one store, written `store:name`."""

    store: str
    name: str

    def __str__(self) -> str:
        return f"{self.store}:{self.name}"


class Drift(StrEnum):
    """What to do when somebody else changed an entry of ours."""

    REPORT = "report"
    HEAL = "heal"
    BLOCK = "block"


class Lifecycle(StrEnum):
    """`sync`: git decides the value. `seed`: git creates it once, then leaves it to whoever rotates it."""

    SYNC = "sync"
    SEED = "seed"


KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an entry's payload is made from the decrypted document of one file.

    `fields`: (field name, path into the document) in file order; one unnamed field ("") is a single value.
    `template` and `encode` turn all fields into a single value; `template` names fields in braces.
    `whole`: the payload is the bytes of a binary file.
    """

    fields: tuple[tuple[str, KeyPath], ...] = ()
    encode: str = ""
    template: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """An entry git wants, still sealed."""

    ref: Ref
    owner: str
    previous_owners: tuple[str, ...]
    digest: str
    """32 hex digits over the ciphertexts and everything that shapes what is written."""
    origin: Origin
    where: str
    """`path:line` of the key, for messages."""
    rule: str
    """`path:line` of the target that routes it, for hints."""
    recipe: Recipe
    names: tuple[str, ...] = ()
    """Field names as the store will have them; empty for a single value."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Field name (or "") → digest of that field's ciphertexts: says which keys a change touches."""
    shape: str = ""
    """Digest of what is not ciphertext (transform, options): says that only the routing changed."""
    size: int = 0
    """Bytes of payload, as far as ciphertext lengths tell without opening (a lower bound)."""
    options: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    adopt: bool = False
    prune: bool = False
    lifecycle: Lifecycle = Lifecycle.SYNC
    on_drift: Drift = Drift.REPORT
    description: str = ""


class State(StrEnum):
    """What is known of a name in a store. Absent is a positive not-found and nothing else."""

    PRESENT = "present"
    RECOVERABLE = "recoverable"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a store shows of one name without its value being read."""

    name: str
    state: State
    version: Version | None = None
    """The live version, or that of the recoverable entry: what a write, restamp or delete must expect."""
    owner: str = ""
    """Who manages it; empty: nobody that says so."""
    stamp: Stamp | None = None
    vouched: bool = False
    """The stamp names what is live now: same version, alive, not moved back."""
    by: str = ""
    """Who wrote the live version, where the store tells."""
    at: str = ""
    """When, RFC 3339, where the store tells."""
    reason: str = ""
    """For UNKNOWN: why. For PRESENT: why nobody should write here (a service rotates it, …), or empty."""
    options: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Write option → every value of it that what is live satisfies; without those that the store does not show."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One look at a store: everything stamped by any sopsync, every name asked for, and all fences by owner.

    A name that was asked for and is not in `entries` is unknown, not absent.
    """

    entries: tuple[Observed, ...]
    fences: Mapping[str, Fence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastVersion:
    """One version of an entry, newest first in a history. `stamp` is None where none vouches for that version."""

    version: Version
    at: str
    stamp: Stamp | None = None
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of store can do and will take, as data. Source of each figure: the store's own documentation."""

    kind: str
    fields: bool
    """An entry may be a map of fields; otherwise one value."""
    binary: bool
    """Values may be any bytes; otherwise UTF-8 text."""
    checked: bool
    """A write is refused by the store itself if `expect` does not hold; otherwise a race is only detected."""
    recoverable: bool
    """A deleted entry can be had back."""
    max_bytes: int
    """Bytes of payload: of one value, or of all names and values of a map."""
    name_pattern: str
    """Regular expression a whole name must match."""
    name_rule: str
    """The same in words, for messages."""
    folds_case: bool = False
    separator: str = "/"
    """Joins the path of a nested key into a name."""
    max_name: int = 1024
    max_bytes_of: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(write option, value) → bytes, where that takes more than `max_bytes`."""
    parallel: int = 1
    """Writes worth having in flight at once."""
    deletes: int = 1
    """Entries that one `delete` takes."""
    tags: bool = False
    options: frozenset[str] = frozenset()
    """Names of the write options a target may set."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Write option → all that it may be, where that is a few words."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Write option → what it is where git names none, for options that the store never changes of what is there."""


class Sealer(Protocol):
    """Encrypts to a recipient and opens again: what the local store needs to keep values off the disk."""

    def seal(self, plaintext: bytes) -> bytes: ...

    def open(self, ciphertext: bytes) -> bytes: ...
