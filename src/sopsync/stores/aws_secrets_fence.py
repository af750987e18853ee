"""The fences of a store: one tiny secret for each owner, `<prefix>sopsync-fence/<digest of the owner>`.

The *value* decides: it is written beside the live one, and AWSCURRENT is moved to it if nobody else moved it, the only
compare-and-set that there is. Tags mirror it, so that a survey finds fences in the listing it makes anyway. The mirror
names the version it mirrors and is believed only while that is current; else the value is read, which is one call.

Listings are late. A fence that is late is an older one, and believed it would let a run at an old commit pass. So
wherever a survey looks closer at anything, it looks at the fences, too; and where it does not, there is nothing to
write that rests on them. Raising always looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import sha256
from uuid import uuid4

from sopsync.errors import Conflict, Rejected
from sopsync.model import Fence
from sopsync.stores.aws_secrets_calls import Calls
from sopsync.stores.aws_secrets_entry import CURRENT, FENCE, FENCED, OWNER, SHELL, Entry, Tagging
from sopsync.stores.aws_secrets_payload import Value
from sopsync.stores.aws_secrets_settings import FENCES


class Fences:
    """Where fences are, what they say, and how they are raised."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def holds(self, name: str) -> bool:
        """Whether a secret of this name is a fence."""
        return name.startswith(f"{self._calls.prefix}{FENCES}")

    def name(self, owner: str) -> str:
        """By digest: an owner may hold what a name may not."""
        return f"{self._calls.prefix}{FENCES}{sha256(owner.encode()).hexdigest()[:32]}"

    def learn(self, entries: Iterable[Entry]) -> dict[str, Fence]:
        """By owner. StoreError if one cannot be read: that is not the same as none."""
        return {fence.owner: fence for fence in map(self._stands, entries)}

    def owners(self, owners: Collection[str]) -> set[str]:
        """The names of these owners' fences."""
        return {self.name(owner) for owner in owners}

    def raise_to(self, fence: Fence, expect: Fence | None) -> None:
        """Conflict unless it stands at `expect`, or already where it shall stand."""
        name, version = self.name(fence.owner), uuid4().hex
        value = Value(fields=False, data=fence.encode())
        mirror = {OWNER: fence.owner, FENCE: fence.encode(), FENCED: version}
        if expect is None and self._calls.create(name, value, version, mirror):
            return
        entry = self._calls.look(name)
        stands = self._stands(entry) if entry else None
        if stands == fence:
            return
        if entry is None or stands != expect:
            raise self._moved(fence.owner)
        self._calls.put(name, value, version)
        if not self._calls.move(name, CURRENT, to=version, leaving=entry.version):
            raise self._moved(fence.owner)
        self._calls.tag(name, Tagging(mirror))

    def _stands(self, entry: Entry) -> Fence:
        fence = None
        if not (entry.deleted or entry.version == SHELL or entry.replica):
            fence = Fence.decode(entry.tags.get(FENCE, ""))
            if entry.tags.get(FENCED) != entry.version:
                told = self._calls.value(entry.name)
                fence = Fence.decode(str((told or {}).get("SecretString", "")))
        if fence is None or self.name(fence.owner) != entry.name:
            hint = "it was changed or deleted by hand: restore it, or delete it for good to begin anew"
            raise Rejected(f"the fence at {entry.name} cannot be read", store=self._calls.store, hint=hint)
        return fence

    def _moved(self, owner: str) -> Conflict:
        what = f"the fence of {owner} moved: another run was faster"
        return Conflict(what, store=self._calls.store, hint="plan again")
