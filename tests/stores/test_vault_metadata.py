"""Whose metadata is whose, and what it says of what is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sopsync.errors import Conflict, Rejected, Unavailable
from sopsync.model import Payload, Stamp, State, Version
from sopsync.stores.vault_entry import Meta, observed
from tests.stores.vault_harness import LEAST
from tests.stores.vault_mount import ENTRY, FENCE, OTHER, OWNER, STAMP, Kv, see, write

# -- whose metadata is whose


@pytest.mark.parametrize("patch", [True, False])
def test_the_metadata_of_others_stays(kv: Kv, patch: bool) -> None:
    lines = LEAST.format(mount="KV").replace(', "patch"', ', "patch"' if patch else "")
    c = kv.client(token=kv.policy(lines))
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": {"theirs": "1"}, "max_versions": 3})
    assert see(c).state is State.ABSENT, "metadata without a version is a free name"
    version = write(c.store, tags={"team": "web"})
    assert kv.custom()["theirs"] == "1"
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": {**kv.custom(), "more": "2"}})
    version = write(c.store, OTHER, expect=version)
    c.store.restamp(ENTRY, STAMP, expect=version, tags={})
    custom = {key: value for key, value in kv.custom().items() if not key.startswith("sopsync-")}
    assert custom == {"theirs": "1", "more": "2"}
    assert kv.call("GET", "metadata", ENTRY)["max_versions"] == 3
    assert see(c).vouched
    # without the capability it is tried once, and then merged here
    assert sum(call.startswith("PATCH") for call in c.log) == (4 if patch else 1)


def test_a_tag_that_is_dropped_goes_and_one_of_others_stays(kv: Kv) -> None:
    c = kv.client()
    version = write(c.store, tags={"team": "web", "tier": "1", "ünï": "ço dé"})
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": {**kv.custom(), "theirs": "1"}})
    c.store.restamp(ENTRY, STAMP, expect=version, tags={"team": "api"})
    assert {k: v for k, v in kv.custom().items() if not k.startswith("sopsync-")} == {"team": "api", "theirs": "1"}


@pytest.mark.parametrize(
    "tags",
    [
        *({"sopsync-w": "x"}, {"": "x"}, {"x": ""}, {"x": "a\nb"}, {"x" * 129: "x"}, {"x": "ü" * 257}),
        {f"{'x' * 100}{number}": "x" for number in range(6)},
    ],
)
def test_tags_the_server_would_not_take_are_refused_before_anything_is_written(kv: Kv, tags: Mapping[str, str]) -> None:
    c = kv.client()
    with pytest.raises(Rejected) as caught:
        write(c.store, tags=tags)
    assert caught.value.name == ENTRY
    assert c.log == []


def test_each_version_keeps_its_stamp_as_long_as_the_server_keeps_the_version(kv: Kv) -> None:
    c, version = kv.client(), None
    stamps: dict[str, Stamp] = {}
    for number in range(14):
        stamp = replace(STAMP, commit=f"{number:040x}")
        version = write(c.store, stamp=stamp, expect=version)
        stamps[version] = stamp
    past = list(c.store.history(ENTRY))
    assert [p.version for p in past] == [str(number) for number in range(14, 4, -1)], "max_versions is 10"
    assert all(p.stamp is not None and p.stamp.commit == stamps[p.version].commit for p in past)
    assert sum(key.startswith("sopsync-v") for key in kv.custom()) == 10
    # a stranger's version has no stamp, and does not take that of another
    kv.call("POST", "data", ENTRY, {"data": {"x": "canary-x"}})
    write(c.store, expect=Version("15"))
    past = list(c.store.history(ENTRY))
    assert [p.stamp is not None for p in past[:3]] == [True, False, True]


def test_metadata_never_outgrows_its_limit(kv: Kv) -> None:
    c, version = kv.client(), None
    for _ in range(4):
        version = write(c.store, expect=version)
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": {**kv.custom(), **{f"k{n}": "1" for n in range(57)}}})
    assert len(kv.custom()) == 63
    for _ in range(3):
        version = write(c.store, expect=version)
        assert len(kv.custom()) <= 64
    assert see(c).vouched


def test_metadata_may_require_check_and_set(kv: Kv) -> None:
    """openbao.org/api-docs/secret/kv/kv-v2: metadata_cas_required, of the mount."""
    kv.bao.call("POST", f"{kv.mount}/config", {"metadata_cas_required": True, "cas_required": True})
    c = kv.client()
    version = write(c.store, tags={"team": "web"})
    version = write(c.store, expect=version)
    c.store.restamp(ENTRY, STAMP, expect=version, tags={})
    c.store.raise_fence(FENCE, expect=None)
    assert see(c).vouched
    assert c.store.survey({}).fences == {OWNER: FENCE}


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_stamp_is_written_or_said_to_be_missing_where_others_change_the_metadata_too(kv: Kv, times: int) -> None:
    kv.bao.call("POST", f"{kv.mount}/config", {"metadata_cas_required": True})
    c = kv.client()
    version = write(c.store)
    c.store.survey({})
    c.wire.rewind()
    for number in range(times):  # data, stamp, and then each time a look and a stamp
        c.wire.deeds[4 + 2 * number] = lambda number=number: _change(kv, str(number))  # type: ignore[misc]
    if times == 9:
        with pytest.raises(Unavailable, match="others are changing its metadata"):
            write(c.store, OTHER, expect=version)
    else:
        assert write(c.store, OTHER, expect=version) == "2"
    assert see(kv.client()).vouched is (times != 9)
    assert kv.custom()["theirs"] == str(min(times, 3) - 1)


def _change(kv: Kv, text: str) -> None:
    revision = kv.call("GET", "metadata", ENTRY)["current_metadata_version"]
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": {**kv.custom(), "theirs": text}, "metadata_cas": revision})


# -- what is live


def test_a_version_that_will_expire_is_alive_until_then(kv: Kv) -> None:
    kv.call("POST", "metadata", ENTRY, {"delete_version_after": "1h"})
    c = kv.client()
    write(c.store)
    assert kv.call("GET", "metadata", ENTRY)["versions"]["1"]["deletion_time"]
    seen = see(c)
    assert (seen.state, seen.vouched) == (State.PRESENT, True)


def test_a_destroyed_version_is_not_alive_and_can_be_written_over(kv: Kv) -> None:
    c = kv.client()
    version = write(c.store)
    kv.call("POST", "destroy", ENTRY, {"versions": [1]})
    seen = see(c)
    assert (seen.state, seen.version, seen.vouched, seen.owner) == (State.RECOVERABLE, version, False, OWNER)
    assert [p.alive for p in c.store.history(ENTRY)] == [False]
    with pytest.raises(Conflict, match="found v1, deleted"):
        c.store.read(ENTRY, expect=version)
    write(c.store, expect=version)
    assert see(c).vouched


def test_a_stamp_does_not_outlive_its_entry(kv: Kv) -> None:
    """Deleted for good and put back by somebody who restores the metadata, too: version 1 again, but not ours."""
    c = kv.client()
    write(c.store)
    custom = kv.custom()
    kv.call("DELETE", "metadata", ENTRY)
    kv.call("POST", "data", ENTRY, {"data": {"x": "canary-x"}})
    kv.call("POST", "metadata", ENTRY, {"custom_metadata": custom})
    seen = see(c)
    assert (seen.version, seen.stamp and seen.stamp.version) == ("1", "1")
    assert not seen.vouched


def test_who_wrote_it_where_the_server_says(kv: Kv) -> None:
    """HashiCorp Vault: developer.hashicorp.com/vault/docs/secrets/kv/kv-v2/cookbook/custom-metadata."""
    c = kv.client()
    write(c.store)
    data = kv.call("GET", "metadata", ENTRY)
    made = data["versions"]["1"]["created_time"]
    assert (see(c).by, see(c).at) == ("", made)
    data["versions"]["1"]["created_by"] = {"actor": "kim", "client_id": "x", "operation": "create"}
    meta = Meta.of(data, datetime.now(UTC))
    assert (observed(ENTRY, meta).by, observed(ENTRY, meta).vouched) == ("kim", True)


def test_what_others_put_in_as_other_json_is_read_as_text(kv: Kv) -> None:
    deep: Any = "canary-deep"
    for _ in range(200):
        deep = [deep]
    data = {
        "number": 5, "float": 1.5, "big": 10**30, "true": True, "null": None, "list": [1, {"b": "canary-x", "a": None}],
        "text": "canary-\x00 <&> ü 🔑", "deep": deep, "": "canary-empty",
    }  # fmt: skip
    kv.call("POST", "data", ENTRY, {"data": data})
    c = kv.client()
    fields = c.store.read(ENTRY, expect=Version("1")).as_fields()
    texts = {name: secret.reveal().decode() for name, secret in fields.items()}
    assert texts.pop("deep").count("[") == 200
    assert texts == {
        "number": "5", "float": "1.5", "big": "1e+30", "true": "true", "null": "null",
        "list": '[1,{"a":null,"b":"canary-x"}]', "text": "canary-\x00 <&> ü 🔑", "": "canary-empty",
    }  # fmt: skip
    assert c.store.read(ENTRY, expect=Version("1")).same(Payload(fields=fields))
