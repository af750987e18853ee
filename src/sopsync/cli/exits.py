"""Exit codes, and which wins when a run earns several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Plan
from sopsync.errors import Refused, SopsyncError, StalePlan


class Exit(IntEnum):
    """What the caller should make of it."""

    DONE = 0
    ERROR = 1
    PENDING = 2
    PARTLY = 3
    REFUSED = 4
    STALE = 5
    USAGE = 64


class UsageError(SopsyncError):
    """The command line asks for what cannot be."""


PRECEDENCE = (Exit.USAGE, Exit.ERROR, Exit.STALE, Exit.PARTLY, Exit.REFUSED, Exit.PENDING, Exit.DONE)
"""Worst first."""

_OPEN = (Action.DRIFT, Action.CONFLICT)


def worst(codes: Iterable[Exit]) -> Exit:
    """The code that wins; DONE if there is none."""
    return min(codes, key=PRECEDENCE.index, default=Exit.DONE)


def of_error(error: SopsyncError) -> Exit:
    """A run that ended in this error."""
    match error:
        case StalePlan():
            return Exit.STALE
        case Refused():
            return Exit.REFUSED
        case UsageError():
            return Exit.USAGE
        case _:
            return Exit.ERROR


def of_plan(plan: Plan, *, detailed: bool) -> Exit:
    """A plan: an error if anything could not be read; with `detailed`, PENDING if anything is to do or to look at."""
    if plan.broken or any(change.action is Action.UNKNOWN for change in plan.changes):
        return Exit.ERROR
    pending = any(change.action.writes or change.action in _OPEN for change in plan.changes)
    return Exit.PENDING if detailed and pending else Exit.DONE


def of_apply(plan: Plan, outcomes: Sequence[Outcome]) -> Exit:
    """An apply that was not refused as a whole."""
    statuses = {outcome.status for outcome in outcomes}
    codes = []
    if Status.STALE in statuses:
        codes.append(Exit.STALE)
    unread = bool(plan.broken) or any(change.action is Action.UNKNOWN for change in plan.changes)
    if unread or statuses & {Status.FAILED, Status.SKIPPED}:
        # nothing done and nothing in step: there is no part that was applied
        some = Status.DONE in statuses or any(c.action is Action.UNCHANGED for c in plan.changes)
        codes.append(Exit.PARTLY if some else Exit.ERROR)
    if any(change.action is Action.CONFLICT for change in plan.changes):
        codes.append(Exit.REFUSED)
    return worst(codes)
