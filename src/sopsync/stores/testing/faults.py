"""Laws of failure and cost: a call that goes wrong is told truly, and there is not one call too many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from sopsync.errors import Denied, StoreError, Unavailable
from sopsync.model import State, Survey
from sopsync.stores.base import Store
from sopsync.stores.testing.acts import ACTS
from sopsync.stores.testing.harness import Fault, Wire
from sopsync.stores.testing.place import Empty, Place, assert_no_leak, fence, stamp, told

SAYS: Mapping[Fault, type[StoreError]] = {
    Fault.REFUSED: Denied,
    Fault.BEFORE: Unavailable,
    Fault.AFTER: Unavailable,
}


class FaultLaws:
    """Every API call of every act goes wrong in every way; and the number of calls."""

    @pytest.mark.parametrize("act", ACTS)
    def test_a_failed_act_says_so_and_a_done_one_is_done(self, empty: Empty, act: str) -> None:
        if act == "restore" and not Place(empty()).traits.recoverable:
            pytest.skip("what is deleted is gone")
        calls, _ = _count(empty, act)
        for call, fault in _each(calls):
            place = Place(empty())
            name = place.harness.name("entry")
            version = ACTS[act].ready(place, name)
            place.store.survey({name: ""})
            place.wire.rewind()
            place.wire.faults[call] = fault
            error = told(partial(ACTS[act].do, place, name, version))
            if error is None:
                assert ACTS[act].done(place, name), f"call {call} {fault}: said it was done, and it was not"
            else:
                assert isinstance(error, SAYS[fault]), f"call {call} {fault}: {type(error).__name__}"
                assert error.store == place.store.name
            _assert_true(place, name)

    def test_a_failed_survey_is_never_an_empty_one(self, empty: Empty) -> None:
        place = Place(empty())
        names = [place.harness.name(word) for word in ("first", "second")]
        for name in names:
            place.write(name, place.some(name))
        place.store.raise_fence(fence(), expect=None)
        wire = Wire()
        place.harness.open(wire).survey({names[0]: ""})
        for call, fault in _each(wire.calls):
            found = _look(place.harness.open(Wire(faults={call: fault})), names[0])
            if isinstance(found, Survey):
                _assert_nothing_missing(found, names, f"call {call} {fault}")
            else:
                assert isinstance(found, SAYS[fault]), f"call {call} {fault}: {type(found).__name__}"

    @pytest.mark.parametrize("act", ACTS)
    def test_an_act_takes_the_least_calls(self, empty: Empty, act: str) -> None:
        if act == "restore" and not Place(empty()).traits.recoverable:
            pytest.skip("what is deleted is gone")
        calls, counted = _count(empty, act)
        assert calls == getattr(Place(empty()).harness.expected, act)
        assert counted == calls, "store.calls is what went over the wire"

    @pytest.mark.parametrize("entries", [0, 1, 7])
    def test_a_survey_takes_the_least_calls(self, empty: Empty, entries: int) -> None:
        place = Place(empty())
        names = [place.harness.name("entry" + "abcdefg"[number]) for number in range(entries)]
        for name in names:
            place.write(name, place.some("one"))
        if names:
            place.store.raise_fence(fence(), expect=None)
        wire = Wire()
        store = place.harness.open(wire)
        survey = store.survey(dict.fromkeys(names, stamp().digest))  # all is as git wants it: nothing to look closer at
        assert len(survey.entries) == entries
        assert (wire.calls, store.calls) == (place.harness.expected.survey(entries),) * 2


def _each(calls: int) -> Iterator[tuple[int, Fault]]:
    return ((call, fault) for call in range(1, calls + 1) for fault in Fault)


def _count(empty: Empty, act: str) -> tuple[int, int]:
    """(calls that went over the wire, calls the store counted) for one act by a client that has made a survey."""
    place = Place(empty())
    name = place.harness.name("entry")
    version = ACTS[act].ready(place, name)
    place.store.survey({name: ""})
    place.wire.rewind()
    before = place.store.calls
    ACTS[act].do(place, name, version)
    calls = place.wire.calls
    assert ACTS[act].done(place, name)
    return calls, place.store.calls - before


def _look(store: Store, name: str) -> Survey | StoreError:
    try:
        return store.survey({name: ""})
    except StoreError as error:
        assert_no_leak(error)
        return error


def _assert_true(place: Place, name: str) -> None:
    """If a stamp speaks for what is live, what it says is so."""
    seen = place.see(name)
    truth = {stamp("a").digest: ["one"], stamp("b").digest: ["two", "one"]}
    if seen.vouched:
        assert seen.stamp is not None
        assert any(place.holds(name, place.some(word)) for word in truth[seen.stamp.digest])


def _assert_nothing_missing(survey: Survey, names: list[str], trial: str) -> None:
    seen = {entry.name: entry.state for entry in survey.entries}
    doubt = State.UNKNOWN in seen.values()
    for name in names:
        assert seen.get(name) is not State.ABSENT, f"{trial}: an entry that is there was called absent"
        assert doubt or seen.get(name) is State.PRESENT, f"{trial}: an entry went missing without a word"
    assert survey.fences == {fence().owner: fence()}, f"{trial}: a fence went missing without an error"
