"""Laws of convergence: whatever goes wrong or gets in between, plan and apply see it, and heal it in one more run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sopsync.change import Action
from sopsync.stores.testing.driver import Want, glance, reconcile
from sopsync.stores.testing.harness import Wire
from sopsync.stores.testing.place import Empty, Place
from sopsync.stores.testing.plugin import MATRIX
from sopsync.stores.testing.stage import SCENARIOS
from sopsync.stores.testing.trials import judge, measure, trials


class ConvergenceLaws:
    """Plan and apply over a store, disturbed."""

    def test_after_apply_a_plan_finds_nothing(self, empty: Empty) -> None:
        place = Place(empty())
        names = [place.harness.name("entry" + letter) for letter in "abcde"]
        wants = {name: Want(place.some(name), "a" * 32) for name in names}
        run = reconcile(place.fresh(), wants)
        assert [change.action for change in run.changes] == [Action.CREATE] * len(names)
        wire = Wire()
        again = reconcile(place.harness.open(wire), wants)
        assert [change.action for change in again.changes] == [Action.UNCHANGED] * len(names)
        assert wire.calls == place.harness.expected.survey(len(names)), "a plan with nothing to do only makes a survey"

    def test_all_that_git_no_longer_wants_is_deleted(self, empty: Empty) -> None:
        place = Place(empty())
        kept, gone = place.harness.name("kept"), place.harness.name("gone")
        wants = {name: Want(place.some(name), "a" * 32) for name in (kept, gone)}
        reconcile(place.fresh(), wants)
        del wants[gone]
        reconcile(place.fresh(), wants)
        assert place.outside.peek(gone) is None
        assert place.holds(kept, place.some(kept))
        assert [change.action for change in glance(place.fresh(), wants).changes] == [Action.UNCHANGED]

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_what_gets_in_between_is_seen_and_healed(
        self, empty: Empty, scenario: str, record_property: Callable[[str, object], None]
    ) -> None:
        place, what = Place(empty()), SCENARIOS[scenario]
        if scenario == "restore" and not place.traits.recoverable:
            pytest.skip("what is deleted is gone")
        clean = measure(what, empty)
        verdicts = [judge(trial, clean, empty) for trial in trials(what, clean, place)]
        unsafe = [verdict for verdict in verdicts if verdict.unsafe]
        unhealed = [verdict for verdict in verdicts if verdict.unhealed]
        whose = f"{place.traits.kind}, {type(self).__name__}"
        record_property(MATRIX, [whose, scenario, len(verdicts), len(unsafe), len(unhealed)])
        bad = dict.fromkeys(map(str, (*unsafe, *unhealed)))
        assert not bad, "\n".join([f"{len(bad)} of {len(verdicts)} trials:", *list(bad)[:20]])
