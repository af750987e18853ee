"""Runs as Prometheus metrics (text format 0.0.4): gauges of the last run, and counters that survive in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sopsync.errors import Problem
from sopsync.reconcile.result import Result

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Samples = dict[str, list[tuple[Labels, float]]]

GAUGES = {
    "sopsync_entries": "Entries as the last run left them, by store and state.",
    "sopsync_overdue_rotations": "Secrets past their rotate_after.",
    "sopsync_last_run_timestamp_seconds": "When the last run started, Unix time.",
    "sopsync_last_run_duration_seconds": "How long it took.",
    "sopsync_last_run_exit_code": "How it ended: the exit codes of sopsync.",
    "sopsync_last_run_changes": "Entries the last run wrote, by store and action; a dry run: found to be written.",
    "sopsync_last_run_failures": "Changes of the last run that failed, went stale or were not tried, by store.",
    "sopsync_last_run_api_calls": "Calls the last run made to a store.",
    "sopsync_last_run_verified": "Live values the last run read and compared.",
    "sopsync_last_success_timestamp_seconds": "When the last run started that ended well, Unix time; 0: none yet.",
    "sopsync_last_success_age_seconds": "Seconds since a run ended well, by a clock that no step moves; only while up.",
}
COUNTERS = {
    "sopsync_runs_total": "Runs, by exit code.",
    "sopsync_changes_total": "Entries written, by store and action; in a dry run: found to be written.",
    "sopsync_failures_total": "Changes that failed, went stale or were not tried, by store.",
    "sopsync_api_calls_total": "Calls made to a store.",
    "sopsync_verified_total": "Live values read and compared.",
    "sopsync_notification_failures_total": "Webhook notifications that nobody took.",
}


@dataclass
class Totals:
    """What adds up over runs, and when one last ended well."""

    counters: Counter[tuple[str, Labels]] = field(default_factory=Counter)
    success: float = 0.0
    """Unix time, 0 for none."""

    def add(self, result: Result) -> None:
        """Count one run."""
        self.counters["sopsync_runs_total", (("exit", str(int(result.code))),)] += 1
        for store, changes in result.changes.items():
            for action, n in changes.items():
                self.counters["sopsync_changes_total", (("store", store), ("action", action))] += n
        for store, n in result.failures.items():
            self.counters["sopsync_failures_total", (("store", store),)] += n
        for store, n in result.calls.items():
            self.counters["sopsync_api_calls_total", (("store", store),)] += n
        self.counters["sopsync_verified_total", ()] += result.verified
        self.counters["sopsync_notification_failures_total", ()] += 0
        if succeeded(result):
            self.success = result.started


def succeeded(result: Result) -> bool:
    """Whether a run did all there was to do; a dry run: whether it could look at everything."""
    return result.code == 0 or (result.dry and result.code == 2)


def render(result: Result, totals: Totals, age: float | None = None) -> str:
    """The whole exposition. `age`: seconds since a run ended well, where somebody has been there to count them."""
    return text(whole(result, totals, age))


def whole(result: Result, totals: Totals, age: float | None = None) -> Samples:
    """The same as data."""
    samples = gauges(result)
    samples["sopsync_last_success_timestamp_seconds"] = [((), totals.success)]
    samples["sopsync_last_success_age_seconds"] = [((), age)] if age is not None else []
    for (name, labels), n in totals.counters.items():
        samples.setdefault(name, []).append((labels, n))
    return samples


def text(samples: Samples) -> str:
    """In the order of the tables above, whatever the order they came in."""
    return "".join(_family(name, samples[name]) for name in (*GAUGES, *COUNTERS) if samples.get(name))


def gauges(result: Result) -> Samples:
    """What one run says of itself, without what was before it."""
    found: Samples = {
        "sopsync_entries": _by(result.entries, "state"),
        "sopsync_overdue_rotations": [((), result.overdue)] if result.entries else [],
        "sopsync_last_run_timestamp_seconds": [((), result.started)],
        "sopsync_last_run_duration_seconds": [((), result.seconds)],
        "sopsync_last_run_exit_code": [((), int(result.code))],
        "sopsync_last_run_changes": _by(result.changes, "action"),
        "sopsync_last_run_failures": [((("store", store),), n) for store, n in result.failures.items()],
        "sopsync_last_run_api_calls": [((("store", store),), n) for store, n in result.calls.items()],
        "sopsync_last_run_verified": [((), result.verified)],
    }
    if succeeded(result):
        found["sopsync_last_success_timestamp_seconds"] = [((), result.started)]
    return found


def _by(table: Mapping[str, Mapping[str, int]], what: str) -> list[tuple[Labels, float]]:
    return [((("store", store), (what, word)), n) for store, row in table.items() for word, n in row.items()]


def _family(name: str, found: list[tuple[Labels, float]]) -> str:
    kind, about = ("gauge", GAUGES[name]) if name in GAUGES else ("counter", COUNTERS[name])
    rows = [f"{name}{_labels(labels)} {value:.15g}\n" for labels, value in sorted(found)]
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n{''.join(rows)}"


def _labels(labels: Labels) -> str:
    # names of stores and actions: nothing in them needs escaping (config_model.StoreName)
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""


_ROW = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[0-9.e+]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def recall(text: str) -> Totals:
    """The totals in a file that `render` wrote. What cannot be read counts from nothing."""
    totals = Totals()
    for row in filter(None, map(_ROW.fullmatch, text.splitlines())):
        with suppress(ValueError, OverflowError):
            if row["name"] in COUNTERS:
                labels = tuple(_LABEL.findall(row["labels"] or ""))
                totals.counters[row["name"], labels] = int(float(row["value"]))
            elif row["name"] == "sopsync_last_success_timestamp_seconds":
                totals.success = float(row["value"])
    return totals


def load(path: Path | None) -> Totals:
    """The totals as the last run left them; a file that is not there or not ours counts from nothing."""
    try:
        # a device may have no end
        return recall(path.read_text("utf-8", "replace")) if path is not None and path.is_file() else Totals()
    except OSError:
        return Totals()


def save(path: Path, text: str) -> Problem | None:
    """Put the text there whole, or leave what is there. The problem, if it could not be written.

    Only a plain file gives way to another: /dev/null is there for others too.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        if path.exists() and not path.is_file():
            return Problem(str(path), "cannot be written: not a plain file", "--metrics-file another place")
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        what = f"cannot be written: {error.strerror}; it still says what it said before"
        return Problem(str(path), what, "make room, or --metrics-file another place")
    return None


def nothing_yet() -> str:
    """What a process shows before its first run has ended."""
    return _family("sopsync_last_success_timestamp_seconds", [((), 0.0)])
