"""Reports and outcomes as text for people: glyph and word, columns, one hint where there is a next step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from sopsync.apply import Outcome, Status
from sopsync.errors import Problem, printable
from sopsync.planreport import tally
from sopsync.report import Finding, Report, Row, Severity

_COLOURS = {
    "create": "32", "update": "33", "adopt": "36", "restamp": "2", "restore": "32", "delete": "31",
    "drift": "35", "orphan": "2", "conflict": "31", "unknown": "31",
    "added": "32", "changed": "33", "re-encrypted": "2", "rerouted": "36", "removed": "31",
}  # fmt: skip
_WIDEST = 60
_LONG_ID = re.compile(r"(?<!\S)v([\w-]{8})[\w-]{19,51}([\w-]{5})(?=[\s,;]|$)", re.ASCII)
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html: 32 to 64 characters."""


def report_lines(report: Report, *, colour: bool, verbose: bool) -> Iterator[str]:
    """Any report; the last line of its body is the summary."""
    render = {"check": check_lines, "diff": diff_lines}.get(report.command)
    yield from render(report, colour=colour) if render else plan_lines(report, colour=colour, verbose=verbose)


def plan_lines(report: Report, *, colour: bool, verbose: bool) -> Iterator[str]:
    """The whole plan; after the summary only why apply would refuse it."""
    broken = [f for f in report.findings if f.rule == "unreadable-file"]
    if verbose or report.notes or broken:
        yield f"commit {report.commit[:7]}" + (f" ({printable(report.branch)})" if report.branch else "")
    yield from _notes(report)
    for found in broken:
        yield from problem_lines(_problem(found))
    yield from _rows(report.rows, colour=colour)
    yield report.summary
    for found in report.findings:
        if found.rule == "refused":
            yield printable(found.message)
            if found.hint:
                yield f"  hint: {printable(found.hint)}"


def check_lines(report: Report, *, colour: bool) -> Iterator[str]:  # noqa: ARG001 - as its siblings
    """Every finding on a line of its own, as compilers do, and how many there are."""
    yield from _notes(report)
    for found in report.findings:
        yield ("" if found.severity is Severity.ERROR else f"{found.severity}: ") + printable(str(_problem(found)))
    yield report.summary


def diff_lines(report: Report, *, colour: bool) -> Iterator[str]:
    """What changed in git, entry by entry, and what to look at."""
    yield f"commit {report.commit[:7]}, since {report.base[:7]}"
    yield from _notes(report)
    yield from _rows(report.rows, colour=colour)
    for found in report.findings:
        yield from problem_lines(_problem(found), prefix=f"{found.severity}: ")
    yield report.summary


def _notes(report: Report) -> Iterator[str]:
    return (f"note: {printable(note)}" for note in report.notes)


def _problem(found: Finding) -> Problem:
    return Problem(f"{found.path}:{found.line}" if found.line else found.path, found.message, found.hint)


def _rows(rows: Sequence[Row], *, colour: bool) -> Iterator[str]:
    for store, of_store in groupby(rows, key=lambda row: row.store):
        yield printable(store)
        yield from _store_lines(list(of_store), colour=colour)


def _store_lines(rows: list[Row], *, colour: bool) -> Iterator[str]:
    word = max(len(row.action) for row in rows)
    name = min(_WIDEST, max(len(printable(row.name)) for row in rows))
    lumps = Counter((row.reason, row.hint) for row in rows if row.action == "unknown")
    told: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.reason, row.hint) if row.action == "unknown" else ("", "")
        head = paint(f"{row.glyph} {row.action:<{word}}", row.action, colour=colour)
        indent = " " * (word + 6)
        reason, *rest = short(row.reason).split("\n")  # a report of several lines; names in it are harmless
        if lumps[key] > 1:
            if key in told:
                continue
            told.add(key)
            said = f"{lumps[key]} entries: {printable(reason)}"
        else:
            said = f"{printable(row.name) or 'everything':<{name}}  {'  '.join(map(printable, detail(row, reason)))}"
        yield f"  {head}  {said}".rstrip()
        yield from (f"{indent}{printable(line.strip())}" for line in rest)
        if row.by is not None:
            yield f"{indent}{printable(f'{row.by.commit[:7]}  {row.by.date[:10]}  {row.by.name}  {row.by.subject}')}"
        if row.hint:
            yield f"{indent}hint: {printable(row.hint)}"


def detail(row: Row, reason: str) -> list[str]:
    """The right-hand column: which keys, why, or from where."""
    parts: list[str] = []
    origin = row.path + (f":{row.pointer}" if row.pointer else "")
    if row.keys:
        parts += map(str, row.keys)
    elif row.action == "create" and origin:
        parts.append(", ".join(row.fields) if row.fields else origin)
    elif (row.action == "update" and not row.reason) or row.action in ("added", "changed", "re-encrypted", "removed"):
        parts.append(origin)
    if row.action == "adopt" and row.same_value is not None:
        parts.append("same value, only stamped" if row.same_value else "overwrites the live value")
    if reason:
        parts.append(reason)
    if row.ask == "value":
        parts.append("(not opened: it may turn out to be the same value)")
    if row.ask == "source":
        parts.append("(only once that file has been opened)")
    return parts


def outcome_lines(outcomes: Sequence[Outcome], *, colour: bool) -> Iterator[str]:
    """One line a change (there is at least one), problems with their hints, and a last line that counts."""
    word = max(len(o.change.action.value) for o in outcomes)
    name = min(_WIDEST, max(len(printable(str(o.change.ref))) for o in outcomes))
    for o in outcomes:
        head = paint(f"{o.change.action.glyph} {o.change.action.value:<{word}}", o.change.action, colour=colour)
        tail = short(f"v{o.version}" if o.version else (o.problem.what if o.problem else ""))
        ref = printable(str(o.change.ref))
        yield f"  {head}  {ref:<{name}}  {o.status.value:<7}  {printable(tail)}".rstrip()
        if o.problem and o.problem.hint and o.status is Status.FAILED:
            yield f"{' ' * (word + 6)}hint: {printable(o.problem.hint)}"
    yield applied_summary(outcomes)


def applied_summary(outcomes: Sequence[Outcome]) -> str:
    """`Applied: 2 create.`, or by status when not all went well, with the next step."""
    statuses = Counter(o.status for o in outcomes)
    if set(statuses) == {Status.DONE}:
        return f"Applied: {tally(Counter(o.change.action for o in outcomes))}."
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


def short(text: str) -> str:
    """With both ends of version ids that are longer than a line has room for: of sopsync's own in Secrets Manager the
    first says which ciphertext, the last which of its versions. JSON has them whole."""
    return _LONG_ID.sub(r"v\1…\2", text)


def paint(text: str, action: str, *, colour: bool) -> str:
    """The text in its action's colour."""
    return f"\x1b[{_COLOURS[action]}m{text}\x1b[0m" if colour and action in _COLOURS else text
