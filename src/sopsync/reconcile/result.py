"""What one scheduled run has to say, as frozen data: no values, nothing that needs the session any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Change, Plan
from sopsync.errors import Problem

WRITES = tuple(action for action in Action if action.writes)
FINDINGS = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT, Action.UNKNOWN)
STATES = ("in_sync", "pending", *(action.value for action in FINDINGS))


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: `kind` is an action (drift, …), a status (failed, …), or `error`, `refused`, `file`, `overdue`."""

    kind: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Done:
    """One change that was carried out, or would be (a dry run)."""

    store: str
    name: str
    action: str
    status: str


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Counts are by store first; a run that ended before any store was looked at has none."""

    code: int
    """The exit code."""
    started: float = 0.0
    """Unix time."""
    seconds: float = 0.0
    commit: str = ""
    dry: bool = False
    entries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Store → state (STATES) → entries, as the run leaves them."""
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Store → action → entries written; in a dry run: to be written."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Store → changes that failed, were stale, or were not tried."""
    calls: Mapping[str, int] = field(default_factory=dict)
    verified: int = 0
    """Live values read and compared."""
    overdue: int = 0
    """Secrets past their rotate_after."""
    findings: tuple[Finding, ...] = ()
    done: tuple[Done, ...] = ()
    audit: str = ""
    """Digest of the last line of the audit trail, if one is kept."""

    def counts(self) -> dict[str, int]:
        """The totals of a run, in the order they are shown."""
        total: Counter[str] = Counter()
        for by_action in self.changes.values():
            total.update(by_action)
        for by_state in self.entries.values():
            total.update({state: n for state, n in by_state.items() if state not in ("in_sync", "pending")})
        words = {Action.CREATE: "created", Action.UPDATE: "updated", Action.ADOPT: "adopted"}
        words |= {Action.RESTAMP: "restamped", Action.RESTORE: "restored", Action.DELETE: "deleted"}
        return {
            **{words[action]: total[action.value] for action in WRITES},
            **{action.value: total[action.value] for action in FINDINGS},
            "failed": sum(self.failures.values()),
            "calls": sum(self.calls.values()),
            "verified": self.verified,
            "overdue": self.overdue,
        }


def by_state(plan: Plan, outcomes: Sequence[Outcome], stores: Sequence[str]) -> dict[str, dict[str, int]]:
    """Store → state → entries, counted after the writes. Every store and every state has a number."""
    written = {o.change.ref for o in outcomes if o.status is Status.DONE}
    found = {store: dict.fromkeys(STATES, 0) for store in stores}
    for change in plan.changes:
        if change.action is Action.DELETE and change.ref in written:
            continue
        found.setdefault(change.ref.store, dict.fromkeys(STATES, 0))[_state(change, done=change.ref in written)] += 1
    return found


def _state(change: Change, *, done: bool) -> str:
    if change.action is Action.UNCHANGED or done:
        return "in_sync"
    return "pending" if change.action.writes else change.action.value


def by_action(changes: Sequence[Change], stores: Sequence[str]) -> dict[str, dict[str, int]]:
    """Store → action → how many. Every store and every writing action has a number."""
    found = {store: {action.value: 0 for action in WRITES} for store in stores}
    for change in changes:
        found[change.ref.store][change.action.value] += 1
    return found


def findings(plan: Plan, outcomes: Sequence[Outcome], refused: Sequence[Problem]) -> Iterator[Finding]:
    """Every problem once; entries of one store that are unknown for one reason are one problem."""
    for problem in plan.broken:
        yield Finding("file", problem)
    lumps: dict[tuple[str, str, str], list[Change]] = {}
    for change in plan.changes:
        if change.action is Action.UNKNOWN:
            lumps.setdefault((change.ref.store, change.reason, change.hint), []).append(change)
    for (store, reason, hint), alike in lumps.items():
        one = len(alike) == 1 and bool(alike[0].ref.name)
        what = reason if len(alike) == 1 else f"{len(alike)} entries: {reason}"
        yield Finding("unknown", Problem(str(alike[0].ref) if one else store, what, hint))
    for change in plan.changes:
        if change.action in (Action.DRIFT, Action.ORPHAN, Action.CONFLICT):
            yield Finding(change.action.value, Problem(str(change.ref), change.reason, change.hint))
    for outcome in outcomes:
        if outcome.problem is not None:
            said = outcome.problem
            yield Finding(outcome.status.value, Problem(str(outcome.change.ref), said.what, said.hint))
    for problem in refused:
        yield Finding("refused", problem)
