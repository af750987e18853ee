"""What sopsync must be allowed to do, as data: who needs which action on what. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal

_MOST_FORMS = 32
"""Forms of one name that are told apart, before captures count as free: a managed IAM policy holds 6144 characters."""


class Role(StrEnum):
    """Who runs sopsync for what. Each may do what those before it may."""

    SEALED = "sealed"
    """`plan --sealed`: lists, and reads no values."""
    PLAN = "plan"
    """`plan`, `plan --verify`: opens manifests, and reads the values that stamps cannot settle."""
    APPLY = "apply"
    """`apply` where nothing is deleted."""
    PRUNE = "prune"
    """`apply` that deletes too."""

    def covers(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(other) <= order.index(self)


class Wild(Enum):
    """A part of a name that the config leaves open."""

    SEGMENT = "segment"
    """A capture: no slash, and at least one character."""
    ANY = "any"
    """A key, which may be a path."""


Glob = tuple[str | Wild, ...]
"""A name with what is open in it: `("/prod/", Wild.SEGMENT, "/", Wild.ANY)`."""


def spelt(glob: Glob, wild: Callable[[Wild], str]) -> str:
    """The name with what `wild` gives for its open parts."""
    return "".join(part if isinstance(part, str) else wild(part) for part in glob)


@dataclass(frozen=True, slots=True)
class Route:
    """Entries that the config may give one store, alike in all but what is open in their names."""

    name: Glob
    owners: frozenset[str] | None
    """Whose fences writing them raises; None: that depends on the files."""
    prune: bool = False
    options: tuple[tuple[str, Glob], ...] = ()
    """Write options of the store, by name."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose credentials are to have it."""

    language: Literal["iam", "vault"]
    name: str = ""
    """iam: the ARN of a role, `profile NAME`, or nothing: whoever runs sopsync. vault: a store, or what else it is."""
    address: str = ""
    namespace: str = ""
    """Both of Vault; empty: as the environment has it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`operator` as IAM has it, such as StringLike."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on resources, from a role on. For Vault: capabilities on paths."""

    holder: Holder
    role: Role
    what: str
    """An identifier that says what it is for: `SsmWrite`."""
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def distinct(globs: Iterable[str]) -> tuple[str, ...]:
    """Each once, sorted, without those that another covers by ending in `*` sooner. `*` is any run of characters."""
    every = sorted({re.sub(r"\*+", "*", one) for one in globs})
    wide = [one for one in every if one.endswith("*")]
    return tuple(one for one in every if not any(one != other and one.startswith(other[:-1]) for other in wide))


def few(count: int) -> bool:
    """Whether that many forms of a name are worth telling apart."""
    return count <= _MOST_FORMS
