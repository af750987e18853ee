"""`sopsync check`: everything that can be told without keys and without a store."""

from __future__ import annotations

from sopsync.cli import options as o


def check(
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
    json: o.Json = False,
) -> int:
    """Check config and manifests of a commit: no keys, no store, all problems at once."""
    from sopsync.cli.output import out
    from sopsync.errors import ConfigError, printable

    with o.open_session(repo=repo, rev=rev, config=config, config_from=config_from) as session:
        if broken := tuple(session.manifests.broken.values()):
            raise ConfigError.of(broken)
        files, entries = len(session.manifests.files), len(session.manifests.desired)
        if json:
            from sopsync.render.json import check_json

            out([check_json(session.commit, files=files, entries=entries, notes=session.notes())])
            return 0
        out(f"note: {printable(note)}" for note in session.notes())
        out([f"commit {session.commit[:7]}: {files} files, {entries} entries, no problems; no store contacted"])
        return 0
