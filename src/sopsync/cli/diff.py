"""`sopsync diff`: what a change touches, told from git alone: no keys, no store."""

from __future__ import annotations

from typing import Annotated

import typer

from sopsync.cli import options as o
from sopsync.render.formats import Format

_BASE = typer.Argument(help="What to compare with. Default: where the commit left the config's branch.")


def diff(
    base: Annotated[str, _BASE] = "",
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if any entry changed, or where stores are.")
    ] = False,
    form: o.FormatOption = Format.TEXT,
    json: o.JsonFormat = False,
    report: o.Reports = None,
    quiet: o.Quiet = False,
) -> int:
    """Show which entries a change touches, key by key.

    Says by whom, too. Needs no keys, contacts no store.
    """
    import posixpath
    from dataclasses import replace

    from sopsync.cli.exits import Exit
    from sopsync.cli.reporting import reported, wished
    from sopsync.differing import CONFIG_CHANGED, Question, difference
    from sopsync.report import Report

    ask = Question(repo, rev, base, posixpath.normpath(config), config_from)

    def work() -> Report:
        made = difference(ask)
        changed = made.rows or any(found.rule == CONFIG_CHANGED for found in made.findings)
        pending = detailed_exitcode and changed and not made.exit_code
        return replace(made, exit_code=int(Exit.PENDING)) if pending else made

    return reported("diff", wished(form, json=json, reports=report, quiet=quiet), ask.config_path, work)
