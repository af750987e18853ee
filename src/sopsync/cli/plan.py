"""`sopsync plan`: show what apply would do, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import options as o
from sopsync.render.formats import Format


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
    form: o.FormatOption = Format.TEXT,
    json: o.JsonFormat = False,
    report: o.Reports = None,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> int:
    """Show what apply would do. Nothing is written to any store."""

    from sopsync import planfile
    from sopsync.cli.exits import UsageError, of_plan
    from sopsync.cli.output import err
    from sopsync.cli.progress import working
    from sopsync.cli.reporting import reported, wished
    from sopsync.planreport import of_plan as report_of
    from sopsync.report import Report

    if sealed and verify:
        raise UsageError("--verify reads values, and --sealed reads none", hint="choose one")

    costs: list[str] = []

    def work() -> Report:
        with o.open_session(
            repo=repo, rev=rev, config=config, config_from=config_from, store=store, path=path
        ) as session:
            with working("planning"):
                made = session.plan(sealed=sealed, verify=lambda _change: verify)
            refused = session.refusals(made, force=False)
            if output is not None:
                planfile.save(made, output)
            costs.extend(session.costs())
            code = of_plan(made, detailed=detailed_exitcode)
            return report_of(made, refused, config=config, config_from=config_from, verbose=verbose, exit_code=code)

    wish = wished(form, json=json, reports=report, quiet=quiet, verbose=verbose)
    code = reported("plan", wish, config, work, output=output)
    if verbose:
        err(costs)
    return code
