"""Two commits compared by ciphertext: what differs is a row, what does not is none, and every key is told once."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from sopsync.compare import compare
from sopsync.model import Desired, Ref
from sopsync.report import Row
from tests.manifest.things import config, examples, file, load

WHOLE = "- {from: '{name}.yaml', to: [{store: local, name: '{name}'OPTIONS}]}"
KEYS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["canary-1", "canary-2", "canary-3"]), min_size=1)


def side(data: Mapping[str, str], options: str = "", nonce: str = "") -> Mapping[Ref, Desired]:
    rules = WHOLE.replace("OPTIONS", options)
    return load(config(rules), {"x.yaml": file(dict(data), nonce=nonce)}).desired


def rows(before: Mapping[Ref, Desired], after: Mapping[Ref, Desired], *, again: bool = False) -> tuple[Row, ...]:
    return compare(before, after, lambda _old, _new: again)


@given(KEYS, KEYS)
@examples(100)
def test_every_key_is_told_once_and_rightly(old: dict[str, str], new: dict[str, str]) -> None:
    found = rows(side(old), side(new))
    same = old == new and list(old) == list(new)
    if not found:
        assert old == new
        return
    assert not same
    told = {key.key: key.op for key in found[0].keys}
    wanted = dict.fromkeys(new.keys() - old.keys(), "+") | dict.fromkeys(old.keys() - new.keys(), "-")
    wanted |= {key: "~" for key in old.keys() & new.keys() if old[key] != new[key]}
    assert told == wanted
    assert len(told) == len(found[0].keys)


@given(KEYS)
@examples(30)
def test_all_of_a_file_rekeyed_is_re_encrypted(data: dict[str, str]) -> None:
    (row,) = rows(side(data), side(data, nonce="again"), again=True)
    assert (row.action, {key.op for key in row.keys}) == ("re-encrypted", {"*"})
    (row,) = rows(side(data), side({**data, "new": "canary-9"}, nonce="again"), again=True)
    assert row.action == "changed", "a key was added as well"
    (row,) = rows(side(data), side(data, nonce="again"))
    assert row.action == "changed"


@given(KEYS)
@examples(30)
def test_added_and_removed_are_each_others_mirror(data: dict[str, str]) -> None:
    (added,), (removed,) = rows({}, side(data)), rows(side(data), {})
    assert (added.action, removed.action) == ("added", "removed")
    assert [key.key for key in added.keys] == [key.key for key in removed.keys] == list(data)
    assert added.line > 0
    assert removed.line == 0, "it is in no file any more"


def test_options_and_policy_are_told_without_a_key() -> None:
    before = side({"a": "canary-1"})
    (row,) = rows(before, side({"a": "canary-1"}, ", encode: json"))
    assert (row.action, row.keys, row.reason) == ("changed", (), "written in another form, or with other options")
    (row,) = rows(before, side({"a": "canary-1"}, ", prune: true, on_drift: heal"))
    assert row.reason == "prune: false → true; on_drift: report → heal"
    assert rows(before, side({"a": "canary-1"})) == ()
