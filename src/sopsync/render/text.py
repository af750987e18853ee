"""Plans and outcomes as text for people: glyph and word, columns, one hint where there is a next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Ask, Change, Plan
from sopsync.errors import Problem, printable

_COLOURS = {
    Action.CREATE: "32", Action.UPDATE: "33", Action.ADOPT: "36", Action.RESTAMP: "2", Action.RESTORE: "32",
    Action.DELETE: "31", Action.DRIFT: "35", Action.ORPHAN: "2", Action.CONFLICT: "31", Action.UNKNOWN: "31",
}  # fmt: skip
_WIDEST = 60
_FINDINGS = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT, Action.UNKNOWN)
_CHANGES = (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.RESTAMP, Action.RESTORE, Action.DELETE)


def plan_lines(plan: Plan, refused: Sequence[Problem], *, colour: bool, verbose: bool) -> Iterator[str]:
    """The whole plan; the last line is the summary."""
    if verbose or plan.notes or plan.broken:
        yield f"commit {plan.commit[:7]}" + (f" ({printable(plan.branch)})" if plan.branch else "")
    for note in plan.notes:
        yield f"note: {printable(note)}"
    for problem in plan.broken:
        yield from problem_lines(problem)
    shown = [c for c in plan.changes if verbose or c.action is not Action.UNCHANGED]
    for store, changes in groupby(shown, key=lambda change: change.ref.store):
        yield printable(store)
        yield from _store_lines(list(changes), colour=colour)
    yield summary(plan)
    for problem in refused:
        yield f"apply would refuse: {printable(problem.what)}"
        if problem.hint:
            yield f"  hint: {printable(problem.hint)}"


def _store_lines(changes: list[Change], *, colour: bool) -> Iterator[str]:
    word = max(len(change.action.value) for change in changes)
    name = min(_WIDEST, max(len(printable(change.ref.name)) for change in changes))
    lumps = Counter((c.reason, c.hint) for c in changes if c.action is Action.UNKNOWN)
    told: set[tuple[str, str]] = set()
    for change in changes:
        key = (change.reason, change.hint) if change.action is Action.UNKNOWN else ("", "")
        head = paint(f"{change.action.glyph} {change.action.value:<{word}}", change.action, colour=colour)
        indent = " " * (word + 6)
        reason, *rest = change.reason.split("\n")  # a report of several lines; names in it are harmless
        if lumps[key] > 1:
            if key in told:
                continue
            told.add(key)
            said = f"{lumps[key]} entries: {printable(reason)}"
        else:
            said = f"{printable(change.ref.name) or 'everything':<{name}}  {_detail(change, reason)}"
        yield f"  {head}  {said}".rstrip()
        yield from (f"{indent}{printable(line.strip())}" for line in rest)
        if change.hint:
            yield f"{indent}hint: {printable(change.hint)}"


def _detail(change: Change, reason: str) -> str:
    """The right-hand column: which keys, why, or from where. A newline in a name must not make a line of its own."""
    want = change.desired
    parts: list[str] = []
    if change.keys:
        parts.append("  ".join(map(str, change.keys)))
    elif change.action is Action.CREATE and want is not None:
        parts.append(", ".join(want.names) if want.names else str(want.origin))
    elif change.action is Action.UPDATE and not change.reason and want is not None:
        parts.append(str(want.origin))
    if change.action is Action.ADOPT and change.same is not None:
        parts.append("same value, only stamped" if change.same else "overwrites the live value")
    if reason:
        parts.append(reason)
    if change.ask is Ask.VALUE:
        parts.append("(not opened: it may turn out to be the same value)")
    if change.ask is Ask.SOURCE:
        parts.append("(only once that file has been opened)")
    return "  ".join(map(printable, parts))


def summary(plan: Plan) -> str:
    """`Plan: 1 create, 1 update · 1 drift. No files decrypted.`"""
    counts = Counter(change.action for change in plan.changes)
    opened = _opened(plan)
    done, found = _counts(counts, _CHANGES, _adopted(plan)), _counts(counts, _FINDINGS)
    if not done and not found:
        total = sum(counts.values())
        if plan.read and plan.read == total:
            return f"No changes. {_entries(total)} verified by value."
        return f"No changes. {_entries(total)} in step with git. {opened}"
    return f"Plan: {' · '.join(part for part in (done, found) if part)}. {opened}"


def _adopted(plan: Plan) -> str:
    """What taking over means: how many live values are git's already, and how many would be overwritten."""
    found = Counter(change.same for change in plan.changes if change.action is Action.ADOPT)
    parts = [f"{found[True]} only stamped"] * bool(found[True]) + [f"{found[False]} overwritten"] * bool(found[False])
    return f" ({', '.join(parts)})" if parts else ""


def _opened(plan: Plan) -> str:
    read = f", {plan.read} value{'s' * (plan.read != 1)} read" if plan.read else ""
    if not plan.opened:
        return "Sealed: no keys used, MACs not verified, values not read." if plan.sealed else "No files decrypted."
    return f"{plan.opened} file{'s' * (plan.opened != 1)} decrypted{read}."


def _counts(counts: Counter[Action], which: Iterable[Action], adopted: str = "") -> str:
    said = {Action.ADOPT: adopted}
    return ", ".join(f"{counts[action]} {action.value}{said.get(action, '')}" for action in which if counts[action])


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def outcome_lines(outcomes: Sequence[Outcome], *, colour: bool) -> Iterator[str]:
    """One line a change (there is at least one), problems with their hints, and a last line that counts."""
    word = max(len(o.change.action.value) for o in outcomes)
    name = min(_WIDEST, max(len(printable(str(o.change.ref))) for o in outcomes))
    for o in outcomes:
        head = paint(f"{o.change.action.glyph} {o.change.action.value:<{word}}", o.change.action, colour=colour)
        tail = f"v{o.version}" if o.version else (o.problem.what if o.problem else "")
        ref = printable(str(o.change.ref))
        yield f"  {head}  {ref:<{name}}  {o.status.value:<7}  {printable(tail)}".rstrip()
        if o.problem and o.problem.hint and o.status is Status.FAILED:
            yield f"{' ' * (word + 6)}hint: {printable(o.problem.hint)}"
    yield applied_summary(outcomes)


def applied_summary(outcomes: Sequence[Outcome]) -> str:
    """`Applied: 2 create.`, or by status when not all went well, with the next step."""
    statuses = Counter(o.status for o in outcomes)
    if set(statuses) == {Status.DONE}:
        return f"Applied: {_counts(Counter(o.change.action for o in outcomes), _CHANGES)}."
    counts = ", ".join(f"{statuses[s]} {s.value}" for s in Status if statuses[s])
    hint = "sopsync plan" if statuses[Status.STALE] else "run sopsync apply again"
    return f"Applied: {counts}. hint: {hint}"


def problem_lines(problem: Problem, *, prefix: str = "error: ") -> Iterator[str]:
    """`error: path:line: what`, then its hint on a line of its own."""
    head = f"{problem.where}: {problem.what}" if problem.where else problem.what
    first, *rest = head.split("\n")
    yield prefix + printable(first)
    yield from ("  " + printable(line.strip()) for line in rest)
    if problem.hint:
        yield f"  hint: {printable(problem.hint)}"


def paint(text: str, action: Action, *, colour: bool) -> str:
    """The text in its action's colour."""
    return f"\x1b[{_COLOURS[action]}m{text}\x1b[0m" if colour and action in _COLOURS else text
