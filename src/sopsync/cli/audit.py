"""`sopsync audit verify`: whether an audit file is whole, as far as a chain without a key can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import options as o

audit = typer.Typer(name="audit", help="Look through the lines that apply --audit leaves.", no_args_is_help=True)


@audit.callback()
def _root() -> None:
    """Makes `verify` a word of its own."""


@audit.command()
def verify(
    file: Annotated[Path, typer.Argument(help="What apply --audit wrote.", show_default=False)],
    *,
    head: Annotated[str, typer.Option("--head", help="The digest of a line, kept elsewhere, that must be there.")] = "",
    json: o.Json = False,
) -> int:
    """Check whether an audit file is whole.

    Names a line that was changed, removed or put in, and a torn one. Whether the end was cut off or the last line
    changed, only --head tells.
    """
    from sopsync.audit import look_through
    from sopsync.cli.exits import Exit, UsageError
    from sopsync.cli.output import err, out
    from sopsync.render.audit import findings_lines, summary, verdict_json

    if head and not re.fullmatch(r"[0-9a-f]{64}", head):
        raise UsageError("--head is the digest that apply printed: 64 hex digits", hint="sopsync audit verify FILE")
    verdict = look_through(file, head=head)
    if json:
        out([verdict_json(verdict)])
    else:
        err(findings_lines(verdict, str(file)))
        out([summary(verdict, str(file), checked=bool(head))])
    return Exit.DONE if verdict.whole else Exit.ERROR
