"""Plans and outcomes as JSON for programs: one object, `format_version` 1; never a value, or its length or digest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sopsync.apply import Outcome
from sopsync.change import Action, Change, Plan
from sopsync.errors import Problem

FORMAT = 1


def plan_json(plan: Plan, refused: Sequence[Problem], *, verbose: bool) -> str:
    """The plan; unchanged entries only with `verbose`, their number always."""
    return dump({**_plan(plan, verbose=verbose), "refused": [problem(p) for p in refused]})


def outcomes_json(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    """The plan and, under `outcomes`, what became of each change."""
    rows = [
        {
            "store": o.change.ref.store,
            "name": o.change.ref.name,
            "action": o.change.action.value,
            "status": o.status.value,
            "version": o.version,
            "problem": problem(o.problem) if o.problem else None,
        }
        for o in outcomes
    ]
    return dump({**_plan(plan, verbose=False), "outcomes": rows})


def check_json(commit: str, *, files: int, entries: int, notes: Sequence[str]) -> str:
    """A commit with no problems."""
    return dump({"format_version": FORMAT, "commit": commit, "files": files, "entries": entries, "notes": list(notes)})


def problems_json(problems: Sequence[Problem], *, exit_code: int) -> str:
    """What went wrong, when nothing else can be said."""
    return dump({"format_version": FORMAT, "exit": exit_code, "problems": [problem(p) for p in problems]})


def problem(p: Problem) -> dict[str, str]:
    """One problem as an object."""
    return {"where": p.where, "what": p.what, "hint": p.hint}


def _plan(plan: Plan, *, verbose: bool) -> dict[str, Any]:
    counts = Counter(change.action.value for change in plan.changes)
    shown = [c for c in plan.changes if verbose or c.action is not Action.UNCHANGED]
    return {
        "format_version": FORMAT,
        "commit": plan.commit,
        "branch": plan.branch or None,
        "sealed": plan.sealed,
        "filtered": plan.filtered,
        "files_decrypted": plan.opened,
        "values_read": plan.read,
        "summary": {action.value: counts[action.value] for action in Action},
        "changes": [_change(c) for c in shown],
        "problems": [problem(p) for p in plan.broken],
        "notes": list(plan.notes),
    }


def _change(change: Change) -> dict[str, Any]:
    origin = change.origin
    return {
        "store": change.ref.store,
        "name": change.ref.name,
        "action": change.action.value,
        "owner": change.owner,
        "reason": change.reason,
        "hint": change.hint,
        "origin": {"path": origin.path, "pointer": origin.pointer} if origin else None,
        "keys": [{"op": key.op, "key": key.key} for key in change.keys],
        "expect": change.seen.version if change.seen else None,
        "settled": change.ask is None,
        "same_value": change.same,
    }


def dump(thing: Any) -> str:
    """As all our JSON is written."""
    # ascii: a path that is not UTF-8 carries surrogates, which no encoder would take
    return json.dumps(thing, indent=2, ensure_ascii=True)
