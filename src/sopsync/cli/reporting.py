"""How plan, check and diff hand in what they found: in the format asked for, failures included."""

from __future__ import annotations

from collections.abc import Callable

from sopsync import report as reports
from sopsync.cli.exits import Exit, UsageError, of_error
from sopsync.cli.output import colour, err, error_lines, out
from sopsync.errors import SopsyncError
from sopsync.render.formats import Format, render
from sopsync.report import Report

_ON_THE_SPOT = (Format.JSON, Format.GITHUB)
"""Formats that are read where they are printed; of a failure in another one, whoever watches is told too."""


def chosen(form: Format, *, json: bool) -> Format:
    """The format, where `--json` is short for one."""
    if json and form not in (Format.TEXT, Format.JSON):
        raise UsageError(f"--json, and --format {form.value}", hint="choose one")
    return Format.JSON if json else form


def reported(
    command: str, form: Format, config: str, work: Callable[[], Report], *, quiet: bool = False, verbose: bool = False
) -> int:
    """Do the work, print its report, and return its exit code. A failure is a report too, in every format but text."""
    try:
        report = work()
    except SopsyncError as error:
        if form is Format.TEXT or isinstance(error, UsageError):
            raise
        report = reports.of_error(command, error.problems, config=config, exit_code=of_error(error))
        if form not in _ON_THE_SPOT:
            err(error_lines(error))
    quiet = quiet and form is Format.TEXT
    out([report.summary if quiet else render(report, form, colour=colour(), verbose=verbose)])
    return Exit(report.exit_code)
