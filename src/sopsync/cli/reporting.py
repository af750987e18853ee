"""How plan, check and diff hand in what they found: in the format asked for, failures included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sopsync.cli.exits import UsageError
from sopsync.cli.exits import of_error as exit_of
from sopsync.cli.output import colour, err, error_lines, out
from sopsync.errors import ConfigError, SopsyncError
from sopsync.render.formats import Format, render
from sopsync.report import Report, of_error

_ON_THE_SPOT = (Format.JSON, Format.GITHUB)
"""Formats that are read where they are printed; of a failure in another one, whoever watches is told too."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a report is wanted: printed in one format, and written to files in any number of others."""

    form: Format
    files: tuple[tuple[Format, Path], ...] = ()
    quiet: bool = False
    verbose: bool = False


def wished(
    form: Format, *, json: bool, reports: Sequence[str] | None, quiet: bool = False, verbose: bool = False
) -> Wish:
    """What the options ask for. UsageError for what cannot be."""
    if json and form not in (Format.TEXT, Format.JSON):
        raise UsageError(f"--json, and --format {form.value}", hint="choose one")
    files = tuple(map(_file, reports or ()))
    return Wish(Format.JSON if json else form, files, quiet, verbose)


def _file(text: str) -> tuple[Format, Path]:
    name, _, path = text.partition("=")
    if name not in list(Format) or not path:
        raise UsageError(f'--report "{text}"', hint=f"FORMAT=FILE, with a format of: {', '.join(Format)}")
    return Format(name), Path(path)


def reported(command: str, wish: Wish, config: str, work: Callable[[], Report]) -> int:
    """Do the work, hand in its report, and return its exit code. A failure is a report too, except as text."""
    try:
        report = work()
    except SopsyncError as error:
        if isinstance(error, UsageError):
            raise
        report = of_error(command, error.problems, config=config, exit_code=exit_of(error))
        _write(report, wish)
        if wish.form is Format.TEXT:
            raise
        if wish.form not in _ON_THE_SPOT:
            err(error_lines(error))
    else:
        _write(report, wish)
    quiet = wish.quiet and wish.form is Format.TEXT
    out([report.summary if quiet else render(report, wish.form, colour=colour(), verbose=wish.verbose)])
    return report.exit_code


def _write(report: Report, wish: Wish) -> None:
    for form, path in wish.files:
        try:
            path.write_text(render(report, form, verbose=wish.verbose) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write it: {error.strerror}", where=str(path), hint="name another file") from None
