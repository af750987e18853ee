"""The commands, how they are found, and how a failure becomes a message and an exit code."""

from __future__ import annotations

import io
import logging
import re
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import apply, audit, blame, check, diff, init, plan, policy, reconcile, schema, status, versions
from sopsync.cli.exits import Exit, UsageError, of_error
from sopsync.cli.output import err, error_lines, out
from sopsync.errors import SopsyncError

_SDK_LOGGERS = ("azure", "boto3", "botocore", "google", "hvac", "requests", "urllib3")

_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""

app = typer.Typer(
    name="sopsync",
    help="Reconcile SOPS-encrypted secrets from git to the stores that serve them.",
    epilog="Exit codes: 0 done · 1 error · 2 changes pending · 3 partly applied · 4 refused · 5 stale plan · 64 usage.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    init.init,
    check.check,
    plan.plan,
    diff.diff,
    apply.apply,
    reconcile.reconcile,
    blame.blame,
    status.status,
    versions.versions,
    policy.policy,
    schema.schema,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(audit.audit)


@app.callback(invoke_without_command=True)
def _root(*, version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        from sopsync import __version__

        out([f"sopsync {__version__}"])
        raise typer.Exit


def run(argv: Sequence[str]) -> int:
    """Run one command line; every way it can end becomes an exit code here."""
    _harden()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that this terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_empty(argv)
        code = int(app(args=list(argv), prog_name="sopsync", standalone_mode=False) or 0)
    except SopsyncError as error:
        _report(error, as_json=_wants_json(argv))
        return of_error(error)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = None
        return Exit.ERROR
    except OSError as error:
        err([f"error: {error.strerror or type(error).__name__}"])
        return Exit.ERROR
    except Exception as error:  # noqa: BLE001 - the last line of defence: a message could quote a secret
        return _unforeseen(error)
    if code != _INTERRUPTED:
        return code
    err(["stopped"])
    return Exit.ERROR


def _refuse_empty(argv: Sequence[str]) -> None:
    """UsageError for an empty argument: a variable that a job forgot to set must not turn into the default."""
    for before, word in pairwise(["", *argv]):
        if word == "" or re.fullmatch(r"--[a-z-]+=", word):
            option = f"{before} " if re.fullmatch(r"--?[A-Za-z-]+", before) else ""
            what = f"an empty argument: {word or option + repr('')}"
            raise UsageError(what, hint="give it a value, or leave it out")


def _wants_json(argv: Sequence[str]) -> bool:
    """Of a command line that may be no good: as far as it can be told."""
    return "--json" in argv or "--format=json" in argv or ("--format", "json") in pairwise(argv)


def _report(error: SopsyncError, *, as_json: bool) -> None:
    if as_json:
        from sopsync.render.json import problems_json

        out([problems_json(error.problems, exit_code=of_error(error))])
    else:
        err(error_lines(error))


def _unforeseen(error: Exception) -> int:
    """A usage error as typer words it; anything else as its class and where it happened, never its message."""
    worded = getattr(error, "format_message", None)
    if worded is not None and type(error).__name__ == "NoArgsIsHelpError":
        err([worded()])
        return Exit.USAGE
    if worded is not None:
        shown = getattr(error, "ctx", None)
        usage = [shown.get_usage()] if shown is not None else []
        command = shown.command_path if shown is not None else "sopsync"
        err([*usage, f"error: {worded().replace('Value error, ', '')}", f"  hint: {command} --help"])
        return Exit.USAGE
    if type(error).__name__ == "Abort":
        err(["stopped; nothing was written"])
        return Exit.ERROR
    frames = traceback.extract_tb(error.__traceback__)
    err([f"error: {type(error).__name__}: a fault in sopsync, not in your files; its text is withheld"])
    err([f"  at {Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames])
    err(["  hint: please report these lines"])
    return Exit.ERROR


def _harden() -> None:
    """1. No core dumps: they would hold plaintext. 2. SDK debug logs quote requests: keep them at warnings."""
    # 1.
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # no such limit on this platform
        pass
    # 2.
    for name in _SDK_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
