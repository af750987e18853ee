"""The only thing that refuses: reasons why a plan must not be applied as it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sopsync.change import Action, Plan
from sopsync.errors import Problem
from sopsync.model import Ref, State


@dataclass(frozen=True, slots=True)
class Threshold:
    """Refused when more than `share` (0 to 1) of an owner's entries in a store, and at least `least`, would change."""

    share: float
    least: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much one run may change before somebody has to look."""

    update: Threshold = Threshold(0.30, 10)
    delete: Threshold = Threshold(0.30, 3)


_OVERWRITES = {Action.UPDATE: "update", Action.ADOPT: "update", Action.DELETE: "delete"}


def guard(plan: Plan, thresholds: Thresholds, fences: Sequence[Problem], *, force: bool) -> tuple[Problem, ...]:
    """All reasons not to apply `plan`; empty means go. `fences` are the fences that do not let it pass.

    `force` sets the thresholds aside and nothing else.
    """
    problems = [*fences, *_blocking(plan)]
    if not force:
        problems += _too_much(plan, thresholds)
    return tuple(problems)


def _blocking(plan: Plan) -> Iterator[Problem]:
    for change in plan.changes:
        if change.blocks:
            yield Problem(str(change.ref), f"{change.reason}", change.hint)


def _too_much(plan: Plan, thresholds: Thresholds) -> Iterator[Problem]:
    """Counts settled changes: an adopted entry whose value is git's already is not overwritten."""
    estate: Counter[Ref] = Counter()
    touched: Counter[tuple[Ref, str]] = Counter()
    for change in plan.changes:
        whose = Ref(change.ref.store, change.owner)
        live = change.seen is not None and change.seen.state is State.PRESENT
        estate[whose] += live
        settled = change.ask is None and not (change.action is Action.ADOPT and change.same)
        if change.action in _OVERWRITES and live and settled:
            touched[whose, _OVERWRITES[change.action]] += 1
    for (whose, kind), count in sorted(touched.items()):
        limit = thresholds.update if kind == "update" else thresholds.delete
        share = count / estate[whose]
        if count >= limit.least and share > limit.share:
            yield Problem(
                "",
                f"{whose.store}: {count} of {estate[whose]} entries of {whose.name} would be {kind}d: "
                f"{share:.0%} is over {limit.share:.0%}",
                f"look at the plan; if it is right: sopsync apply --force, or thresholds: {{{kind}s: …}} in the config",
            )
