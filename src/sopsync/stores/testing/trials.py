"""Every fault and every foreign deed, at every call of every scenario: was it safe, and did one more run heal it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sopsync.stores.testing.deeds import DEEDS, DISOWNS, WRITES, possible
from sopsync.stores.testing.driver import glance
from sopsync.stores.testing.harness import Fault, Wire
from sopsync.stores.testing.place import Empty, Place
from sopsync.stores.testing.stage import Scenario, Stage


@dataclass(frozen=True)
class Trial:
    """A fault at a call; or a deed right before it; or the fault, and the deed after that run."""

    scenario: Scenario
    call: int
    fault: Fault | None = None
    deed: str = ""

    def __str__(self) -> str:
        where = f"call {self.call} {self.fault}" if self.fault else f"before call {self.call}"
        return f"{self.scenario.name}: {where}{f', {self.deed}' if self.deed else ''}"


@dataclass(frozen=True)
class Clean:
    """The undisturbed run: its calls, how many of them only look, how many come before it writes to the entry, and how
    many versions there are in the end."""

    calls: int
    looks: int
    before: int
    versions: int


@dataclass(frozen=True)
class Verdict:
    """Why a trial was unsafe, and why it did not heal; empty where it was and did."""

    trial: Trial
    unsafe: str
    unhealed: str

    def __str__(self) -> str:
        said = [f"UNSAFE: {self.unsafe}"] if self.unsafe else []
        said += [f"NOT HEALED: {self.unhealed}"] if self.unhealed else []
        return f"{self.trial}: {'; '.join(said)}"


def measure(scenario: Scenario, empty: Empty) -> Clean:
    """Run it once with nothing in the way. AssertionError if even that does not converge."""
    stage = Stage(empty(), scenario)
    wire = Wire()
    glance(stage.harness.open(wire), stage.wants)
    looks = wire.calls
    wire.rewind()
    run = stage.run(wire)
    wrong = stage.untrue(run) or stage.unsettled(touched=False)
    assert not wrong, f"{scenario.name}, with nothing in the way: {wrong}"
    writes = stage.harness.expected.create if scenario.name == "create" else 0
    return Clean(wire.calls, looks, wire.calls - writes, stage.versions())


def trials(scenario: Scenario, clean: Clean, place: Place) -> Iterator[Trial]:
    """Every fault at every call; every deed before every call and after the last; every crash, then every deed."""
    deeds = [deed for deed in DEEDS if possible(deed, place)]
    for call in range(1, clean.calls + 1):
        yield from (Trial(scenario, call, fault) for fault in Fault)
    for call in range(1, clean.calls + 2):
        looked = clean.looks < call <= clean.calls and place.outside.reuses_versions
        yield from (Trial(scenario, call, deed=deed) for deed in deeds if not (looked and deed == "replace"))
    # a crash while looking leaves nothing to look at
    for call in range(clean.looks + 1, clean.calls + 1):
        yield from (Trial(scenario, call, Fault.AFTER, deed) for deed in deeds)


def judge(trial: Trial, clean: Clean, empty: Empty) -> Verdict:
    """Carry a trial out: disturb a run, run again, look."""
    stage = Stage(empty(), trial.scenario)
    unsafe = _disturb(trial, clean, stage)
    # 1. A stranger's value stays until the config says adopt.
    if trial.deed in DISOWNS and not stage.adopt and (stage.foreign_now() or stage.only_claimed()):
        unsafe = unsafe or stage.trespass()
        stage.adopt = True
    # 2. One more run. What is live is not taken for git's value when it is not.
    again = stage.run()
    unsafe = unsafe or stage.blind(again)
    # 3. All is as git wants it now; and a fault alone leaves no version too many.
    unhealed = stage.unsettled(touched=bool(trial.deed))
    if not trial.deed and not unhealed and stage.versions() != clean.versions:
        unhealed = f"{stage.versions()} versions; a clean run makes {clean.versions}"
    return Verdict(trial, unsafe, unhealed)


def _disturb(trial: Trial, clean: Clean, stage: Stage) -> str:
    """The first run, with the fault or the deed, or the deed after the fault. Why that was unsafe already, or ""."""
    wire, acted = Wire(), list[str]()

    def act() -> None:
        acted.append(trial.deed)
        DEEDS[trial.deed](stage.place.outside, stage.name, stage.foreign)

    if trial.fault is not None:
        wire.faults[trial.call] = trial.fault
    elif trial.deed:
        wire.deeds[trial.call] = act
    run = stage.run(wire)
    if not trial.deed:
        return stage.untrue(run)
    if not acted:
        act()
    if trial.deed not in WRITES:
        return ""
    checked = stage.place.traits.checked  # a store that cannot compare may overwrite what came between
    if trial.call > clean.looks and checked and not stage.live(stage.foreign):
        return "a value that nobody had looked at was overwritten"
    # before a fault nothing is certain: a store may have settled the lost answer, and gone on
    free = trial.scenario.name == "create" and not trial.fault and trial.call <= clean.before + 1
    if free and (checked or stage.live(stage.foreign)) and not stage.foreign_now():
        return "a stranger's entry was claimed"
    return ""
