"""One part of all entries, the same part in every run: by a hash of where an entry is, and of nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sopsync.errors import StoreError
from sopsync.guard import Threshold, Thresholds
from sopsync.model import Desired, Ref, State, Survey
from sopsync.plan import Scope, diff

Look = TypeVar("Look", Survey, StoreError, Survey | StoreError)


def position(ref: Ref) -> int:
    """A number below 2**64, stable over runs, versions and machines. Case is folded: some stores fold it."""
    name = f"{ref.store}\0{ref.name.casefold()}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 0) of `total`."""

    index: int = 0
    total: int = 1

    def holds(self, ref: Ref) -> bool:
        """Whether the entry is in this part. It is in exactly one of `total`."""
        return self.total == 1 or position(ref) % self.total == self.index

    def part(self, store: str, survey: Look) -> Look:
        """A survey without the entries of other parts: they are not wanted here, and no orphans either. What could not
        be read stays: it is a reason not to delete."""
        if isinstance(survey, StoreError):
            return survey
        mine = [e for e in survey.entries if e.state is State.UNKNOWN or self.holds(Ref(store, e.name))]
        return replace(survey, entries=tuple(mine))

    def awaited(
        self, wanted: Mapping[Ref, Desired], surveys: Mapping[str, Survey | StoreError], scope: Scope
    ) -> dict[str, str]:
        """Store → an entry there that another part is to write, as far as stamps tell. `wanted`, `surveys`: whole."""
        others = {ref: want for ref, want in wanted.items() if not self.holds(ref)}
        theirs = {
            store: replace(survey, entries=tuple(e for e in survey.entries if Ref(store, e.name) in others))
            for store, survey in surveys.items()
            if isinstance(survey, Survey) and others
        }
        # names of others are not asked for, so what is not there, or is not ours, is not seen at all
        return {c.ref.store: c.ref.name for c in diff(others, theirs, scope) if c.action.writes or not c.seen}

    def thresholds(self, whole: Thresholds) -> Thresholds:
        """What is too much for a part: the same share, of a number that is smaller by as much."""
        update, delete = whole.update, whole.delete
        return Thresholds(
            Threshold(update.share, -(-update.least // self.total)),
            Threshold(delete.share, -(-delete.least // self.total)),
        )


WHOLE = Shard()
"""Everything."""
