"""Laws of the witness: a survey says everything and invents nothing, and a stamp speaks only for what it was put on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sopsync.errors import Conflict
from sopsync.model import Observed, Origin, Stamp, State
from sopsync.stores.testing.deeds import DEEDS, possible
from sopsync.stores.testing.place import COMMIT, NO_VERSION, OURS, THEIRS, Empty, Place, delete, one, stamp


class WitnessLaws:
    """Survey, stamps, and the entries of strangers."""

    def test_an_empty_store_is_empty_and_stays_so(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("nowhere")
        for _ in range(2):
            survey = place.fresh().survey({name: ""})
            assert survey.entries == (Observed(name, State.ABSENT),)
            assert survey.fences == {}

    def test_a_survey_names_all_that_is_ours_and_all_that_was_asked_for(self, empty: Empty) -> None:
        place = Place(empty())
        word = place.harness.name
        ours = [word("first"), word("second"), word("third")]
        for name in ours:
            place.write(name, place.some(name))
        place.write(word("theirs"), place.some("theirs"), stamp(owner=THEIRS))
        place.outside.put(word("stranger"), place.some("stranger"))
        survey = place.fresh().survey(dict.fromkeys([word("stranger"), word("nowhere"), ours[0]], ""))
        seen = {entry.name: entry for entry in survey.entries}
        assert len(seen) == len(survey.entries), "a name was said twice"
        assert all(seen[name].vouched and seen[name].owner == OURS for name in ours)
        assert (seen[word("theirs")].owner, seen[word("theirs")].vouched) == (THEIRS, True)
        stranger = seen[word("stranger")]
        assert (stranger.state, stranger.owner, stranger.stamp) == (State.PRESENT, "", None)
        assert stranger.version
        assert seen[word("nowhere")].state is State.ABSENT

    def test_a_stamp_is_read_as_it_was_written(self, empty: Empty) -> None:
        place = Place(empty())
        stamps = {
            "plain": Stamp(OURS, "a1" * 16, COMMIT, Origin("prod.yaml", "/a/b")),
            "odd": Stamp("o:w.n-e_r@+/x", "b2" * 16, "e" * 64, Origin("döcs/ a=b\udcff.yaml", "/k~1 ü")),
            "longest": Stamp("o" * 64, "c3" * 16, COMMIT, Origin("p" * 60, "")),
            "none": Stamp(OURS, "d4" * 16, COMMIT, None),
        }
        for word, stamped in stamps.items():
            name = place.harness.name(word)
            version = place.write(name, place.some(word), stamped)
            assert place.see(name).stamp == stamped.naming(version)
        # a path too long for its place is cut, and then names nothing rather than something else
        name = place.harness.name("cut")
        place.write(name, place.some("cut"), Stamp(OURS, "e5" * 16, COMMIT, Origin("p/" * 2000, "/k")))
        cut = place.see(name).stamp
        assert cut is not None
        assert cut.origin in (None, Origin("p/" * 2000, "/k"))

    @pytest.mark.parametrize("deed", DEEDS)
    def test_a_stamp_does_not_speak_for_what_others_did(self, empty: Empty, deed: str) -> None:
        place = Place(empty())
        if not possible(deed, place):
            pytest.skip("the store cannot do that")
        name = place.harness.name("entry")
        first = place.write(name, place.some("one"), stamp("a"))
        place.write(name, place.some("two"), stamp("b"), expect=first)
        DEEDS[deed](place.outside, name, place.some("foreign"))
        seen, live = place.see(name), place.outside.peek(name)
        truth = {"a" * 32: place.some("one"), "b" * 32: place.some("two")}
        if seen.vouched:
            assert live is not None, "a stamp speaks for an entry that is not there"
            assert seen.stamp is not None
            assert live.same(truth[seen.stamp.digest]), "a stamp speaks for somebody else's value"
        assert (live is not None) is (seen.state is State.PRESENT)
        if seen.state is State.PRESENT:
            # looked at and found good, it can be stamped anew; the stamp then speaks for what is live
            version = place.version(name)
            place.store.restamp(name, stamp("e"), expect=version, tags={})
            assert place.see(name).vouched
            assert live is not None
            assert place.holds(name, live)

    def test_a_deleted_entry_that_comes_back_is_the_same_entry(self, empty: Empty) -> None:
        place = Place(empty())
        if not place.traits.recoverable:
            pytest.skip("what is deleted is gone")
        name = place.harness.name("entry")
        version = place.write(name, place.some("one"))
        place.outside.soft_delete(name)
        seen = place.see(name)
        assert (seen.state, seen.version, seen.vouched, seen.owner) == (State.RECOVERABLE, version, False, OURS)
        place.outside.undelete(name)
        seen = place.see(name)
        assert (seen.state, seen.version) == (State.PRESENT, version)
        assert place.holds(name, place.some("one"))

    def test_a_strangers_entry_withstands_every_wrong_expectation(self, empty: Empty) -> None:
        place = Place(empty())
        for whose in _STRANGERS:
            name = place.harness.name(whose.word)
            if whose.owner:
                place.write(name, place.some("theirs"), stamp(owner=whose.owner))
            else:
                place.outside.put(name, place.some("theirs"))
            for expect in (None, NO_VERSION):
                with place.refuses(name, Conflict), place.changes_nothing(name):
                    place.write(name, place.some("ours"), expect=expect)
            with place.refuses(name, Conflict), place.changes_nothing(name):
                place.store.restamp(name, stamp(), expect=NO_VERSION, tags={})
            with place.refuses(name, Conflict), place.changes_nothing(name):
                delete(place.store, name, expect=NO_VERSION)
            # asked to by a plan that knows what it takes over, it does
            place.write(name, place.some("ours"), expect=place.version(name))
            assert (place.see(name).owner, place.see(name).vouched) == (OURS, True)

    def test_nothing_shows_a_value(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("entry")
        version = place.write(name, one("shown"))
        store = place.fresh()
        shown = [repr(store), str(store), repr(store.survey({name: ""})), repr(list(store.history(name)))]
        shown += [repr(store.read(name, expect=version)), repr(vars(store)) if hasattr(store, "__dict__") else ""]
        assert not any("canary-" in text for text in shown)


@dataclass(frozen=True)
class _Stranger:
    word: str
    owner: str


_STRANGERS = (_Stranger("nobodys", ""), _Stranger("anothers", THEIRS))
