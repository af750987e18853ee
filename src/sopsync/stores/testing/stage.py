"""One entry in one store, with a bystander beside it, on which a trial is played; and what can be said of it then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sopsync.apply import Status
from sopsync.change import Action, Change
from sopsync.model import Payload, State
from sopsync.stores.testing.driver import FENCE, Run, Want, glance, reconcile
from sopsync.stores.testing.harness import Harness, Wire
from sopsync.stores.testing.place import MARK, OURS, Place, delete, stamp


@dataclass(frozen=True)
class Scenario:
    """What has happened before, and what git wants now (`wants` None: the entry no more)."""

    name: str
    before: Callable[[Place, str], object]
    wants: str | None
    digest: str = "b" * 32
    adopt: bool = False


def _applied(place: Place, name: str) -> None:
    """As two earlier runs leave it, so that there is a version to roll back to."""
    place.store.raise_fence(FENCE, expect=None)
    version = place.write(name, place.some("zero"), stamp("0"))
    place.write(name, place.some("one"), stamp("a"), expect=version)


def _drifted(place: Place, name: str) -> None:
    _applied(place, name)
    place.outside.put(name, place.some("drift"))


def _deleted(place: Place, name: str) -> None:
    _applied(place, name)
    delete(place.store, name, expect=place.version(name))


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", lambda _place, _name: None, "two"),
        Scenario("unchanged", _applied, "one", "a" * 32),
        Scenario("update", _applied, "two"),
        Scenario("re-encrypted", _applied, "one"),
        # where a foreign write takes our mark away, what drifted is to be adopted
        Scenario("drifted", _drifted, "one", "a" * 32, adopt=True),
        Scenario("adopt", lambda place, name: place.outside.put(name, place.some("theirs")), "two", adopt=True),
        Scenario("adopt same", lambda place, name: place.outside.put(name, place.some("two")), "two", adopt=True),
        Scenario("restore", _deleted, "two"),
        Scenario("delete", _applied, None),
    )
}


class Stage:
    """A scenario brought about in an empty store."""

    def __init__(self, harness: Harness, scenario: Scenario) -> None:
        self.harness = harness
        self.place = Place(harness)
        self.name = harness.name("entry")
        self.foreign = self.place.some("foreign")
        self.adopt = scenario.adopt
        """What the config says now."""
        self.want: Payload | None = None if scenario.wants is None else self.place.some(scenario.wants)
        self.wants = {} if self.want is None else {self.name: Want(self.want, scenario.digest)}
        self._bystander = harness.name("bystander")
        self.place.outside.put(self._bystander, self.place.some("bystander"))
        scenario.before(self.place, self.name)

    def run(self, wire: Wire | None = None) -> Run:
        """One plan and apply, by a client of its own."""
        return reconcile(self.harness.open(wire or Wire()), self.wants, adopt=self.adopt)

    def live(self, payload: Payload | None) -> bool:
        """Whether exactly this is live."""
        live = self.place.outside.peek(self.name)
        return live is None and payload is None if payload is None or live is None else live.same(payload)

    def versions(self) -> int:
        return len(list(self.place.fresh().history(self.name)))

    def foreign_now(self) -> bool:
        """Whether the entry is there, or can be had back, and is not ours."""
        seen = self.place.see(self.name)
        return seen.state in (State.PRESENT, State.RECOVERABLE) and seen.owner != OURS

    def only_claimed(self) -> bool:
        """Whether a create of ours that was cut off left its mark, and somebody else's value is live under it."""
        seen = self.place.see(self.name)
        return seen.state is State.PRESENT and seen.owner == OURS and seen.stamp is None and self.live(self.foreign)

    # -- what is unsafe: each says why, or ""

    def blind(self, run: Run) -> str:
        """A run that found nothing to do over a value that is not git's; or that touched somebody else's entry."""
        for change in run.changes:
            if change.ref.name == self.name and change.action is Action.UNCHANGED and not self.live(self.want):
                return "the plan says unchanged, and the live value is another one"
        bystander = self.place.outside.peek(self._bystander)
        if bystander is None or not bystander.same(self.place.some("bystander")):
            return "a stranger's entry was changed"
        return ""

    def untrue(self, run: Run) -> str:
        """A run that says done what is not, or shows a value."""
        told = [problem for outcome in run.outcomes if (problem := outcome.problem)]
        if any(MARK.decode() in text for text in (*map(str, told), *(change.reason for change in run.changes))):
            return "a value is in a message"
        if any(outcome.status is Status.DONE for outcome in run.outcomes) and not self.live(self.want):
            return "the run says done, and it is not"
        return ""

    def trespass(self) -> str:
        """A run that nobody told to adopt, over an entry that is not ours."""
        live = self.place.outside.peek(self.name)
        reconcile(self.place.fresh(), self.wants)
        return "" if self.live(live) else "a stranger's value was overwritten"

    # -- what is not healed

    def unsettled(self, *, touched: bool) -> str:
        """Why a plan now would not be clean, or "". `touched`: others had their hands in it."""
        change = self._planned()
        if self.want is not None:
            clean = change is not None and change.action is Action.UNCHANGED and self.live(self.want)
            return "" if clean else f"the plan says {change.action if change else 'nothing'}"
        if change is not None and change.action.writes:
            return f"the plan says {change.action}"
        seen = self.place.see(self.name)
        # what others wrote meanwhile is kept, and said
        kept = touched and not seen.vouched and (seen.owner != OURS or change is not None)
        return "" if kept or seen.state is not State.PRESENT else "it is still there"

    def _planned(self) -> Change | None:
        plan = glance(self.harness.open(Wire()), self.wants, adopt=self.adopt)
        return next((change for change in plan.changes if change.ref.name == self.name), None)
