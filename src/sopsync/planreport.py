"""A plan as a report: its rows, what in it to look at, and the line that sums it up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sopsync.change import Action, Change, Plan
from sopsync.errors import Problem
from sopsync.report import Finding, Key, Report, Row, Severity, finding, place, worst_first

_FINDINGS = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT, Action.UNKNOWN)
_CHANGES = (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.RESTAMP, Action.RESTORE, Action.DELETE)
_SEVERITY = {
    Action.DRIFT: Severity.WARNING,
    Action.ORPHAN: Severity.NOTE,
    Action.CONFLICT: Severity.ERROR,
    Action.UNKNOWN: Severity.ERROR,
}


def of_plan(
    plan: Plan,
    refused: Sequence[Problem],
    *,
    config: str,
    config_from: str = "",
    verbose: bool = False,
    exit_code: int = 0,
) -> Report:
    """A plan; unchanged entries are rows only with `verbose`. `refused`: why apply would not carry it out."""
    counts = Counter(change.action for change in plan.changes)
    return Report(
        command="plan",
        exit_code=exit_code,
        commit=plan.commit,
        branch=plan.branch,
        config=config,
        config_from=config_from,
        summary=summary(plan),
        counts={action.value: counts[action] for action in Action},
        rows=tuple(_row(c) for c in plan.changes if verbose or c.action is not Action.UNCHANGED),
        findings=_plan_findings(plan, refused),
        notes=plan.notes,
        sealed=plan.sealed,
        filtered=plan.filtered,
        files_decrypted=plan.opened,
        values_read=plan.read,
    )


def _row(change: Change) -> Row:
    origin, want = change.origin, change.desired
    return Row(
        glyph=change.action.glyph,
        action=change.action.value,
        store=change.ref.store,
        name=change.ref.name,
        owner=change.owner,
        reason=change.reason,
        hint=change.hint,
        path=origin.path if origin else "",
        pointer=origin.pointer if origin else "",
        line=place(want.where)[1] if want else 0,
        keys=tuple(Key(key.op, key.key) for key in change.keys),
        fields=want.names if want else (),
        ask=change.ask.value if change.ask else "",
        same_value=change.same,
        version=change.seen.version if change.seen else None,
    )


def _plan_findings(plan: Plan, refused: Sequence[Problem]) -> tuple[Finding, ...]:
    """What to look at: broken files, and entries that are not as they should be. Unknown for one reason: once."""
    found = [finding(problem, "unreadable-file") for problem in plan.broken]
    found += [Finding(Severity.ERROR, "refused", f"apply would refuse: {p.what}", p.hint) for p in refused]
    lumps = Counter((c.ref.store, c.reason, c.hint) for c in plan.changes if c.action is Action.UNKNOWN)
    for change in plan.changes:
        severity = Severity.ERROR if change.blocks else _SEVERITY.get(change.action)
        if severity is None:
            continue
        path, line = place(change.desired.where) if change.desired else ("", 0)
        ref = change.ref
        many = lumps[ref.store, change.reason, change.hint] if change.action is Action.UNKNOWN else 1
        if many > 1:
            message = f"unknown: {many} entries of {ref.store}: {change.reason}"
            found.append(Finding(severity, "unknown", message, change.hint))
        else:
            message = f"{change.action}: {ref}" + (f": {change.reason}" if change.reason else "")
            found.append(Finding(severity, change.action.value, message, change.hint, path, line, str(ref)))
    return worst_first(found)


def summary(plan: Plan) -> str:
    """`Plan: 1 create, 1 update · 1 drift. No files decrypted.`"""
    counts = Counter(change.action for change in plan.changes)
    opened = _opened(plan)
    done, found = tally(counts, _CHANGES, _adopted(plan)), tally(counts, _FINDINGS)
    if not done and not found:
        total = sum(counts.values())
        if plan.read and plan.read == total:
            return f"No changes. {entries(total)} verified by value."
        return f"No changes. {entries(total)} in step with git. {opened}"
    return f"Plan: {' · '.join(part for part in (done, found) if part)}. {opened}"


def _adopted(plan: Plan) -> str:
    """What taking over means: how many live values are git's already, and how many would be overwritten."""
    found = Counter(change.same for change in plan.changes if change.action is Action.ADOPT)
    parts = [f"{found[True]} only stamped"] * bool(found[True]) + [f"{found[False]} overwritten"] * bool(found[False])
    return f" ({', '.join(parts)})" if parts else ""


def tally(counts: Mapping[Action, int], which: Iterable[Action] = _CHANGES, adopted: str = "") -> str:
    """`1 create, 2 update`; "" if there is none. `adopted`: what to say behind their number."""
    said = {Action.ADOPT: adopted}
    return ", ".join(f"{counts[action]} {action.value}{said.get(action, '')}" for action in which if counts.get(action))


def entries(count: int) -> str:
    """`1 entry`, `3 entries`."""
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _opened(plan: Plan) -> str:
    read = f", {plan.read} value{'s' * (plan.read != 1)} read" if plan.read else ""
    if not plan.opened:
        return "Sealed: no keys used, MACs not verified, values not read." if plan.sealed else "No files decrypted."
    return f"{plan.opened} file{'s' * (plan.opened != 1)} decrypted{read}."
