"""Secrets in OpenBao or HashiCorp Vault: one KV version 2 mount, with stamps in the custom metadata of its entries.

A value and its metadata are two calls. The order of each write, and why:

    create   claim · data (cas 0) · stamp     3 calls (4 on HashiCorp Vault)
    update   data (cas N) · stamp             2

* Data before stamp: a stamp that came first would vouch for whoever wrote that version instead of us. Cut off in
  between, the stamp names the old version still, so the next plan opens both values, finds them equal and stamps.
* A new entry has no old stamp to say whose it is: cut off after its data it would look like a stranger's for ever, and
  only values could tell, which a plan without keys does not have. So who is creating it is said first (`sopsync-o`); a
  claim vouches for nothing. One call more for each entry, once in its life.
* The claim cannot ask that the name be free: an entry that was only ever written as data has no metadata yet, for both
  servers. The data can (`cas` 0). If it loses, the claim is taken back, and the stranger's entry is as it was.
* Every data write has `cas`, so one whose answer was lost is settled by reading: the next version with our value in it
  is ours, or as good. Claims, stamps and deletes say the same thing when said twice, and are simply tried again.
* The stamp names the version and when it was made: after a delete for good, version numbers start again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from sopsync.errors import Conflict, Rejected, StoreError, Unavailable
from sopsync.model import Fence, Observed, PastVersion, Payload, Stamp, State, Survey, Version
from sopsync.stores.base import one_by_one
from sopsync.stores.vault_auth import credentials
from sopsync.stores.vault_entry import CLAIM, history, observed, stamping, untaggable
from sopsync.stores.vault_fence import Fences
from sopsync.stores.vault_http import reach
from sopsync.stores.vault_kv import Kv, Written
from sopsync.stores.vault_payload import from_data, size, to_data
from sopsync.stores.vault_settings import FENCES, VAULT, VaultSettings
from sopsync.stores.vault_survey import Listing, legal, scan, walk
from sopsync.stores.vault_wire import Wire

if TYPE_CHECKING:
    import requests


class Context(Protocol):
    """What is given from outside the settings."""

    @property
    def environ(self) -> Mapping[str, str]: ...

    @property
    def base(self) -> Path: ...


class VaultStore:
    """A KV version 2 mount, or the part of one below a prefix. `wire` is made by `open_vault`."""

    traits = VAULT

    def __init__(self, name: str, wire: Wire, prefix: str | None) -> None:
        self.name = name
        self.calls = 0
        self._counting = Lock()
        self._wire = wire
        wire.counted = self._count
        self._kv = Kv(wire, prefix)
        self._fences = Fences(self._kv)
        self._scans = True

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        listing = self._list(wanted)
        if not (listing.found or listing.unknown):
            self._kv.prove()
        fences = self._fences.learn(listing.found)
        entries = [observed(name, meta) for name, meta in listing.found.items() if not name.startswith(f"{FENCES}/")]
        shown = [entry for entry in entries if entry.owner or entry.name in wanted]
        shown += [Observed(name, State.UNKNOWN, reason=why) for name, why in listing.unknown.items()]
        for name in wanted.keys() - listing.found.keys() - listing.unknown.keys():
            illegal = Observed(name, State.UNKNOWN, reason=f"a name is {VAULT.name_rule}")
            shown.append(Observed(name, State.ABSENT) if legal(name) else illegal)
        return Survey(tuple(shown), fences)

    def read(self, name: str, *, expect: Version) -> Payload:
        written = self._kv.read(name) if legal(name) else None
        if written is None or str(written.version) != expect or written.data is None:
            found = f"v{written.version}" + ("" if written.data is not None else ", deleted") if written else "nothing"
            raise self._moved(name, expect, found)
        return from_data(written.data)

    def write(
        self,
        name: str,
        payload: Payload,
        stamp: Stamp,
        *,
        expect: Version | None,
        options: Mapping[str, str],  # noqa: ARG002 - it has none
        tags: Mapping[str, str],
    ) -> Version:
        # 1. What the server would refuse, or worse, not refuse.
        data = self._checked(name, payload, tags)
        self._kv.prove()
        cas = 0 if expect is None else self._number(name, expect)
        # 2. A new name is claimed.
        if expect is None:
            self._claim(name, stamp.owner)
        # 3. The value, if nobody else wrote meanwhile.
        written = self._put(name, data, cas)
        if written is None:
            raise self._lost(name, expect, stamp.owner)
        # 4. The stamp, naming what was just written.
        version = Version(str(written.version))
        changes = stamping(written.custom, stamp.naming(version), written.made, tags)
        self._kv.patch(name, changes, written.custom)
        return version

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        """Metadata has no `cas` on the version of the data: who writes a value between the look and the stamp keeps it,
        and the stamp, naming the old version, does not vouch for it."""
        self._check_tags(name, tags)
        number = self._number(name, expect)
        for _ in range(3):  # others may be changing the metadata, too
            meta = self._kv.metadata(name)
            if meta is None or meta.current != number or not meta.live:
                raise self._moved(name, expect, str(meta or "nothing"))
            changes = stamping(meta.custom, stamp.naming(expect), meta.made(number), tags)
            if self._kv.patch(name, changes, meta.custom, meta.revision):
                return
        raise self._moved(name, expect, "metadata that others are changing")

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        return one_by_one(versions, self._delete)

    def _delete(self, name: str, expect: Version) -> None:
        """Deletes have no `cas`; so it is the version that is deleted, not the entry: what others write between the
        look and the delete stays."""
        number = self._number(name, expect)
        meta = self._kv.metadata(name)
        if meta is None or meta.current != number or not meta.live:
            raise self._moved(name, expect, str(meta or "nothing"))
        self._kv.remove(name, number)

    def history(self, name: str) -> Iterator[PastVersion]:
        meta = self._kv.metadata(name) if legal(name) else None
        return history(meta) if meta else iter(())

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        self._kv.prove()
        self._fences.raise_to(fence, expect)

    def close(self) -> None:
        self._wire.close()

    # -- writing

    def _claim(self, name: str, owner: str) -> None:
        claim = {CLAIM: owner}
        if not self._kv.guards_metadata:
            # Two calls, because one would replace what a stranger may have put there since the survey.
            self._kv.touch(name)
            self._kv.patch(name, claim, None)
            return
        if self._kv.announce(name, claim):
            return
        meta = self._kv.metadata(name)
        if meta is None or meta.current:
            raise self._lost(name, None, owner)
        if meta.custom.get(CLAIM) != owner:
            self._kv.patch(name, claim, meta.custom)

    def _put(self, name: str, data: Mapping[str, str], cas: int) -> Written | None:
        """None: somebody else wrote. Unavailable: we did not, or it cannot be told.

        What is not there after its answer was lost is written once more: a server that restarts loses many answers, and
        `cas` sees to it that of the two at most one is done, however late the first arrives."""
        try:
            return self._kv.put(name, data, cas)
        except Unavailable as error:
            lost = error
        for again in (True, False):
            try:
                found = self._kv.read(name)
            except StoreError:
                raise lost from None
            if found is not None and found.version != cas:
                ours = found.version == cas + 1 and found.data is not None
                return found if ours and from_data(found.data or {}).same(from_data(data)) else None
            with suppress(Unavailable):
                # None may mean that it was done the first time
                if again and (written := self._kv.put(name, data, cas)):
                    return written
        raise lost

    def _lost(self, name: str, expect: Version | None, owner: str) -> Conflict:
        """Somebody else has the name, or the next version. A claim of ours is taken back as well as can be: at worst
        the next plan shows the entry as drifted, and leaves it alone."""
        try:
            meta = self._kv.metadata(name)
            if expect is None and meta and meta.custom.get(CLAIM) == owner:
                self._kv.patch(name, {CLAIM: None}, meta.custom, meta.revision)
        except StoreError:
            return self._moved(name, expect, "something else")
        return self._moved(name, expect, str(meta or "nothing"))

    # -- what must hold

    def _list(self, names: Collection[str]) -> Listing:
        listing = scan(self._kv) if self._scans else None
        self._scans = listing is not None
        return listing if listing is not None else walk(self._kv, names)

    def _count(self) -> None:
        with self._counting:
            self.calls += 1

    def _number(self, name: str, expect: Version) -> int:
        if not legal(name):
            raise self._misnamed(name)
        if not re.fullmatch(r"[1-9][0-9]{0,17}", expect):
            raise self._moved(name, expect, "no such version")
        return int(expect)

    def _moved(self, name: str, expect: Version | None, found: str) -> Conflict:
        wanted = "nothing" if expect is None else f"v{expect}"
        return Conflict(f"planned on {wanted}, found {found}", store=self.name, name=name, hint="plan again")

    def _misnamed(self, name: str) -> Rejected:
        what = f"a name is {VAULT.name_rule}, at most {VAULT.max_name} characters"
        return Rejected(what, store=self.name, name=ascii(name)[1:-1], hint="rename it in the config")

    def _checked(self, name: str, payload: Payload, tags: Mapping[str, str]) -> Mapping[str, str]:
        """Says the limit, never the length of what breaks it."""
        if not legal(name):
            raise self._misnamed(name)
        self._check_tags(name, tags)
        if size(payload) > VAULT.max_bytes:
            what = f"too large: an entry takes {VAULT.max_bytes} bytes"
            raise Rejected(what, store=self.name, name=name, hint="split it over several entries")
        data = to_data(payload)
        if data is None:
            what = "not UTF-8 text, and a value here is JSON"
            raise Rejected(what, store=self.name, name=name, hint="encode it: base64")
        return data

    def _check_tags(self, name: str, tags: Mapping[str, str]) -> None:
        if why := untaggable(tags):
            raise Rejected(why, store=self.name, name=name, hint="change tags in the config")


def open_vault(
    name: str,
    settings: VaultSettings,
    context: Context,
    session: requests.Session | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> VaultStore:
    """A client. Makes no call: token, login and server are asked for at the first one. `session` is for whoever has
    adapters of their own to mount; `sleep` waits where the server asks for it."""
    login = credentials(name, settings.auth, context.environ, context.base)
    server = reach(name, settings, context.environ, context.base)
    return VaultStore(name, Wire(server, login, session, sleep), settings.prefix)
