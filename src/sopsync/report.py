"""What a command has to say, before it is in any format: rows, findings, notes and counts as frozen data.

The JSON output is this, field by field; `sopsync schema report` prints its JSON Schema. Nothing in it is a value, a
length, or a digest. Texts may come from a pull request: each renderer escapes them for its own format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sopsync.change import Action, Change, Plan
from sopsync.errors import Problem


class Severity(StrEnum):
    """How bad: an error fails the run, a warning does with `--strict`, a note never does."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `rule` names its kind and does not change between versions."""

    severity: Severity
    rule: str
    message: str
    hint: str = ""
    path: str = ""
    """In the repository; "" where no file is to blame."""
    line: int = 0
    """From 1; 0 is the file as a whole."""
    entry: str = ""
    """`store:name`, if it is about one."""


@dataclass(frozen=True, slots=True)
class Author:
    """The commit a change comes from. What its author wrote is printable, and nothing else is sure about it."""

    commit: str
    name: str
    date: str
    """RFC 3339, or ""."""
    subject: str


@dataclass(frozen=True, slots=True)
class Key:
    """One field of an entry: `op` is + (added), ~ (changed), * (re-encrypted) or - (removed)."""

    op: str
    key: str

    def __str__(self) -> str:
        return f"{self.op} {self.key}"


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, and what becomes or became of it."""

    glyph: str
    action: str
    store: str
    name: str
    owner: str = ""
    reason: str = ""
    hint: str = ""
    path: str = ""
    pointer: str = ""
    line: int = 0
    keys: tuple[Key, ...] = ()
    fields: tuple[str, ...] = ()
    """Names of all fields it is to have; empty for a single value."""
    ask: str = ""
    """What is not settled: "value" (it may be the same) or "source" (the file must be opened first)."""
    same_value: bool | None = None
    version: str | None = None
    """The store's own version that was looked at."""
    by: Author | None = None

    @property
    def entry(self) -> str:
        """`store:name`."""
        return f"{self.store}:{self.name}"


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `exit_code` is that of the command."""

    command: str
    format_version: Literal[1] = 1
    exit_code: int = 0
    commit: str = ""
    branch: str = ""
    base: str = ""
    """diff: the commit compared with."""
    config: str = ""
    """Path of the config file."""
    config_from: str = ""
    """Where the config was taken from, if not from the commit."""
    summary: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Action → how many entries; of unchanged ones too, which are rows only where asked for."""
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Worst first."""
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """check: the files looked at."""
    sealed: bool = False
    filtered: bool = False
    files_decrypted: int = 0
    values_read: int = 0


_FINDINGS = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT, Action.UNKNOWN)
_CHANGES = (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.RESTAMP, Action.RESTORE, Action.DELETE)
_SEVERITY = {
    Action.DRIFT: Severity.WARNING,
    Action.ORPHAN: Severity.NOTE,
    Action.CONFLICT: Severity.ERROR,
    Action.UNKNOWN: Severity.ERROR,
}


def place(where: str) -> tuple[str, int]:
    """(path, line) of a problem's `where`; line 0 if it names none."""
    path, _, line = where.rpartition(":")
    return (path, int(line)) if path and line.isdecimal() else (where, 0)


def finding(problem: Problem, rule: str, severity: Severity = Severity.ERROR) -> Finding:
    """A problem of a file as a finding."""
    path, line = place(problem.where)
    return Finding(severity, rule, problem.what, problem.hint, path, line)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once: errors, warnings, notes; within those by place."""
    order = list(Severity)
    return tuple(sorted(dict.fromkeys(found), key=lambda f: (order.index(f.severity), f.path, f.line, f.entry)))


def of_error(command: str, problems: Sequence[Problem], *, config: str, exit_code: int) -> Report:
    """A command that could not be done at all."""
    found = worst_first(finding(problem, "error") for problem in problems)
    return Report(command, exit_code=exit_code, config=config, summary=problem_count(len(found)), findings=found)


def problem_count(count: int) -> str:
    """`1 problem`, `3 problems`."""
    return f"{count} problem{'s' * (count != 1)}"


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
    done, found = tally(counts, _CHANGES), tally(counts, _FINDINGS)
    if not done and not found:
        total = sum(counts.values())
        if plan.read and plan.read == total:
            return f"No changes. {entries(total)} verified by value."
        return f"No changes. {entries(total)} in step with git. {opened}"
    return f"Plan: {' · '.join(part for part in (done, found) if part)}. {opened}"


def tally(counts: Mapping[Action, int], which: Iterable[Action] = _CHANGES) -> str:
    """`1 create, 2 update`; "" if there is none."""
    return ", ".join(f"{counts[action]} {action.value}" for action in which if counts.get(action))


def entries(count: int) -> str:
    """`1 entry`, `3 entries`."""
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _opened(plan: Plan) -> str:
    read = f", {plan.read} value{'s' * (plan.read != 1)} read" if plan.read else ""
    if not plan.opened:
        return "Sealed: no keys used, MACs not verified, values not read." if plan.sealed else "No files decrypted."
    return f"{plan.opened} file{'s' * (plan.opened != 1)} decrypted{read}."
