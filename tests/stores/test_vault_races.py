"""Writes that are cut off or overtaken; and fences, which never show less than they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sopsync.errors import Conflict, Rejected, Unavailable
from sopsync.model import State, Version
from sopsync.stores.testing import Fault
from tests.stores.vault_harness import LEAST
from tests.stores.vault_mount import ENTRY, FENCE, OTHER, OWNER, STAMP, Kv, see, write

# -- cut off, overtaken


def test_a_create_that_was_cut_off_is_known_to_be_ours(kv: Kv) -> None:
    c = kv.client()
    c.wire.faults[5] = Fault.BEFORE  # survey 2, claim, data, stamp
    c.wire.faults[6] = Fault.BEFORE  # the stamp is tried twice
    c.store.survey({})
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
        c.store.survey({})
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
    c.store.survey({})
    first, second = replace(FENCE, commit="1" * 40), replace(FENCE, commit="2" * 40)
    assert len(c.calls(lambda: c.store.raise_fence(first, expect=None))) == 2
    assert len(c.calls(lambda: c.store.raise_fence(second, expect=first))) == 2
    assert len(c.calls(lambda: c.store.survey({}))) == 1
    assert c.store.survey({}).fences == {OWNER: second}
    assert c.store.survey({}).entries == ()


def test_a_fence_is_never_shown_older_than_it_is(kv: Kv) -> None:
    first, second = replace(FENCE, commit="1" * 40), replace(FENCE, commit="2" * 40)
    c = kv.client()
    c.store.raise_fence(first, expect=None)
    c.store.survey({})
    # cut off between data, which decides, and mirror
    c.wire.rewind()
    c.wire.faults.update({2: Fault.BEFORE, 3: Fault.BEFORE})
    with pytest.raises(Unavailable):
        c.store.raise_fence(second, expect=first)
    c.wire.rewind()
    late = kv.client()
    assert len(late.calls(lambda: late.store.survey({}))) == 2, "one more call, to read what decides"
    assert late.store.survey({}).fences == {OWNER: second}
    # a job that saw the first has nothing to stand on
    with pytest.raises(Conflict):
        kv.client().store.raise_fence(replace(FENCE, commit="3" * 40), expect=first)
    late.store.raise_fence(first, expect=second)
    assert len(late.calls(lambda: late.store.survey({}))) == 1, "the next raise mends the mirror"
    # the slower of two mirrors comes last
    name = next(n for n in kv.call("SCAN", "detailed-metadata", "")["keys"] if n.startswith("sopsync-fence/"))
    kv.call("POST", "metadata", name, {"custom_metadata": {"sopsync-f": f"2 {second.encode()}"}})
    assert kv.client().store.survey({}).fences == {OWNER: first}


def test_a_fence_that_somebody_deleted_stands_until_its_metadata_goes(kv: Kv) -> None:
    c = kv.client()
    c.store.raise_fence(FENCE, expect=None)
    (name,) = kv.call("SCAN", "detailed-metadata", "")["keys"]
    kv.call("DELETE", "data", name)
    assert kv.client().store.survey({}).fences == {OWNER: FENCE}
    kv.client().store.raise_fence(replace(FENCE, commit="2" * 40), expect=FENCE)
    kv.call("POST", "metadata", name, {"custom_metadata": {}})
    assert kv.client().store.survey({}).fences == {OWNER: replace(FENCE, commit="2" * 40)}
    kv.call("DELETE", "data", name)
    with pytest.raises(Rejected, match="cannot be read"):
        kv.client().store.survey({})
    kv.call("DELETE", "metadata", name)
    assert kv.client().store.survey({}).fences == {}


def test_a_fence_is_believed_only_under_its_owners_name(kv: Kv) -> None:
    c = kv.client()
    c.store.raise_fence(FENCE, expect=None)
    (name,) = kv.call("SCAN", "detailed-metadata", "")["keys"]
    copy = "sopsync-fence/" + "0" * 32
    kv.call("POST", "data", copy, {"data": kv.call("GET", "data", name)["data"]})
    kv.call("POST", "metadata", copy, {"custom_metadata": kv.custom(name)})
    with pytest.raises(Rejected, match=copy):
        kv.client().store.survey({})
