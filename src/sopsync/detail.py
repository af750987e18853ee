"""Which keys a sealed change touches: the manifest as it was applied, against now, by ciphertext."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from sopsync.change import Action, Change, KeyChange
from sopsync.model import Desired, Ref
from sopsync.stamp import Origin

LookUp = Callable[[str, Origin, Ref], Desired | None]
"""(commit, origin, ref) → the entry as git wanted it at that commit, or None."""


def key_detail(change: Change, look_up: LookUp, applied: Collection[str]) -> Change:
    """The change with its keys, if git still shows what was applied.

    The stamp's own commit is tried first, then those in `applied` (the fences): a value that was re-encrypted keeps the
    commit it came from, while its digest is of the later ciphertext. Only a manifest that reproduces the stamped digest
    is believed.
    """
    want, stamp = change.desired, change.seen.stamp if change.seen else None
    if change.action is not Action.UPDATE or want is None or stamp is None or stamp.origin is None:
        return change
    for commit in dict.fromkeys((stamp.commit, *applied)):
        before = look_up(commit, stamp.origin, change.ref)
        if before is not None and before.digest == stamp.digest:
            return _compared(change, before, want)
    return change


def _compared(change: Change, before: Desired, want: Desired) -> Change:
    added = [KeyChange("+", key) for key in want.tokens if key not in before.tokens]
    edited = [KeyChange("~", k) for k in want.tokens if k in before.tokens and want.tokens[k] != before.tokens[k]]
    removed = [KeyChange("-", key) for key in before.tokens if key not in want.tokens]
    reason = "other options" if before.shape != want.shape else change.reason
    keys = tuple(key for key in (*added, *edited, *removed) if key.key)
    return replace(change, keys=keys, reason=reason)
