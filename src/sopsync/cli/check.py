"""`sopsync check`: everything that can be told without keys and without a store."""

from __future__ import annotations

from sopsync.cli import options as o
from sopsync.render.formats import Format


def check(
    *,
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    config_from: o.ConfigFrom = "",
    form: o.FormatOption = Format.TEXT,
    json: o.JsonFormat = False,
) -> int:
    """Check config and manifests of a commit: no keys, no store, all problems at once."""
    from sopsync.cli.reporting import chosen, reported
    from sopsync.errors import ConfigError
    from sopsync.report import Report

    def work() -> Report:
        with o.open_session(repo=repo, rev=rev, config=config, config_from=config_from) as session:
            if broken := tuple(session.manifests.broken.values()):
                raise ConfigError.of(broken)
            files, entries = len(session.manifests.files), len(session.manifests.desired)
            told = f"commit {session.commit[:7]}: {files} files, {entries} entries, no problems"
            return Report(
                "check",
                commit=session.commit,
                config=config,
                config_from=config_from,
                summary=f"{told}; no store contacted",
                notes=session.notes(),
                files=tuple(session.manifests.files),
            )

    return reported("check", chosen(form, json=json), config, work)
