"""`sopsync check`: everything that can be told without keys and without a store."""

from __future__ import annotations

from typing import Annotated

import typer

from sopsync.cli import options as o
from sopsync.render.formats import Format


def check(
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
    staged: Annotated[bool, typer.Option("--staged", help="Check what is staged for the next commit.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    form: o.FormatOption = Format.TEXT,
    json: o.JsonFormat = False,
    report: o.Reports = None,
    quiet: o.Quiet = False,
) -> int:
    """Check config and manifests of a commit.

    Tells all problems at once. Needs no keys, contacts no store.
    """
    import posixpath
    from datetime import UTC, datetime
    from functools import partial

    from sopsync import checking
    from sopsync.cli.exits import UsageError
    from sopsync.cli.reporting import reported, wished

    if staged and rev != "HEAD":
        raise UsageError("--staged is the index, and --rev a commit", hint="choose one")
    path = posixpath.normpath(config)
    ask = checking.Question(repo, datetime.now(UTC), rev, path, config_from, staged=staged, strict=strict)
    wish = wished(form, json=json, reports=report, quiet=quiet)
    return reported("check", wish, path, partial(checking.check, ask))
