"""Laws of two at once: exactly one wins, the other is told, and nobody's value is lost without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import pytest

from sopsync.errors import Conflict, StoreError
from sopsync.model import Version
from sopsync.stores.base import Store
from sopsync.stores.testing.acts import ACTS
from sopsync.stores.testing.harness import Wire
from sopsync.stores.testing.place import Empty, Place, delete, fence, stamp, told

_ROUNDS = 5
_LETTERS = {"left": "e", "right": "f"}
Entrant = Callable[[], object]


class RaceLaws:
    """Two appliers, two clients, one store."""

    @pytest.mark.parametrize("act", ["create", "update", "restamp", "delete", "fence"])
    def test_between_any_two_calls_another_applier_may_come(self, empty: Empty, act: str) -> None:
        place = Place(empty())
        if not place.traits.checked:
            pytest.skip("the store detects a race, and cannot prevent it")
        calls = _interrupted(place, act, 0)
        for call in range(1, calls + 1):
            _interrupted(Place(empty()), act, call)

    @pytest.mark.parametrize("act", ["create", "update", "fence"])
    def test_two_at_once(self, empty: Empty, act: str) -> None:
        for _ in range(_ROUNDS):
            place = Place(empty())
            name = place.harness.name("entry")
            version = ACTS[act].ready(place, name)
            clients = {who: place.fresh() for who in _LETTERS}
            for client in clients.values():
                client.survey({name: ""})
            said = _run(_entrant(place, act, name, version, who=who, store=client) for who, client in clients.items())
            _judge(place, act, name, said)

    def test_one_client_serves_two_threads(self, empty: Empty) -> None:
        place = Place(empty())
        place.store.survey({})
        names = {who: place.harness.name(who) for who in _LETTERS}
        meeting = Barrier(len(names))

        def meet() -> None:
            # the threads take turns, call by call; a client that lets only one in at a time is not waited for long
            with suppress(BrokenBarrierError):
                meeting.wait(0.2)

        place.wire.rewind()
        place.wire.deeds = dict.fromkeys(range(1, 50), meet)
        said = _run(_entrant(place, "create", name, None, who=who, store=place.store) for who, name in names.items())
        place.wire.rewind()
        assert set(said.values()) == {None}
        for who, name in names.items():
            assert place.holds(name, place.some(who)), "two threads got into each other's way"
            assert place.see(name).stamp == stamp(_LETTERS[who]).naming(place.version(name))

    def test_closing_twice_is_closing(self, empty: Empty) -> None:
        place = Place(empty())
        place.write(place.harness.name("entry"), place.some("one"))
        place.store.close()
        place.store.close()


def _interrupted(place: Place, act: str, call: int) -> int:
    """`left` acts, and right before that call of its `right` writes, expecting the same. How many calls `left` made."""
    name = place.harness.name("entry")
    version = ACTS[act].ready(place, name)
    wire = Wire()
    left, right = place.harness.open(wire), place.fresh()
    for client in (left, right):
        client.survey({name: ""})
    wire.rewind()
    said: dict[str, StoreError | None] = {}
    enter = _entrant(place, act if act in ("create", "fence") else "update", name, version, who="right", store=right)
    if call:
        wire.deeds[call] = lambda: said.update(right=told(enter))
    said["left"] = told(_entrant(place, act, name, version, who="left", store=left))
    calls = wire.calls
    if call:
        _judge(place, act, name, said)
    return calls


def _entrant(place: Place, act: str, name: str, version: Version | None, *, who: str, store: Store) -> Entrant:
    letter = _LETTERS[who]
    if act == "fence":
        return lambda: store.raise_fence(fence(letter), expect=None)
    if act in ("create", "update"):
        payload = place.some(who)
        return lambda: store.write(name, payload, stamp(letter), expect=version, options={}, tags={})
    assert version is not None
    if act == "restamp":
        return lambda: store.restamp(name, stamp(letter), expect=version, tags={})
    return lambda: delete(store, name, expect=version)


def _run(entrants: Iterable[Entrant]) -> Mapping[str, StoreError | None]:
    barrier, said = Barrier(len(_LETTERS)), dict[str, StoreError | None]()

    def enter(who: str, entrant: Entrant) -> None:
        barrier.wait()
        said[who] = told(entrant)

    threads = [Thread(target=enter, args=pair) for pair in zip(_LETTERS, entrants, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def _judge(place: Place, act: str, name: str, said: Mapping[str, StoreError | None]) -> None:
    """Who lost was told so; who was told nothing has its value there, and the stamp speaks for that one."""
    winners = [who for who, error in said.items() if error is None]
    for error in said.values():
        assert error is None or isinstance(error, Conflict), f"{type(error).__name__}, not a Conflict"
    assert winners, "both were refused"
    if act in ("create", "update", "fence") and place.traits.checked:
        assert len(winners) == 1, "both were told that they wrote, and one value is lost"
    if act == "fence":
        stands = place.fresh().survey({}).fences[fence().owner]
        assert stands in [fence(_LETTERS[who]) for who in winners]
        return
    seen, live = place.see(name), place.outside.peek(name)
    if act in ("create", "update") or "right" in winners:
        wrote = winners if act in ("create", "update") else ["right"]
        if not place.traits.checked:  # a Conflict may then say: somebody was in between, and ours is live
            wrote = [*wrote, *(who for who, error in said.items() if error is not None)]
        assert live is not None, "a value is lost without a word"
        assert any(live.same(place.some(who)) for who in wrote), "a value is lost without a word"
    if seen.vouched and seen.stamp is not None:
        assert live is not None
        truths = {stamp(letter).digest: place.some(who) for who, letter in _LETTERS.items()}
        truth = place.some("one") if act == "restamp" and "right" not in winners else truths.get(seen.stamp.digest)
        assert truth is not None
        assert live.same(truth), "a stamp speaks for somebody else's value"
    elif act in ("create", "update") and place.traits.checked:
        raise AssertionError("the winner's value is not stamped")
