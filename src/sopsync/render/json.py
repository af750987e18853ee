"""Reports and outcomes as JSON for programs: one object, `format_version` 1; never a value, or its length or digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sopsync.apply import Outcome
from sopsync.errors import Problem
from sopsync.report import Report

FORMAT = 1


def report_json(report: Report) -> str:
    """A report, field by field: its JSON Schema is `sopsync schema report`."""
    return dump(asdict(report))


def outcomes_json(report: Report, outcomes: Sequence[Outcome]) -> str:
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
    return dump({**asdict(report), "command": "apply", "outcomes": rows})


def problems_json(problems: Sequence[Problem], *, exit_code: int) -> str:
    """What went wrong, when nothing else can be said."""
    return dump({"format_version": FORMAT, "exit": exit_code, "problems": [problem(p) for p in problems]})


def problem(p: Problem) -> dict[str, str]:
    """One problem as an object."""
    return {"where": p.where, "what": p.what, "hint": p.hint}


def dump(thing: Any) -> str:
    """One JSON document, indented."""
    # ascii: a path that is not UTF-8 carries surrogates, which no encoder would take
    return json.dumps(thing, indent=2, ensure_ascii=True)
