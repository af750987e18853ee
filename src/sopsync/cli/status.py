"""`sopsync status`: the system as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from sopsync.cli import options as o


def status(
    *,
    age: Annotated[bool, typer.Option("--age", help="List every live value, oldest first.")] = False,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    store: o.Stores = None,
    json: o.Json = False,
) -> int:
    """Show each store: what is in sync, what is not, how old values are. Needs no keys."""
    from datetime import UTC, datetime

    from sopsync import status as standing
    from sopsync.cli.exits import of_plan
    from sopsync.cli.output import out
    from sopsync.cli.progress import working
    from sopsync.render.status import status_json, status_lines

    with o.open_session(repo=repo, rev=rev, config=config, store=store) as session:
        with working("looking"):
            estate = standing.status(session, datetime.now(UTC))
        out([status_json(estate)] if json else status_lines(estate, by_age=age))
        return of_plan(estate.plan, detailed=False)
