"""How plan, check and diff hand in what they found: in the format asked for, failures included."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sopsync.cli.exits import UsageError
from sopsync.cli.exits import of_error as exit_of
from sopsync.cli.output import colour, err, error_lines, out
from sopsync.errors import ConfigError, Problem, SopsyncError
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


def reported(command: str, wish: Wish, config: str, work: Callable[[], Report], *, output: Path | None = None) -> int:
    """Do the work, hand in its report, and return its exit code. A failure is a report too, except as text.

    `output`: a file that the work is to write. ConfigError, with nothing begun, if that or a report cannot be written.
    """
    _check_writable([path for _, path in wish.files] + ([output] if output else []))
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


def _check_writable(paths: Sequence[Path]) -> None:
    problems = [
        Problem(str(path), f"cannot write it: {why}", "name another file")
        for path in paths
        if (why := _unwritable(path))
    ]
    if problems:
        raise ConfigError.of(problems)


def _unwritable(path: Path) -> str:
    """Why a file cannot be written, or "". What is there is left as it is, and what is not there is not made."""
    try:
        new = not path.exists()
        if not (new or path.is_file() or path.is_dir()):  # a pipe: to open it is to use it
            return "" if os.access(path, os.W_OK) else "Permission denied"
        path.open("ab").close()
        if new:
            path.resolve().unlink()  # through a link that led nowhere
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        return getattr(error, "strerror", None) or "it cannot be found"
    return ""


def _write(report: Report, wish: Wish) -> None:
    for form, path in wish.files:
        try:
            path.write_text(render(report, form, verbose=wish.verbose) + "\n", encoding="utf-8")
        except OSError as error:
            # no ConfigError: by now a store may have been contacted
            raise SopsyncError(
                f"cannot write it: {error.strerror}", where=str(path), hint="name another file"
            ) from None
