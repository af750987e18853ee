"""The leak guard: no test may let a secret reach standard output, standard error or a log.

A pytest plugin (see tests/conftest.py), active for every test. It reads what pytest captured, what a test itself took
out of `capsys` or `capfd`, every log record from DEBUG up, and what tests hand over with `leaks.watch`. A test that
shows a secret on purpose says why: `@pytest.mark.reveals("reason")`.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from typing import Any

import pytest

from tests.support import leaks

_READ = pytest.CaptureFixture.readouterr
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_seen: list[tuple[str, leaks.Text]] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reveals(reason): the test shows a secret on purpose; the leak guard looks away")
    leaks.add_watcher(_note)
    pytest.CaptureFixture.readouterr = _readouterr  # type: ignore[method-assign]
    # a record nobody would see today is a leak on the day somebody turns on debugging
    logging.getLogger().addHandler(_Records())
    logging.getLogger().setLevel(logging.DEBUG)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("reveals"):
        if not (marker.args and marker.args[0]):
            pytest.fail("say why: @pytest.mark.reveals(reason)", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """After each phase of a test: judge what it showed; a leak fails the phase."""
    report: pytest.TestReport = yield
    shown = [(name, text) for name, text in report.sections if name.endswith(call.when)] + _seen
    _seen.clear()
    if item.get_closest_marker("reveals") is not None:
        return report
    if found := [leak for name, text in shown for leak in leaks.scan(text, where=name)]:
        report.sections = [(name, leaks.redact(text)) for name, text in report.sections]
        told = "\n".join(["leak guard: this test showed a secret", *(f"  {leak}" for leak in found)])
        if report.failed:
            report.sections.append(("leak guard", told))
        else:
            report.outcome, report.longrepr = "failed", told
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("capture") == "no":
        terminalreporter.write_line("leak guard: with -s, output cannot be searched; logs were", yellow=True)


def _note(channel: str, text: leaks.Text) -> None:
    if text:
        _seen.append((channel, text))


def _readouterr(self: pytest.CaptureFixture[Any]) -> Any:
    """What a test takes out of a capture fixture is gone for pytest: note it on the way."""
    result = _READ(self)
    _note("standard output, read by the test", result.out)
    _note("standard error, read by the test", result.err)
    return result


class _Records(logging.Handler):
    """Notes each log record: message, exception, and whatever was attached to it."""

    def emit(self, record: logging.LogRecord) -> None:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        attached = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        _note(
            f"log record of {record.name!r}",
            "\n".join([record.getMessage(), trace, repr(attached) if attached else ""]),
        )
