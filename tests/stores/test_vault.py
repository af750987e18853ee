"""What is true of KV version 2 beyond the contract: which calls are made, and whose metadata is whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from sopsync.errors import Conflict, Denied, Rejected, Unavailable
from sopsync.model import Fence, Observed, Origin, Payload, Secret, Stamp, State, Version
from sopsync.stores.testing import Fault
from sopsync.stores.vault import VaultStore
from sopsync.stores.vault_entry import Meta, observed
from tests.stores.vault_harness import LEAST, Client, HashiCorp, client
from tests.support.servers import OpenBao

OWNER = "acme/prod"
STAMP = Stamp(OWNER, "a" * 32, "c" * 40, Origin("services/api/prod.yaml", "/token"))
FENCE = Fence(OWNER, "1" * 40, "0" * 32, "f" * 40)
ENTRY = "prod/api"
VALUE = Payload(fields={"user": Secret(b"canary-user"), "password": Secret(b"canary-password")})
OTHER = Payload(fields={"user": Secret(b"canary-other")})


class Kv:
    """A mount of its own, clients on it, and raw calls past them."""

    def __init__(self, bao: OpenBao, mount: str, connections: HTTPAdapter) -> None:
        self.bao, self.mount, self._send = bao, bao.mount(mount), connections.send

    def client(self, *, hashicorp: bool = False, **more: Any) -> Client:
        return client(self.bao, self.mount, HashiCorp(self._send) if hashicorp else self._send, **more)

    def call(self, method: str, part: str, name: str, body: Any = None) -> Any:
        answer = self.bao.call(method, f"{self.mount}/{part}/{name}", body)
        return answer["data"] if answer else None

    def custom(self, name: str = ENTRY) -> Mapping[str, str]:
        found: Mapping[str, str] = self.call("GET", "metadata", name)["custom_metadata"] or {}
        return found

    def policy(self, *lines: str) -> str:
        """A token that may do this and nothing else."""
        return self.bao.token_for("\n".join(lines).replace("KV", self.mount), f"policy-{self.mount}")


@pytest.fixture
def kv(bao: OpenBao, connections: HTTPAdapter, request: pytest.FixtureRequest) -> Kv:
    names = request.session.stash.setdefault(_MOUNTS, [])
    names.append(f"kv-{len(names)}")
    return Kv(bao, names[-1], connections)


_MOUNTS = pytest.StashKey[list[str]]()


def write(
    store: VaultStore,
    payload: Payload = VALUE,
    stamp: Stamp = STAMP,
    *,
    expect: Version | None = None,
    tags: Mapping[str, str] | None = None,
    name: str = ENTRY,
) -> Version:
    return store.write(name, payload, stamp, expect=expect, options={}, tags=tags or {})


def see(client: Client, name: str = ENTRY) -> Observed:
    (seen,) = [entry for entry in client.store.survey([name]).entries if entry.name == name]
    return seen


# -- calls


def test_the_calls_of_each_act(kv: Kv) -> None:
    c = kv.client()
    m, name = kv.mount, ENTRY
    scan = f"SCAN {m}/detailed-metadata"
    assert c.calls(lambda: c.store.survey([])) == [scan, f"GET sys/internal/ui/mounts/{m}"]
    assert c.calls(lambda: write(c.store)) == [
        f"POST {m}/metadata/{name}",
        f"POST {m}/data/{name}",
        f"PATCH {m}/metadata/{name}",
    ]
    assert c.calls(lambda: write(c.store, expect=Version("1"))) == [
        f"POST {m}/data/{name}",
        f"PATCH {m}/metadata/{name}",
    ]
    restamp = partial(c.store.restamp, name, STAMP, expect=Version("2"), tags={})
    assert c.calls(restamp) == [f"GET {m}/metadata/{name}", f"PATCH {m}/metadata/{name}"]
    assert c.calls(lambda: c.store.read(name, expect=Version("2"))) == [f"GET {m}/data/{name}"]
    assert c.calls(lambda: c.store.survey([name])) == [scan]
    delete = partial(c.store.delete, name, expect=Version("2"))
    assert c.calls(delete) == [f"GET {m}/metadata/{name}", f"POST {m}/delete/{name}"]
    assert c.calls(lambda: write(c.store, expect=Version("2"))) == [
        f"POST {m}/data/{name}",
        f"PATCH {m}/metadata/{name}",
    ]
    assert c.store.calls == len(c.log) == c.wire.calls


def test_a_hundred_entries_are_one_call_or_a_hundred(kv: Kv) -> None:
    names = [f"svc{number % 5}/entry{number}" for number in range(100)]
    for name in names:
        kv.call("POST", "data", name, {"data": {"x": "canary-x"}})
    scanned = kv.client()
    survey = scanned.store.survey([*names, "svc0/absent", "absent"])
    assert len(scanned.log) == 1
    assert [entry.state for entry in survey.entries].count(State.PRESENT) == 100
    assert {e.name for e in survey.entries if e.state is State.ABSENT} == {"svc0/absent", "absent"}
    walked = kv.client(hashicorp=True)
    again = walked.store.survey([*names, "svc0/absent", "absent"])
    assert len(walked.log) == 1 + 6 + 100, "the probe, the folders, the entries; none for what the listing lacks"
    assert sorted(again.entries, key=lambda e: e.name) == sorted(survey.entries, key=lambda e: e.name)
    assert walked.calls(lambda: walked.store.survey([]))[0].startswith("GET"), "probed once"


def test_strangers_that_nobody_asked_for_are_not_shown(kv: Kv) -> None:
    kv.call("POST", "data", "theirs", {"data": {"x": "canary-x"}})
    assert kv.client().store.survey(["mine"]).entries == (Observed("mine", State.ABSENT),)


def test_prefixes_are_stores_of_their_own(kv: Kv) -> None:
    left, right, whole = kv.client(prefix="team/left"), kv.client(prefix="team/right"), kv.client()
    write(left.store)
    left.store.raise_fence(FENCE, expect=None)
    assert right.store.survey([ENTRY]).entries == (Observed(ENTRY, State.ABSENT),)
    assert right.store.survey([]).fences == {}
    assert [entry.name for entry in left.store.survey([]).entries] == [ENTRY]
    assert [entry.name for entry in whole.store.survey([]).entries] == [f"team/left/{ENTRY}"]


def test_a_mount_may_be_a_path(bao: OpenBao, connections: HTTPAdapter) -> None:
    c = Kv(bao, "teams/web-kv", connections).client()
    write(c.store)
    assert see(c).vouched


def test_inside_a_namespace(bao: OpenBao, connections: HTTPAdapter) -> None:
    """openbao.org/docs/concepts/namespaces: since 2.3."""
    bao.call("POST", "sys/namespaces/team", {})
    bao.call("POST", "sys/mounts/inside", {"type": "kv", "options": {"version": "2"}}, ns="team")
    c = client(bao, "inside", connections.send, namespace="team")
    write(c.store)
    assert see(c).vouched
    assert bao.call("GET", f"inside/data/{ENTRY}", ns="team")["data"]["data"]["user"] == "canary-user"
    outside = client(bao, "inside", connections.send)
    with pytest.raises(Rejected, match="nothing is mounted at inside/"):
        outside.store.survey([])


# -- the walk


def test_a_refused_folder_is_unknown_and_the_others_go_on(kv: Kv) -> None:
    root = kv.client()
    for name in ("open/a", "shut/b", "shut/granted"):
        write(root.store, name=name)
    token = kv.policy(
        'path "KV/metadata/" { capabilities = ["list"] }',
        'path "KV/metadata/open/*" { capabilities = ["list", "read"] }',
        'path "KV/metadata/shut/granted" { capabilities = ["read"] }',
    )
    survey = kv.client(token=token).store.survey(["open/a", "open/none", "shut/b", "shut/granted"])
    seen = {entry.name: entry for entry in survey.entries}
    assert (seen["open/a"].state, seen["open/a"].vouched) == (State.PRESENT, True)
    assert seen["open/none"].state is State.ABSENT
    assert (seen["shut/"].state, seen["shut/"].reason) == (State.UNKNOWN, "permission denied")
    assert (seen["shut/b"].state, seen["shut/b"].reason) == (State.UNKNOWN, "permission denied")
    assert seen["shut/granted"].vouched, "a name asked for is looked up where the listing has a hole"


def test_fences_that_cannot_be_seen_are_an_error(kv: Kv) -> None:
    kv.client().store.raise_fence(FENCE, expect=None)
    token = kv.policy(
        'path "KV/metadata/" { capabilities = ["list"] }', 'path "KV/metadata/prod/*" { capabilities = ["list"] }'
    )
    with pytest.raises(Denied, match="permission denied") as caught:
        kv.client(token=token).store.survey([])
    assert "list on" in caught.value.problems[0].hint
    assert "sopsync-fence" in caught.value.problems[0].hint


def test_a_walk_from_a_folder_that_is_refused_still_finds_what_was_asked_for(kv: Kv) -> None:
    root = kv.client()
    write(root.store)
    root.store.raise_fence(FENCE, expect=None)
    token = kv.policy(
        'path "KV/metadata/prod/*" { capabilities = ["read"] }',
        'path "KV/metadata/sopsync-fence/*" { capabilities = ["read", "list"] }',
    )
    survey = kv.client(token=token).store.survey([ENTRY, "prod/none"])
    seen = {entry.name: entry.state for entry in survey.entries}
    assert seen == {ENTRY: State.PRESENT, "prod/none": State.ABSENT, "/": State.UNKNOWN}
    assert survey.fences == {OWNER: FENCE}


def test_a_name_that_cannot_be_is_unknown_and_never_sent(kv: Kv) -> None:
    for hashicorp in (False, True):
        c = kv.client(hashicorp=hashicorp)
        for name in ("../sys/seal", "a//b", "/a", "a/", "sopsync-fence/x", "\x00"):
            assert see(c, name).state is State.UNKNOWN
            with pytest.raises(Rejected):
                write(c.store, name=name)
            with pytest.raises(Conflict):
                c.store.read(name, expect=Version("1"))
            with pytest.raises(Rejected):
                c.store.delete(name, expect=Version("1"))
            assert list(c.store.history(name)) == []
        assert all("seal" not in call and "//" not in call for call in c.log)


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
    assert c.store.survey([]).fences == {OWNER: FENCE}


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


# -- cut off, overtaken


def test_a_create_that_was_cut_off_is_known_to_be_ours(kv: Kv) -> None:
    c = kv.client()
    c.wire.faults[5] = Fault.BEFORE  # survey 2, claim, data, stamp
    c.wire.faults[6] = Fault.BEFORE  # the stamp is tried twice
    c.store.survey([])
    with pytest.raises(Unavailable):
        write(c.store)
    seen = see(kv.client())
    assert (seen.state, seen.owner, seen.stamp, seen.vouched) == (State.PRESENT, OWNER, None, False)
    kv.client().store.restamp(ENTRY, STAMP, expect=Version("1"), tags={})
    assert see(kv.client()).vouched
    assert "sopsync-o" not in kv.custom()


@pytest.mark.parametrize("patch", [True, False])
@pytest.mark.parametrize("hashicorp", [False, True])
def test_a_create_that_loses_leaves_the_entry_of_the_winner_alone(kv: Kv, hashicorp: bool, patch: bool) -> None:
    token = kv.policy(LEAST.format(mount="KV").replace(', "patch"', ', "patch"' if patch else ""))
    for call in (1, 2, 3) if hashicorp and patch else (1, 2):  # each before the data
        name = f"prod/race{call}"
        c = kv.client(hashicorp=hashicorp, token=token)
        c.store.survey([])
        c.wire.rewind()
        c.wire.deeds[call] = lambda name=name: _put_with_metadata(kv, name)  # type: ignore[misc]
        with pytest.raises(Conflict, match="planned on nothing, found v1"):
            write(c.store, name=name)
        meta = kv.call("GET", "metadata", name)
        assert (meta["current_version"], meta["custom_metadata"]["theirs"]) == (1, "1")
        assert "sopsync-o" not in meta["custom_metadata"]
        assert see(kv.client(), name).owner == ""


def _put_with_metadata(kv: Kv, name: str) -> None:
    kv.call("POST", "data", name, {"data": {"x": "canary-theirs"}})
    custom = kv.custom(name)
    kv.call("POST", "metadata", name, {"custom_metadata": {**custom, "theirs": "1"}})


@pytest.mark.parametrize("theirs", [False, True])
def test_a_lost_answer_is_settled_by_looking(kv: Kv, theirs: bool) -> None:
    c = kv.client()
    version = write(c.store)
    c.wire.rewind()
    c.wire.faults[1] = Fault.BEFORE if theirs else Fault.AFTER
    if theirs:  # ours never arrived, somebody else's did
        c.wire.deeds[2] = lambda: kv.call("POST", "data", ENTRY, {"data": {"x": "canary-theirs"}})
        with pytest.raises(Conflict, match="planned on v1, found v2"):
            write(c.store, OTHER, expect=version)
        assert kv.call("GET", "data", ENTRY)["data"] == {"x": "canary-theirs"}
    else:
        assert write(c.store, OTHER, expect=version) == "2"
        assert see(c).vouched


# -- fences


def test_a_fence_is_two_calls_and_in_the_survey_for_none(kv: Kv) -> None:
    c = kv.client()
    c.store.survey([])
    first, second = replace(FENCE, commit="1" * 40), replace(FENCE, commit="2" * 40)
    assert len(c.calls(lambda: c.store.raise_fence(first, expect=None))) == 2
    assert len(c.calls(lambda: c.store.raise_fence(second, expect=first))) == 2
    assert len(c.calls(lambda: c.store.survey([]))) == 1
    assert c.store.survey([]).fences == {OWNER: second}
    assert c.store.survey([]).entries == ()


def test_a_fence_is_never_shown_older_than_it_is(kv: Kv) -> None:
    first, second = replace(FENCE, commit="1" * 40), replace(FENCE, commit="2" * 40)
    c = kv.client()
    c.store.raise_fence(first, expect=None)
    c.store.survey([])
    # cut off between data, which decides, and mirror
    c.wire.rewind()
    c.wire.faults.update({2: Fault.BEFORE, 3: Fault.BEFORE})
    with pytest.raises(Unavailable):
        c.store.raise_fence(second, expect=first)
    c.wire.rewind()
    late = kv.client()
    assert len(late.calls(lambda: late.store.survey([]))) == 2, "one more call, to read what decides"
    assert late.store.survey([]).fences == {OWNER: second}
    # a job that saw the first has nothing to stand on
    with pytest.raises(Conflict):
        kv.client().store.raise_fence(replace(FENCE, commit="3" * 40), expect=first)
    late.store.raise_fence(first, expect=second)
    assert len(late.calls(lambda: late.store.survey([]))) == 1, "the next raise mends the mirror"
    # the slower of two mirrors comes last
    name = next(n for n in kv.call("SCAN", "detailed-metadata", "")["keys"] if n.startswith("sopsync-fence/"))
    kv.call("POST", "metadata", name, {"custom_metadata": {"sopsync-f": f"2 {second.encode()}"}})
    assert kv.client().store.survey([]).fences == {OWNER: first}


def test_a_fence_that_somebody_deleted_stands_until_its_metadata_goes(kv: Kv) -> None:
    c = kv.client()
    c.store.raise_fence(FENCE, expect=None)
    (name,) = kv.call("SCAN", "detailed-metadata", "")["keys"]
    kv.call("DELETE", "data", name)
    assert kv.client().store.survey([]).fences == {OWNER: FENCE}
    kv.client().store.raise_fence(replace(FENCE, commit="2" * 40), expect=FENCE)
    kv.call("POST", "metadata", name, {"custom_metadata": {}})
    assert kv.client().store.survey([]).fences == {OWNER: replace(FENCE, commit="2" * 40)}
    kv.call("DELETE", "data", name)
    with pytest.raises(Rejected, match="cannot be read"):
        kv.client().store.survey([])
    kv.call("DELETE", "metadata", name)
    assert kv.client().store.survey([]).fences == {}


def test_a_fence_is_believed_only_under_its_owners_name(kv: Kv) -> None:
    c = kv.client()
    c.store.raise_fence(FENCE, expect=None)
    (name,) = kv.call("SCAN", "detailed-metadata", "")["keys"]
    copy = "sopsync-fence/" + "0" * 32
    kv.call("POST", "data", copy, {"data": kv.call("GET", "data", name)["data"]})
    kv.call("POST", "metadata", copy, {"custom_metadata": kv.custom(name)})
    with pytest.raises(Rejected, match=copy):
        kv.client().store.survey([])
