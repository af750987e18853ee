"""`sopsync blame`: who put a live entry there, when and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import options as o


def blame(
    entry: Annotated[
        str, typer.Argument(help="STORE:NAME, or STORE:NAME@VERSION of a past version.", show_default=False)
    ],
    *,
    history: Annotated[bool, typer.Option("--history", help="Every version beside its commit.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read and compare the live value. Needs keys.")] = False,
    allowed_signers: Annotated[Path | None, typer.Option(help="Whose signatures count; see ssh-keygen(1).")] = None,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    json: o.Json = False,
) -> int:
    """Tell which commit a live entry comes from. Needs no keys."""
    from sopsync import blame as tracing
    from sopsync.cli.exits import Exit, UsageError
    from sopsync.cli.output import out
    from sopsync.lineage import Value
    from sopsync.model import Ref
    from sopsync.render import blame as render

    ref = Ref(*entry.split(":", 1)) if ":" in entry else Ref("", "")
    if not ref.store or not ref.name:
        raise UsageError("an entry is named STORE:NAME", hint="as sopsync versions shows it")
    if history and verify:
        raise UsageError("--history reads no values", hint="leave out --verify")
    with o.open_session(repo=repo, rev=rev, config=config, store=[ref.store]) as session:
        if history:
            steps = tuple(tracing.history(session, ref))
            out([render.history_json(ref, steps)] if json else render.history_lines(steps))
            return Exit.DONE
        found = tracing.blame(session, ref, verify=verify, allowed_signers=allowed_signers)
        out([render.blame_json(found)] if json else render.blame_lines(found))
        # a value that could not be compared, or is not there, has not passed
        return Exit.ERROR if verify and found.value is not Value.SAME else Exit.DONE
