"""Which calls a vault store makes, where it looks, and what it sees there."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

import pytest

from sopsync.errors import Conflict, Denied, Rejected
from sopsync.model import Observed, State, Version
from sopsync.stores.testing.place import delete
from sopsync.stores.vault_survey import legal
from sopsync.stores.vault_transport import Transport
from tests.stores.vault_harness import client
from tests.stores.vault_mount import ENTRY, FENCE, OWNER, STAMP, Kv, see, write
from tests.support.servers import OpenBao

# -- calls


@pytest.mark.parametrize(
    "char", [*"\x00\x1f\x7f\x85\xa0\xad\u061c\u1680\u2003\u200b\u200e\u2028\u202e\u202f\u3000\ue000\ufeff"]
)
def test_a_name_that_the_server_would_refuse_is_none(kv: Kv, char: str) -> None:
    name = f"a{char}b"
    with pytest.raises(OSError, match="400"):
        kv.call("POST", "data", quote(name), {"data": {}})
    assert not legal(name)
    assert legal("a b\N{COMBINING ACUTE ACCENT}\N{KEY}\N{VARIATION SELECTOR-16}\N{REPLACEMENT CHARACTER}")


def test_the_calls_of_each_act(kv: Kv) -> None:
    c = kv.client()
    m, name = kv.mount, ENTRY
    scan = f"SCAN {m}/detailed-metadata"
    assert c.calls(lambda: c.store.survey({})) == [scan, f"GET sys/internal/ui/mounts/{m}"]
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
    assert c.calls(lambda: c.store.survey({name: ""})) == [scan]
    assert c.calls(lambda: delete(c.store, name, expect=Version("2"))) == [
        f"GET {m}/metadata/{name}",
        f"POST {m}/delete/{name}",
    ]
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
    survey = scanned.store.survey(dict.fromkeys([*names, "svc0/absent", "absent"], ""))
    assert len(scanned.log) == 1
    assert [entry.state for entry in survey.entries].count(State.PRESENT) == 100
    assert {e.name for e in survey.entries if e.state is State.ABSENT} == {"svc0/absent", "absent"}
    walked = kv.client(hashicorp=True)
    again = walked.store.survey(dict.fromkeys([*names, "svc0/absent", "absent"], ""))
    assert len(walked.log) == 1 + 6 + 100, "the probe, the folders, the entries; none for what the listing lacks"
    assert sorted(again.entries, key=lambda e: e.name) == sorted(survey.entries, key=lambda e: e.name)
    assert walked.calls(lambda: walked.store.survey({}))[0].startswith("GET"), "probed once"


def test_strangers_that_nobody_asked_for_are_not_shown(kv: Kv) -> None:
    kv.call("POST", "data", "theirs", {"data": {"x": "canary-x"}})
    assert kv.client().store.survey({"mine": ""}).entries == (Observed("mine", State.ABSENT),)


def test_prefixes_are_stores_of_their_own(kv: Kv) -> None:
    left, right, whole = kv.client(prefix="team/left"), kv.client(prefix="team/right"), kv.client()
    write(left.store)
    left.store.raise_fence(FENCE, expect=None)
    assert right.store.survey({ENTRY: ""}).entries == (Observed(ENTRY, State.ABSENT),)
    assert right.store.survey({}).fences == {}
    assert [entry.name for entry in left.store.survey({}).entries] == [ENTRY]
    assert [entry.name for entry in whole.store.survey({}).entries] == [f"team/left/{ENTRY}"]


def test_a_mount_may_be_a_path(bao: OpenBao, connections: Transport) -> None:
    c = Kv(bao, "teams/web-kv", connections).client()
    write(c.store)
    assert see(c).vouched


def test_inside_a_namespace(bao: OpenBao, connections: Transport) -> None:
    """openbao.org/docs/concepts/namespaces: since 2.3."""
    bao.call("POST", "sys/namespaces/team", {})
    bao.call("POST", "sys/mounts/inside", {"type": "kv", "options": {"version": "2"}}, ns="team")
    c = client(bao, "inside", connections.send, namespace="team")
    write(c.store)
    assert see(c).vouched
    assert bao.call("GET", f"inside/data/{ENTRY}", ns="team")["data"]["data"]["user"] == "canary-user"
    outside = client(bao, "inside", connections.send)
    with pytest.raises(Rejected, match="nothing is mounted at inside/"):
        outside.store.survey({})


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
    survey = kv.client(token=token).store.survey(dict.fromkeys(["open/a", "open/none", "shut/b", "shut/granted"], ""))
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
        kv.client(token=token).store.survey({})
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
    survey = kv.client(token=token).store.survey(dict.fromkeys([ENTRY, "prod/none"], ""))
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
                delete(c.store, name, expect=Version("1"))
            assert list(c.store.history(name)) == []
        assert all("seal" not in call and "//" not in call for call in c.log)
