"""The decision table, row by row, and the laws that hold over all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.change import Action, Ask
from sopsync.errors import Problem, Unavailable
from sopsync.model import Desired, Drift, Lifecycle, Observed, State, Survey
from sopsync.plan import Prune, diff, hold_deletes, settle, unknown
from tests.plan.things import ORIGIN, OTHER, OURS, THEIRS, TRAITS, decide, scope, seen, want

GONE = {"state": State.RECOVERABLE, "vouched": False}
HEAL, BLOCK = {"on_drift": Drift.HEAL}, {"on_drift": Drift.BLOCK}
SEED = {"lifecycle": Lifecycle.SEED}

Row = tuple[str, dict[str, Any], dict[str, Any] | None, Action, Ask | None, Action | None, Action | None]

# what git wants · what the store shows · the decision · what must be opened first · once opened and equal · and unequal
A = Action
ROWS: list[Row] = [
    ("absent", {}, {"state": State.ABSENT}, A.CREATE, None, None, None),
    ("absent, seed", SEED, {"state": State.ABSENT}, A.CREATE, None, None, None),
    ("recoverable, ours", {}, GONE, A.RESTORE, None, None, None),
    ("recoverable, foreign", {}, {**GONE, "owner": THEIRS}, A.CONFLICT, None, None, None),
    ("recoverable, foreign, adopt", {"adopt": True}, {**GONE, "owner": THEIRS}, A.ADOPT, None, None, None),
    ("in step", {}, {}, A.UNCHANGED, None, A.UNCHANGED, A.DRIFT),
    ("edited", {}, {"digest": OTHER}, A.UPDATE, Ask.VALUE, A.RESTAMP, A.UPDATE),
    ("drifted", {}, {"vouched": False}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.DRIFT),
    ("drifted, heal", HEAL, {"vouched": False}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.UPDATE),
    ("drifted, block", BLOCK, {"vouched": False}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.DRIFT),
    ("only claimed", {}, {"digest": None}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.CONFLICT),
    ("only claimed, heal", HEAL, {"digest": None}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.CONFLICT),
    ("only claimed, adopt", {"adopt": True}, {"digest": None}, A.DRIFT, Ask.VALUE, A.RESTAMP, A.UPDATE),
    ("both sides", {}, {"digest": OTHER, "vouched": False}, A.CONFLICT, Ask.VALUE, A.RESTAMP, A.CONFLICT),
    ("both sides, heal", HEAL, {"digest": OTHER, "vouched": False}, A.CONFLICT, Ask.VALUE, A.RESTAMP, A.UPDATE),
    ("foreign", {}, {"owner": THEIRS}, A.CONFLICT, None, None, None),
    ("nobody's", {}, {"owner": "", "digest": None}, A.CONFLICT, None, None, None),
    ("foreign, adopt", {"adopt": True}, {"owner": THEIRS}, A.ADOPT, Ask.VALUE, A.ADOPT, A.ADOPT),
    ("nobody's, adopt", {"adopt": True}, {"owner": "", "digest": None}, A.ADOPT, Ask.VALUE, A.ADOPT, A.ADOPT),
    ("rotated by a service", {}, {"reason": "rotated by aws"}, A.CONFLICT, None, None, None),
    ("rotated, adopted", {"adopt": True}, {"owner": "", "reason": "rotated"}, A.CONFLICT, None, None, None),
    ("seeded, edited since", SEED, {"digest": OTHER}, A.UNCHANGED, None, None, None),
    ("seeded, rotated since", SEED, {"vouched": False, "reason": "rotated"}, A.UNCHANGED, None, None, None),
    ("seeded, renamed owner", {**SEED, "previous_owners": (THEIRS,)}, {"owner": THEIRS}, A.RESTAMP, None, None, None),
    ("seed, adopted", {**SEED, "adopt": True}, {"owner": ""}, A.ADOPT, None, None, None),
    ("seed over a stranger's", SEED, {"owner": THEIRS}, A.CONFLICT, None, None, None),
    ("renamed owner", {"previous_owners": (THEIRS,)}, {"owner": THEIRS}, A.RESTAMP, None, None, None),
    ("too large", {"size": 101}, {"state": State.ABSENT}, A.CONFLICT, None, None, None),
    ("at the limit", {"size": 100}, {"state": State.ABSENT}, A.CREATE, None, None, None),
    ("unknown", {}, {"state": State.UNKNOWN, "reason": "403"}, A.UNKNOWN, None, None, None),
    ("unanswered", {}, None, A.UNKNOWN, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_wanted(row: Row) -> None:
    _, wanted, shown, action, ask, equal, unequal = row
    change = decide(want(**wanted), None if shown is None else seen(**shown))
    assert change is not None
    assert (change.action, change.ask) == (action, ask)
    if equal:
        assert settle(change, same=True).action is equal
    if unequal:
        assert settle(change, same=False).action is unequal


@pytest.mark.parametrize(
    ("why", "shown", "context", "action"),
    [
        ("prune", {}, {}, A.DELETE),
        ("prune is off", {}, {"prune": lambda _o, _r, _w: Prune(prune=False, rule="c:9")}, A.ORPHAN),
        ("no rule", {}, {"prune": lambda _o, _r, _w: None}, A.ORPHAN),
        ("somebody changed it", {"vouched": False}, {}, A.ORPHAN),
        ("its file is unknown", {"origin": None}, {}, A.ORPHAN),
        ("its file cannot be read", {}, {"broken": {ORIGIN.path}}, A.UNKNOWN),
        ("another file cannot be read and may name it", {}, {"broken": {"x.yaml"}}, A.UNKNOWN),
        ("filtered", {}, {"filtered": True}, None),
        ("not ours", {"owner": THEIRS}, {}, None),
        ("nobody's", {"owner": "", "digest": None}, {}, None),
        ("deleted already", GONE, {}, None),
    ],
)
def test_unwanted(why: str, shown: dict[str, Any], context: dict[str, Any], action: Action | None) -> None:
    change = decide(None, seen(**shown), **context)
    assert (change.action if change else None) is action


def test_a_delete_waits_for_its_file_to_be_opened() -> None:
    assert decide(None, seen()).ask is Ask.SOURCE  # type: ignore[union-attr]
    assert decide(None, seen(), files=set()).ask is None  # type: ignore[union-attr]


def test_a_part_that_cannot_be_read_blocks_deletes_in_that_store() -> None:
    survey = Survey((seen(), Observed("hidden", State.UNKNOWN, reason="403")))
    ours, hidden = diff({}, {"s": survey}, scope())
    assert (ours.action, hidden.action) == (Action.UNKNOWN, Action.UNKNOWN)
    assert hidden.reason == "403"


def test_what_did_not_open_holds_deletes_back() -> None:
    delete = decide(None, seen("old"), files=set())
    other = decide(want("other"), seen("other", state=State.UNKNOWN, reason="403"))
    assert delete is not None
    assert other is not None
    assert delete.action is Action.DELETE
    assert hold_deletes((delete,), ()) == (delete,)
    for held in (hold_deletes((delete,), ("b.yaml",)), hold_deletes((delete, other), ())):
        assert held[0].action is Action.UNKNOWN


def test_a_failed_store_is_never_an_empty_one() -> None:
    wanted = want()
    (change,) = diff({wanted.ref: wanted}, {"s": Unavailable("timed out", store="s")}, scope())
    assert (change.action, change.reason) == (Action.UNKNOWN, "timed out")
    (change,) = diff({}, {"s": Unavailable("timed out", store="s")}, scope())
    assert change.action is Action.UNKNOWN, "also where nothing is wanted of it"


def test_blocking_drift_says_so() -> None:
    change = decide(want(on_drift=Drift.BLOCK), seen(vouched=False))
    assert change is not None
    assert settle(change, same=False).blocks
    assert not settle(change, same=True).blocks


def test_equal_value_with_other_options_is_written() -> None:
    change = decide(want(options={"kms_key": "k2"}), seen(digest=OTHER, options={"kms_key": ["k1"]}))
    assert change is not None
    assert settle(change, same=True).action is Action.UPDATE


def test_options_that_others_changed_are_drift() -> None:
    wanted, live = want(options={"kms_key": "k2", "tier": "advanced"}), {"kms_key": ["k1"], "tier": ["advanced"]}
    change = decide(wanted, seen(options=live))
    assert change is not None
    assert (change.action, change.reason) == (Action.DRIFT, "changed in the store: kms_key")
    assert settle(change, same=True).action is Action.DRIFT
    healing = decide(replace(wanted, on_drift=Drift.HEAL), seen(options=live))
    assert healing is not None
    assert settle(healing, same=True).action is Action.UPDATE
    assert decide(wanted, seen(options={"kms_key": ["k2", "alias/k2"]})) != change
    # one that the store does not show cannot have changed, and is written when anything is
    unshown = decide(wanted, seen(options={}))
    assert unshown is not None
    assert unshown.action is Action.UNCHANGED
    changed = decide(wanted, seen(digest=OTHER, options={}))
    assert changed is not None
    assert settle(changed, same=True).action is Action.UPDATE


def test_an_adopted_value_is_only_stamped_where_its_options_are_gits_too() -> None:
    wanted = want(adopt=True, options={"kms_key": "k2"})
    for live, same in (({"kms_key": ["k2"]}, True), ({"kms_key": ["k1"]}, False), ({}, False)):
        change = decide(wanted, seen(owner="", digest=None, options=live))
        assert change is not None
        settled = settle(change, same=True)
        assert (settled.action, settled.same) == (Action.ADOPT, same)


def test_what_was_deleted_comes_back_only_with_its_value() -> None:
    gone = seen(state=State.RECOVERABLE, vouched=False)
    restored = decide(want(), gone)
    assert restored is not None
    assert restored.action is Action.RESTORE
    for wanted, shown in (
        (want(lifecycle=Lifecycle.SEED), gone),
        (want(), replace(gone, reason="rotated by a function")),
    ):
        change = decide(wanted, shown)
        assert change is not None
        assert change.action is Action.CONFLICT
        assert "deleted in the store" in change.reason


def test_options_alone_are_not_a_value_to_put_into_git() -> None:
    change = decide(want(options={"kms_key": "k2"}), seen(options={"kms_key": ["k1"]}))
    assert change is not None
    assert "put the live value into git" not in settle(change, same=True).hint


def test_what_a_store_never_changes_is_a_conflict_before_any_write() -> None:
    plain, sealed = {"type": ["String"]}, {"type": ["SecureString"]}
    traits = replace(TRAITS, fixed={"type": "SecureString"})
    for wanted, shown, action in (
        (want(), seen(options=plain), Action.CONFLICT),
        (want(), seen(options=sealed), Action.UNCHANGED),
        (want(options={"type": "String"}), seen(options=plain), Action.UNCHANGED),
        (want(options={"type": "String"}), seen(options=sealed), Action.CONFLICT),
        (want(adopt=True), seen(owner="", digest=None, options=plain), Action.CONFLICT),
        (want(adopt=True), seen(owner="", digest=None, options=sealed), Action.ADOPT),
    ):
        change = decide(wanted, shown, traits={"s": traits})
        assert change is not None
        assert change.action is action
        assert action is not Action.CONFLICT or "never changes it" in change.reason


def test_a_conflict_says_how_to_take_over() -> None:
    change = decide(want(), seen(owner=THEIRS))
    assert change is not None
    assert THEIRS in change.reason
    assert change.hint == "sopsync.yaml:9: adopt: true takes it over"


WANTED = st.builds(
    want,
    digest=st.sampled_from(["a" * 32, OTHER]),
    adopt=st.booleans(),
    lifecycle=st.sampled_from(Lifecycle),
    on_drift=st.sampled_from(Drift),
    size=st.sampled_from([1, 101]),
    previous_owners=st.sampled_from([(), ("acme/old",)]),
)
SEEN = st.builds(
    seen,
    owner=st.sampled_from([OURS, THEIRS, "", "acme/old"]),
    digest=st.sampled_from(["a" * 32, OTHER, None]),
    vouched=st.booleans(),
    state=st.sampled_from(State),
    origin=st.sampled_from([ORIGIN, None]),
)


@given(st.none() | WANTED, st.none() | SEEN, st.booleans(), st.booleans(), st.booleans())
def test_laws(wanted: Desired | None, shown: Observed | None, same: bool, filtered: bool, broken: bool) -> None:
    change = decide(wanted, shown, filtered=filtered, broken={"x.yaml"} if broken else set())
    if wanted is not None:
        assert change is not None, "everything wanted is accounted for"
    if change is None:
        return
    for made in (change, settle(change, same=same), unknown(change, Problem("", "failed"))):
        if not made.action.writes:
            continue
        assert made.seen is not None
        assert made.seen.state is not State.UNKNOWN, "nothing is planned over the unknown"
        mine = made.seen.owner in (OURS, "acme/old") or made.seen.state is State.ABSENT
        assert mine or made.action is Action.ADOPT, "nothing foreign is touched unless adopted"
        if made.action is Action.DELETE:
            assert wanted is None
            assert not filtered
            assert not broken
            assert made.seen.vouched
        if made.action is Action.RESTAMP:
            seeded = wanted is not None and wanted.lifecycle is Lifecycle.SEED
            assert made.same or made.seen.vouched or seeded, "a stamp is only given to what is known to be git's value"


@given(SEEN)
def test_only_absent_is_created(shown: Observed) -> None:
    change = decide(want(), shown)
    assert change is not None
    assert (change.action is Action.CREATE) == (shown.state is State.ABSENT)
