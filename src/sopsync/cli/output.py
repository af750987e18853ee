"""Where commands speak: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from sopsync.errors import ConfigError, Problem, SopsyncError, printable
from sopsync.render.text import problem_lines


def out(lines: Iterable[str]) -> None:
    """The result, on standard output."""
    _write(sys.stdout, lines)


def err(lines: Iterable[str]) -> None:
    """Anything that is not the result, on standard error."""
    _write(sys.stderr, lines)


def _write(stream: TextIO | None, lines: Iterable[str]) -> None:
    if stream is None:  # closed by whoever started us
        return
    for line in lines:
        stream.write(line + "\n")
    stream.flush()


def colour() -> bool:
    """Colour on a terminal, none in a pipe; https://no-color.org is honoured."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def error_lines(error: SopsyncError) -> list[str]:
    """Many problems: a line each, and how many. One: what, and its hint below."""
    problems = error.problems
    if isinstance(error, ConfigError) and any(problem.where for problem in problems):
        return [*(printable(str(problem)) for problem in problems), f"{_count(problems)}; no store contacted"]
    return [line for problem in problems for line in problem_lines(problem)]


def _count(problems: Sequence[Problem]) -> str:
    return f"{len(problems)} problem{'s' * (len(problems) != 1)}"
