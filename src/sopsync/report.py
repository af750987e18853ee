"""What a command has to say, before it is in any format: rows, findings, notes and counts as frozen data.

The JSON output is this, field by field; `sopsync schema report` prints its JSON Schema. Nothing in it is a value, a
length, or a digest. Texts may come from a pull request: each renderer escapes them for its own format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

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
