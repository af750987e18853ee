"""Laws of versions: nothing happens to an entry that is not what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sopsync.errors import Conflict
from sopsync.model import State, Version
from sopsync.stores.testing.place import NO_VERSION, Empty, Place, delete, fence, stamp, told

_HOLDS = {
    ("absent", "write", "none"),
    ("live", "write", "now"),
    ("live", "restamp", "now"),
    ("live", "read", "now"),
    ("live", "delete", "now"),
    ("deleted", "write", "now"),
}
"""(state, what is tried, version expected): all that succeeds. Everything else is a conflict and changes nothing."""


class VersionLaws:
    """Expect, restamp, delete, restore, history, fence."""

    def test_what_does_not_hold_is_a_conflict_and_changes_nothing(self, empty: Empty) -> None:
        place = Place(empty())
        states = ["absent", "live", *(["deleted"] if place.traits.recoverable else [])]
        for state in states:
            for number, (deed, expected) in enumerate(_tries()):
                name = place.harness.name(f"{state}{deed}{chr(97 + number)}")
                versions = _bring_about(place, name, state)
                act = _deed(place, name, deed, versions[expected])
                if (state, deed, expected) in _HOLDS:
                    act()
                else:
                    with place.refuses(name, Conflict), place.changes_nothing(name):
                        act()

    def test_each_write_makes_a_version_that_its_stamp_names(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("entry")
        first = place.write(name, place.some("one"), stamp("a"))
        second = place.write(name, place.some("two"), stamp("b"), expect=first)
        # and back: what it held before is no reason not to write it
        third = place.write(name, place.some("one"), stamp("a"), expect=second)
        assert len({first, second, third}) == 3
        assert place.holds(name, place.some("one"))
        seen = place.see(name)
        assert (seen.state, seen.version, seen.vouched) == (State.PRESENT, third, True)
        assert seen.stamp == stamp("a").naming(third)

    def test_a_restamp_makes_no_version(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("entry")
        version = place.write(name, place.some("one"), stamp("a"))
        before = [past.version for past in place.fresh().history(name)]
        place.store.restamp(name, stamp("b"), expect=version, tags={})
        seen = place.see(name)
        assert (seen.version, seen.vouched, seen.stamp) == (version, True, stamp("b").naming(version))
        assert place.holds(name, place.some("one"))
        assert [past.version for past in place.fresh().history(name)] == before

    def test_tags_follow_the_last_word(self, empty: Empty) -> None:
        place = Place(empty())
        if not place.traits.tags:
            pytest.skip("the store takes no tags")
        name = place.harness.name("tagged")
        version = place.write(name, place.some("one"), tags={"team": "payments", "tier": "1"})
        assert dict(place.outside.tags(name)) == {"team": "payments", "tier": "1"}
        place.store.restamp(name, stamp(), expect=version, tags={"team": "web"})
        assert dict(place.outside.tags(name)) == {"team": "web"}
        place.write(name, place.some("two"), expect=version)
        assert dict(place.outside.tags(name)) == {}

    def test_what_was_deleted_can_be_had_back(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("entry")
        version = place.write(name, place.some("one"))
        delete(place.store, name, expect=version)
        seen = place.see(name)
        assert place.outside.peek(name) is None
        assert not seen.vouched
        if place.traits.recoverable:
            assert (seen.state, seen.version, seen.owner) == (State.RECOVERABLE, version, stamp().owner)
            place.write(name, place.some("two"), stamp("b"), expect=version)
        else:
            assert seen.state is State.ABSENT
            place.write(name, place.some("two"), stamp("b"))
        assert place.holds(name, place.some("two"))
        assert place.see(name).vouched

    def test_history_is_newest_first_and_true(self, empty: Empty) -> None:
        place = Place(empty())
        name, version = place.harness.name("entry"), None
        written: dict[Version, str] = {}
        for letter in "abc":
            version = place.write(name, place.some(letter), stamp(letter), expect=version)
            written[version] = letter * 32
        past = list(place.fresh().history(name))
        assert [p.version for p in past] == list(reversed(written))[: len(past)]
        assert past[0].version == version
        assert past[0].alive
        assert past[0].stamp is not None
        for p in past:
            assert p.stamp is None or (p.stamp.digest, p.stamp.version) == (written[p.version], p.version)
        assert list(place.store.history(place.harness.name("nowhere"))) == []

    def test_a_fence_moves_only_from_where_it_was_seen(self, empty: Empty) -> None:
        place = Place(empty())
        first, second, theirs = fence("a"), fence("b"), fence("e", "contract/theirs")
        assert place.store.survey({}).fences == {}
        _conflict(lambda: place.store.raise_fence(second, expect=first))
        place.store.raise_fence(first, expect=None)
        place.store.raise_fence(theirs, expect=None)
        _conflict(lambda: place.store.raise_fence(second, expect=None))
        place.store.raise_fence(second, expect=first)
        _conflict(lambda: place.store.raise_fence(first, expect=first))
        place.fresh().raise_fence(second, expect=second)
        before = place.store.calls
        place.store.raise_fence(second, expect=second)
        assert place.store.calls - before <= place.harness.expected.fence, "whether it stands there is one look"
        survey = place.fresh().survey({})
        assert survey.fences == {second.owner: second, theirs.owner: theirs}
        assert survey.entries == (), "a fence is not an entry"


def _tries() -> Iterator[tuple[str, str]]:
    for deed in ("write", "restamp", "delete", "read"):
        for expected in ("none", "now", "before", "never"):
            if deed == "write" or expected != "none":
                yield deed, expected


def _bring_about(place: Place, name: str, state: str) -> dict[str, Version | None]:
    """The versions that may be expected of an entry brought into a state."""
    if state == "absent":
        return {"none": None, "now": Version("1"), "before": Version("0"), "never": NO_VERSION}
    before = place.write(name, place.some("before"))
    now = place.write(name, place.some("now"), expect=before)
    if state == "deleted":
        delete(place.store, name, expect=now)
    return {"none": None, "now": now, "before": before, "never": NO_VERSION}


def _deed(place: Place, name: str, deed: str, expect: Version | None) -> Callable[[], object]:
    if deed == "write":
        return lambda: place.write(name, place.some("next"), expect=expect)
    assert expect is not None
    match deed:
        case "restamp":
            return lambda: place.store.restamp(name, stamp("b"), expect=expect, tags={})
        case "delete":
            return lambda: delete(place.store, name, expect=expect)
        case _:
            return lambda: place.store.read(name, expect=expect)


def _conflict(act: Callable[[], object]) -> None:
    assert isinstance(told(act), Conflict), "a fence moves only from where it was seen"
