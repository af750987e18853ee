"""Prints the matrix of every store tested, at the end of a pytest run: `pytest -p sopsync.stores.testing.plugin`.

Lines travel as test properties, so they arrive from the workers of pytest-xdist too, and in JUnit files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

MATRIX = "sopsync store contract"
"""The name of the property."""
_ROW = "{:<16} {:>8} {:>8} {:>12}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table a store: trials, unsafe, not healed."""
    for kind, rows in sorted(_rows(terminalreporter.stats).items()):
        terminalreporter.section(f"store contract: {kind}")
        terminalreporter.write_line(_ROW.format("scenario", "trials", "unsafe", "not healed"))
        for scenario, *figures in sorted(rows):
            terminalreporter.write_line(_ROW.format(scenario, *figures))
        totals = (sum(row[column] for row in rows) for column in (1, 2, 3))
        terminalreporter.write_line(_ROW.format("total", *totals))


def _rows(stats: dict[str, list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = defaultdict(list)
    for report in _calls(stats):
        for name, value in report.user_properties:
            if name == MATRIX:
                found[value[0]].append(value[1:])
    return found


def _calls(stats: dict[str, list[Any]]) -> Iterator[Any]:
    for outcome in ("passed", "failed"):
        yield from (report for report in stats.get(outcome, []) if getattr(report, "when", "") == "call")
