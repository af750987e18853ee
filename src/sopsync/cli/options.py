"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopsync.render.formats import Format

if TYPE_CHECKING:
    from sopsync.session import Session

Repo = Annotated[Path, typer.Option("--repo", "-C", help="The repository, or any directory in it.")]
Config = Annotated[str, typer.Option("--config", help="Path of the config file in the commit.")]
ConfigFrom = Annotated[str, typer.Option("--config-from", help="Take the config from this revision instead.")]
Rev = Annotated[str, typer.Option("--rev", help="The commit to work from.")]
Stores = Annotated[list[str] | None, typer.Option("--store", metavar="<name>", help="Only this store (repeatable).")]
Paths = Annotated[
    list[str] | None, typer.Option("--path", metavar="<glob>", help="Only files matching this glob (repeatable).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How to write it.")]
JsonFormat = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Reports = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="<format=file>", help="Write it to a file as well (repeatable)."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the last line.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show unchanged entries and calls made too.")]
Signed = Annotated[bool, typer.Option("--require-signed", help="Only a commit signed by a known key.")]
Signers = Annotated[Path | None, typer.Option(help="Who is known, as ssh-keygen(1) has it.")]
Verify = Annotated[bool, typer.Option("--verify", help="Read and compare every live value, not only stamps.")]

HERE = Path()
CONFIG = "sopsync.yaml"


def check_signing(*, require_signed: bool, allowed_signers: Path | None) -> None:
    """UsageError for a list that nobody looks at: a skipped check is never a pass."""
    if allowed_signers is not None and not require_signed:
        from sopsync.cli.exits import UsageError

        raise UsageError("--allowed-signers alone checks nothing", hint="add --require-signed, or leave it out")


def open_session(
    *,
    repo: Path,
    rev: str,
    config: str,
    config_from: str = "",
    store: list[str] | None = None,
    path: list[str] | None = None,
) -> Session:
    """A session as these options describe it."""
    from sopsync.session import Ask, Session

    return Session(
        Ask(repo, dict(os.environ), rev, posixpath.normpath(config), config_from, tuple(store or ()), tuple(path or ()))
    )
