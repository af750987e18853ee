"""The fences of a store: one tiny entry for each owner, in a folder where no other entry may live.

Two calls, two places, and one of them decides:

* The *data* of the entry decides. It is written with `cas`, the only compare-and-set that every server has. (OpenBao's
  `metadata_cas` would do with one call, but HashiCorp Vault ignores it, and clients must never differ on who decides.)
* Its `custom_metadata` mirrors it, so that a survey finds the fence in the listing it makes anyway. The mirror names
  the version it mirrors, and is believed only while that is the latest one.

So a mirror that was never written, or written late by the slower of two runs, is seen to be stale, and the data is read
instead (one call, until the next raise). Were it believed, a job at the commit of the old fence would find nothing to
raise, and write. Mirror first would be wrong too: of two runs the mirror shows the last, the data keeps the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sopsync.errors import Conflict, Rejected, Unavailable
from sopsync.model import Fence
from sopsync.stores.vault_entry import FENCE, Custom, Meta
from sopsync.stores.vault_kv import Kv, Written
from sopsync.stores.vault_settings import FENCES, fence_of

_FIELD = "fence"


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a fence stands: version 0 where it never stood."""

    fence: Fence | None = None
    version: int = 0


class Fences:
    """`learn` from a survey, then `raise_to`."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv
        self._known: Mapping[str, _Stand] | None = None

    def learn(self, found: Mapping[str, Meta]) -> dict[str, Fence]:
        """All fences of a listing, by owner. StoreError if one cannot be read: that is not the same as none."""
        self._known = {name: self._look(name, meta) for name, meta in found.items() if name.startswith(f"{FENCES}/")}
        return {stand.fence.owner: stand.fence for stand in self._known.values() if stand.fence}

    def raise_to(self, fence: Fence, expect: Fence | None) -> None:
        """Conflict unless the fence stands at `expect`."""
        name = fence_of(fence.owner)
        # 1. Where it stands: as the survey saw it, unless that is not what is expected.
        stand = None if self._known is None else self._known.get(name, _Stand())
        if stand is None or stand.fence != expect or fence == expect:
            stand = self._look(name, self._kv.metadata(name))
        if stand.fence != expect:
            raise self._moved(fence.owner)
        if stand.fence == fence:
            return
        # 2. The data decides.
        written = self._put(name, fence, stand.version)
        if written is None:
            raise self._moved(fence.owner)
        # 3. The mirror follows.
        mirror = {FENCE: f"{written.version} {fence.encode()}"}
        self._kv.patch(name, mirror, written.custom)
        self._known = {**(self._known or {}), name: _Stand(fence, written.version)}

    def _put(self, name: str, fence: Fence, cas: int) -> Written | None:
        """A lost answer is settled by looking: whether that version is there, and says what we wanted to say."""
        try:
            return self._kv.put(name, {_FIELD: fence.encode()}, cas)
        except Unavailable:
            written = self._kv.read(name)
            if written is None or written.version == cas:
                raise
            ours = written.version == cas + 1 and written.data == {_FIELD: fence.encode()}
            return written if ours else None

    def _look(self, name: str, meta: Meta | None) -> _Stand:
        if meta is None or not meta.current:
            return _Stand()
        stand = _mirrored(meta.custom)
        if stand is None or stand.version != meta.current:
            written = self._kv.read(name)
            text = (written.data or {}).get(_FIELD) if written else None
            stand = _Stand(Fence.decode(text) if isinstance(text, str) else None, written.version if written else 0)
        if stand.fence is None or fence_of(stand.fence.owner) != name:
            hint = "it was changed or deleted by hand: undelete it, or delete its metadata to begin anew"
            raise Rejected(f"the fence at {name} cannot be read", store=self._kv.wire.server.store, hint=hint)
        return stand

    def _moved(self, owner: str) -> Conflict:
        what = f"the fence of {owner} moved: another run was faster"
        return Conflict(what, store=self._kv.wire.server.store, hint="plan again")


def _mirrored(custom: Custom) -> _Stand | None:
    version, _, text = custom.get(FENCE, "").partition(" ")
    fence = Fence.decode(text)
    return _Stand(fence, int(version)) if fence and version.isdecimal() else None
