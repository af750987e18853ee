"""Where commands speak: results to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from sopsync.errors import ConfigError, Problem, SopsyncError
from sopsync.render.text import problem_lines, safe


def out(lines: Iterable[str]) -> None:
    """The result, on standard output."""
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def err(lines: Iterable[str]) -> None:
    """Anything that is not the result, on standard error."""
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()


def colour() -> bool:
    """Colour on a terminal, none in a pipe; https://no-color.org is honoured."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def error_lines(error: SopsyncError) -> list[str]:
    """Many problems: a line each, and how many. One: what, and its hint below."""
    problems = error.problems
    if isinstance(error, ConfigError) and any(problem.where for problem in problems):
        return [*(safe(str(problem)) for problem in problems), f"{_count(problems)}; no store contacted"]
    return [line for problem in problems for line in problem_lines(problem)]


def _count(problems: Sequence[Problem]) -> str:
    return f"{len(problems)} problem{'s' * (len(problems) != 1)}"
