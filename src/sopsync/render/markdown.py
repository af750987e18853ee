"""A report as a pull-request comment: GitHub Flavored Markdown that fits, and says what it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sopsync.render.escape import comment, markdown
from sopsync.report import Finding, Report, Row, Severity

LIMIT = 65_536
"""Characters of a comment on GitHub. We count UTF-8 bytes, which are never fewer."""
_RESERVE = 600
"""Bytes for saying what was left out."""
_MARKS = {Severity.ERROR: "x", Severity.WARNING: "!", Severity.NOTE: "i"}


def report_markdown(report: Report, limit: int = LIMIT) -> str:
    """The comment. Its first line says whose it is, so that the next run finds it: see `marker`."""
    head = [marker(report), f"### sopsync {report.command}: {_headline(report)}", ""]
    foot = ["", _said(report)]
    room = _Room(limit - _RESERVE - _size([*head, *foot]))
    notes = room.take([f"> note: {markdown(note)}" for note in report.notes])
    found = room.table(
        ["| | where | what | next |", "|-|-|-|-|"],
        [_finding(f) for f in report.findings if f.severity != Severity.NOTE],
    )
    rows = room.table(["| | entry | keys | from | why |", "|-|-|-|-|-|"], [_row(row) for row in report.rows])
    told = room.table(
        ["| | where | what | next |", "|-|-|-|-|"],
        [_finding(f) for f in report.findings if f.severity == Severity.NOTE],
    )
    body = [*_spaced(notes), *_spaced(found), *_spaced(rows), *_spaced(told)]
    cut = _cut(report, len(rows) - 2, room.dropped)
    return "\n".join([*head, *body, *cut, *foot])


def marker(report: Report) -> str:
    """`<!-- sopsync:plan:sopsync.yaml -->`: one comment for each command and config file."""
    return f"<!-- sopsync:{report.command}:{comment(report.config)} -->"


class _Room:
    """Bytes that are left. What does not fit is dropped, and counted."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.dropped = 0

    def take(self, lines: Iterable[str]) -> list[str]:
        """As many lines as fit."""
        kept: list[str] = []
        for line in lines:
            size = _size([line])
            if size <= self.left and not self.dropped:
                self.left -= size
                kept.append(line)
            else:
                self.dropped += 1
        return kept

    def table(self, head: list[str], lines: Sequence[str]) -> list[str]:
        """The lines under their head; nothing if there are none."""
        if not lines or self.left < _size(head):
            self.dropped += len(lines)
            return []
        self.left -= _size(head)
        return [*head, *self.take(lines)]


def _spaced(lines: list[str]) -> list[str]:
    return [*lines, ""] if lines else []


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 2 for line in lines)


def _headline(report: Report) -> str:
    counts = {action: count for action, count in report.counts.items() if count and action != "unchanged"}
    severities = Counter(f.severity for f in report.findings)
    parts = [f"{count} {action}" for action, count in counts.items()]
    if report.command != "plan" or not parts:
        parts += [f"{severities[s]} {s}{'s' * (severities[s] != 1)}" for s in Severity if severities[s]]
    return " · ".join(parts) or ("no problems" if report.command == "check" else "no changes")


def _finding(found: Finding) -> str:
    where = markdown(f"{found.path}:{found.line}" if found.line else found.path or found.entry)
    mark = f"{_MARKS[found.severity]} {found.severity}"
    return f"| {mark} | {where} | {_lines(found.message)} | {_lines(found.hint)} |"


def _row(row: Row) -> str:
    named = [f"{key.op} {markdown(key.key)}" for key in row.keys]
    named = named or [markdown(name) for name in row.fields if row.action == "create"]
    keys = "<br>".join(named)
    source = markdown(f"{row.path}:{row.line}" if row.line else row.path)
    if row.by is not None:
        source += f"<br>{markdown(f'{row.by.commit[:7]} {row.by.name}')}"
    why = "<br>".join(part for part in (_lines(row.reason), _unsettled(row), _lines(row.hint)) if part)
    glyph = row.glyph.replace("~", "&#126;").replace("*", "&#42;")
    return f"| {glyph} {row.action} | {markdown(row.entry)} | {keys} | {source} | {why} |"


def _unsettled(row: Row) -> str:
    return {"value": "not opened: it may be the same value", "source": "once that file has been opened"}.get(
        row.ask, ""
    )


def _lines(text: str) -> str:
    return "<br>".join(markdown(line.strip()) for line in text.split("\n"))


def _cut(report: Report, shown: int, dropped: int) -> list[str]:
    """What is not there, by action."""
    if not dropped:
        return []
    left = Counter(row.action for row in report.rows[max(shown, 0) :])
    rows = ", ".join(f"{count} {action}" for action, count in left.items())
    also = f" Not shown of the entries: {rows}." if rows else ""
    return [f"**{dropped} lines did not fit into this comment.**{also} `sopsync {report.command}` shows everything."]


def _said(report: Report) -> str:
    """What this was made from, and what it does not prove."""
    parts = [report.summary] if report.command != "diff" else []  # our own words and numbers; diff's are the headline
    if report.config_from:
        parts.append(f"Config from {markdown(report.config_from)}.")
    if report.command == "diff":
        parts.append("From git alone: no keys, no store; what is live was not looked at.")
    if report.command == "plan":
        parts.append("Applies after merge.")
    return " ".join(parts)
