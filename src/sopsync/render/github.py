"""A report as workflow commands of GitHub Actions: annotations at file and line, worst first."""

from __future__ import annotations

from collections.abc import Iterator

from sopsync.errors import printable
from sopsync.render.escape import command_data, command_property
from sopsync.report import Finding, Report, Severity

SHOWN = 10
"""Annotations of one kind that GitHub shows of one step; the rest would be dropped without a word."""
_FOUND = ("drift", "orphan", "conflict", "unknown", "unchanged")
_LOSSES = ("delete", "removed")
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def report_github(report: Report) -> str:
    """One command a finding or change, as many of each kind as are shown; what is more is plain text in the log."""
    lines: list[str] = []
    told = [*report.findings, *_changes(report)]
    for severity, command in _COMMANDS.items():
        found = [f for f in told if f.severity is severity]
        whole = len(found) <= SHOWN
        lines += [_annotation(f, command) for f in (found if whole else found[: SHOWN - 1])]
        if not whole:
            rest = found[SHOWN - 1 :]
            lines.append(f"::{command} title=sopsync::{len(rest)} more of this kind: see the log of this step")
            lines += [line for f in rest for line in _plain(f)]
    lines += [f"note: {printable(note)}" for note in report.notes]
    return "\n".join([*lines, printable(report.summary)])


def _changes(report: Report) -> Iterator[Finding]:
    """Rows that are no findings: what changes, beside what made it change where there is a line that did."""
    for row in report.rows:
        if row.action not in _FOUND:
            keys = f": {', '.join(map(str, row.keys))}" if row.keys else ""
            message = f"{row.glyph} {row.action} {row.entry}{keys}" + (f"\n{row.reason}" if row.reason else "")
            severity = Severity.WARNING if row.action in _LOSSES else Severity.NOTE
            yield Finding(severity, row.action, message, path=row.path if row.line else "", line=row.line)


def _annotation(found: Finding, command: str) -> str:
    properties = [("file", found.path)] if found.path else []
    properties += [("line", str(found.line))] if found.line else []
    properties.append(("title", f"sopsync: {found.rule}"))
    words = ",".join(f"{name}={command_property(value)}" for name, value in properties)
    return f"::{command} {words}::{command_data(_message(found))}"


def _message(found: Finding) -> str:
    return found.message + (f"\nhint: {found.hint}" if found.hint else "")


def _plain(found: Finding) -> Iterator[str]:
    """Never at the start of a line what could be a command."""
    where = f"{found.path}:{found.line}: " if found.line else f"{found.path}: " if found.path else ""
    yield f"{found.severity}: {printable(where + _message(found))}"
