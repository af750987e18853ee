"""`sopsync status`: the system as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sopsync.cli import options as o

if TYPE_CHECKING:
    from sopsync.estate import Estate


def status(
    *,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page that needs nothing else to this file.")
    ] = None,
    age: Annotated[bool, typer.Option("--age", help="List every live value, oldest first.")] = False,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    store: o.Stores = None,
    json: o.Json = False,
) -> int:
    """Show how each store stands, and how old values are. Needs no keys."""
    from datetime import UTC, datetime

    from sopsync import status as standing
    from sopsync.cli.exits import of_plan
    from sopsync.cli.output import out
    from sopsync.cli.progress import working
    from sopsync.render.status import status_json, status_lines

    with o.open_session(repo=repo, rev=rev, config=config, store=store) as session:
        with working("looking"):
            estate = standing.status(session, datetime.now(UTC), recent=json or html is not None)
        if html is not None:
            _write(estate, html)
        out([status_json(estate)] if json else status_lines(estate, by_age=age))
        return of_plan(estate.plan, detailed=False)


def _write(estate: Estate, to: Path) -> None:
    from sopsync.errors import ConfigError, printable
    from sopsync.render.page import status_page

    try:
        to.write_text(status_page(estate), encoding="utf-8")
    except OSError as error:
        where = printable(str(to))
        raise ConfigError(f"{where}: cannot write it: {error.strerror}", hint="name another file") from None
