"""`sopsync versions`: the live version of each entry, for whoever pins one."""

from __future__ import annotations

from sopsync.cli import options as o


def versions(
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    store: o.Stores = None,
    path: o.Paths = None,
    json: o.Json = False,
) -> int:
    """Map each entry to its live version and commit. Needs no keys."""
    from sopsync.cli.exits import of_plan
    from sopsync.cli.output import out
    from sopsync.cli.progress import working
    from sopsync.render.versions import versions_json, versions_lines

    with o.open_session(repo=repo, rev=rev, config=config, store=store, path=path) as session:
        with working("looking"):
            plan = session.plan(sealed=True, verify=lambda _change: False)
        out([versions_json(plan)] if json else versions_lines(plan))
        return of_plan(plan, detailed=False)
