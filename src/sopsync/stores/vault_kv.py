"""The calls of a KV version 2 mount, one method each, with names relative to the store's prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from sopsync.errors import Conflict, Unavailable
from sopsync.stores.place import Place
from sopsync.stores.vault_entry import Changes, Custom, Meta, merge
from sopsync.stores.vault_errors import Answer, refusal, version_one
from sopsync.stores.vault_wire import Wire


@dataclass(frozen=True, slots=True)
class Written:
    """One version of an entry, as a read or a write of its data tells of it."""

    version: int
    made: str
    """When, by the server's clock."""
    custom: Custom
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    """None: not asked for, or deleted."""


class Kv:
    """Raises StoreError."""

    def __init__(self, wire: Wire, prefix: str | None) -> None:
        self.wire = wire
        self._mount = wire.server.mount
        self._root = quote(self._mount)
        self._prefix = f"{prefix}/" if prefix else ""
        self._proven = False
        self._patches = True
        self.guards_metadata = False
        """The server knows `metadata_cas` (OpenBao 2.4)."""

    def prove(self) -> None:
        """Make sure, once, that this is KV version 2. To version 1 `data/x` is the name of an entry like any other: it
        would be written, and a look would find nothing. Any metadata seen settles it without a call."""
        if self._proven:
            return
        place = self._place("", "", "")
        answer = self.wire.call("GET", f"sys/internal/ui/mounts/{self._root}", place=place)
        kind, options = answer.data.get("type"), answer.data.get("options") or {}
        if kind is None:
            raise place.unavailable("an answer that cannot be read")
        if kind not in ("kv", "generic") or not isinstance(options, dict):
            raise place.rejected(f"{self._mount}/ is not a KV secrets engine", "name a KV version 2 mount")
        if options.get("version") != "2":
            raise version_one(place, self._mount)
        self._proven = True
        self.guards_metadata = _guards(str(answer.data.get("running_plugin_version", "")))

    def scan(self) -> dict[str, Meta] | None:
        """The metadata of the whole subtree in one call; None where the server (before OpenBao 2.2) or the policy
        (capability `scan`) does not have it. Names whose metadata the answer lacks are looked up."""
        path = f"{self._root}/detailed-metadata/{quote(self._prefix)}"
        answer = self.wire.call("SCAN", path, place=self._place("", "scan", path), allow=(400, 403, 404, 405, 501))
        known, names = answer.data.get("key_info") or {}, answer.data.get("keys", [])  # without: nothing is there
        if not answer.ok or not isinstance(names, list):
            return None
        found = {name: self._meta(known[name], answer) if name in known else self.metadata(name) for name in names}
        return {name: meta for name, meta in found.items() if meta is not None}

    def folder(self, path: str) -> list[str]:
        """Names in a folder ("" or ending in a slash), those of folders ending in a slash. A folder that is not there
        is empty."""
        url = f"{self._root}/metadata/{quote(self._prefix + path)}"
        answer = self.wire.call("GET", f"{url}?list=true", place=self._place(path, "list", url), allow=(404,))
        if answer.nothing:
            return []
        if not answer.ok:
            raise refusal(answer, self._place(path, "", ""))
        keys = answer.data.get("keys")
        if not isinstance(keys, list):  # for an empty folder the server has a 404
            raise self._place(path, "", "").unavailable("a listing that cannot be read")
        return [str(key) for key in keys]

    def metadata(self, name: str) -> Meta | None:
        url = self._url("metadata", name)
        answer = self._found(url, self._place(name, "read", url))
        return None if answer is None else self._meta(answer.data, answer)

    def read(self, name: str) -> Written | None:
        """The latest version, deleted or not; None: there is none."""
        url = self._url("data", name)
        answer = self._found(url, self._place(name, "read", url))
        if answer is None:
            return None
        told = answer.data.get("metadata")
        data = answer.data.get("data")
        return self._written(told if isinstance(told, dict) else {}, name, data if isinstance(data, dict) else None)

    def put(self, name: str, data: Mapping[str, str], cas: int) -> Written | None:
        """Write version `cas` + 1; None if `cas` is not the latest version, and then nothing was changed."""
        url = self._url("data", name)
        place = self._place(name, "create and update", url)
        answer = self.wire.call("POST", url, {"data": data, "options": {"cas": cas}}, place=place, allow=(400,))
        if answer.status == 400:
            if not answer.says("did not match the current version"):
                raise place.rejected("the server takes the entry for a bad one", "look at its name and fields")
            return None
        return self._written(answer.data, name, None)

    def announce(self, name: str, custom: Custom) -> bool:
        """Give a name its first metadata. False if it had some; then nothing was changed. An entry that others wrote
        without metadata counts as having none. Needs `guards_metadata`. Tried twice: then False may also mean that the
        first time it worked."""
        url = self._url("metadata", name)
        place = self._place(name, "create and update", url)
        body = {"custom_metadata": custom, "metadata_cas": 0}
        answer = self._twice(lambda: self.wire.call("POST", url, body, place=place, allow=(400,)))
        if answer.status == 400 and not answer.says("metadata check-and-set"):
            raise place.rejected("the server takes the name for a bad one", "rename it in the config")
        return answer.ok

    def touch(self, name: str) -> None:
        """Make sure that a name has metadata, and leave all of it that is there but when its versions expire. A POST of
        `custom_metadata` would replace what others have put there since we looked."""
        url = self._url("metadata", name)
        place = self._place(name, "create and update", url)
        body = {"delete_version_after": "0s"}
        answer = self._twice(lambda: self.wire.call("POST", url, body, place=place, allow=(400,)))
        if not answer.ok:
            raise place.rejected("the server takes the name for a bad one", "rename it in the config")

    def patch(self, name: str, changes: Changes, custom: Custom | None, revision: int | None = None) -> bool:
        """Merge into `custom_metadata`. False if the metadata is not at `revision` any more (None: wherever it is, so
        never False), and then nothing was changed; Conflict if there is none. Tried twice: it says the same again.

        Where server or policy has no PATCH, `custom`, as last seen (None: look again), is merged here: then a change
        that others make in between is lost, unless the server guards metadata and `revision` is given.
        """
        place = self._place(name, "create, update and patch", self._url("metadata", name))
        guard = {} if revision is None else {"metadata_cas": revision}
        answer = self._twice(lambda: self._merge(name, changes, custom, guard, place))
        if answer.ok:
            return True
        if answer.status == 404:
            raise gone(place)
        if not answer.says("metadata check-and-set"):
            raise place.rejected("the server takes the metadata for bad", "look at its tags, and at how many there are")
        if revision is not None:
            return False
        for _ in range(3):  # the mount or the entry has `metadata_cas_required`, and others may be changing it, too
            meta = self.metadata(name)
            if meta is None:
                raise gone(place)
            if self.patch(name, changes, meta.custom, meta.revision or 0):
                return True
        raise place.unavailable("others are changing its metadata")

    def remove(self, name: str, version: int) -> None:
        """Delete one version, so that it can be had back. Tried twice: deleting it again changes nothing."""
        url = self._url("delete", name)
        place = self._place(name, "update", url)
        self._twice(lambda: self.wire.call("POST", url, {"versions": [version]}, place=place))

    # -- how calls are made and answers read

    def _merge(
        self, name: str, changes: Changes, custom: Custom | None, guard: Mapping[str, int], place: Place
    ) -> Answer:
        url = self._url("metadata", name)
        if self._patches:
            body = {"custom_metadata": changes, **guard}
            answer = self.wire.call("PATCH", url, body, place=place, allow=(400, 403, 404, 405))
            if answer.status not in (403, 405):
                return answer
        if custom is None:
            meta = self.metadata(name)
            custom = meta.custom if meta else {}
        body = {"custom_metadata": merge(custom, changes), **guard}
        answer = self.wire.call("POST", url, body, place=place, allow=(400,))
        self._patches = False
        return answer

    def _twice(self, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except Unavailable:
            return act()

    def _found(self, url: str, place: Place) -> Answer | None:
        """None is a positive not-found: the server's own, and not that of a mount that is not there."""
        answer = self.wire.call("GET", url, place=place, allow=(404,))
        if answer.nothing:
            return None
        # a 404 that has data is that of a deleted version
        if not (answer.ok or answer.data):
            raise refusal(answer, place)
        return answer

    def _meta(self, data: Mapping[str, Any], answer: Answer, name: str = "") -> Meta:
        try:
            meta = Meta.of(data, answer.now)
        except ValueError:
            raise self._place(name, "", "").unavailable("metadata that cannot be read") from None
        self._proven = True
        self.guards_metadata = self.guards_metadata or meta.revision is not None
        return meta

    def _written(self, told: Mapping[str, Any], name: str, data: Mapping[str, Any] | None) -> Written:
        version, custom = told.get("version"), told.get("custom_metadata")
        if not isinstance(version, int):
            raise self._place(name, "", "").unavailable("an answer that cannot be read")
        if "custom_metadata" not in told:  # before Vault 1.9
            meta = self.metadata(name)
            custom = meta.custom if meta else None
        return Written(version, str(told.get("created_time", "")), custom if isinstance(custom, dict) else {}, data)

    def _url(self, part: str, name: str) -> str:
        return f"{self._root}/{part}/{quote(self._prefix + name)}"

    def _place(self, name: str, capability: str, path: str) -> Place:
        needs = f"{capability} on {unquote(path)}" if capability else ""
        return Place(self.wire.server.store, name, needs)


def gone(place: Place) -> Conflict:
    """It was deleted for good while we were at it."""
    return Conflict("deleted meanwhile", store=place.store, name=place.name, hint="plan again")


def _guards(plugin: str) -> bool:
    """Whether a KV engine of this version, such as v2.7.2+builtin.bao, knows `metadata_cas`: OpenBao's, since 2.4
    (github.com/openbao/openbao/pull/1372)."""
    found = re.fullmatch(r"v(\d+)\.(\d+)\..*\.bao", plugin)
    return found is not None and (int(found[1]), int(found[2])) >= (2, 4)
