"""`sopsync plan`: show what apply would do, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import options as o


def plan(
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
    store: o.Stores = None,
    path: o.Paths = None,
    sealed: Annotated[bool, typer.Option("--sealed", help="Use no keys and read no values.")] = False,
    verify: o.Verify = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the plan for sopsync apply FILE.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if anything is to do.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> int:
    """Show what apply would do. Nothing is written to any store."""
    from sopsync import planfile
    from sopsync.cli.exits import UsageError, of_plan
    from sopsync.cli.output import colour, err, out
    from sopsync.cli.progress import working
    from sopsync.render.json import plan_json
    from sopsync.render.text import plan_lines, summary

    if sealed and verify:
        raise UsageError("--verify reads values, and --sealed reads none", hint="choose one")
    with o.open_session(repo=repo, rev=rev, config=config, config_from=config_from, store=store, path=path) as session:
        with working("planning"):
            made = session.plan(sealed=sealed, verify=lambda _change: verify)
        refused = session.refusals(made, force=False)
        if output is not None:
            planfile.save(made, output)
        if json:
            out([plan_json(made, refused, verbose=verbose)])
        elif quiet:
            out([summary(made)])
        else:
            out(plan_lines(made, refused, colour=colour(), verbose=verbose))
        if verbose:
            err(session.costs())
        return of_plan(made, detailed=detailed_exitcode)
