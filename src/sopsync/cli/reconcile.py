"""`sopsync reconcile`: a scheduled run, once for a CronJob, or every so often for as long as it is let."""

from __future__ import annotations

import os
import posixpath
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sopsync.cli import options as o


class LogFormat(StrEnum):
    """How lines are written."""

    TEXT = "text"
    JSON = "json"


Where = Annotated[str, typer.Option("--repo", "-C", help="A path, or a URL (https, ssh, file) to fetch from.")]
Rev = Annotated[str | None, typer.Option(help="Branch to fetch (main), or revision of a local path (HEAD).")]
Storage = Annotated[Path | None, typer.Option(help="Keep the clone here. Default: in memory, for this run.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with an HTTPS token; read before each fetch.")]
TokenCommand = Annotated[str, typer.Option(help="Program that prints an HTTPS token, such as a GitHub App's.")]
TokenUser = Annotated[str, typer.Option(help="User that goes with the token.")]
SshKey = Annotated[Path | None, typer.Option(help="Deploy key, for ssh.")]
KnownHosts = Annotated[Path | None, typer.Option(help="Host keys to accept, as in sshd(8); no others are.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing; exit 2 if anything is to do or to look at.")]
Sealed = Annotated[bool, typer.Option("--sealed", help="With --dry-run: use no keys, read no values.")]
Every = Annotated[str, typer.Option(help="Stay up, and run about so often: 5m.")]
Interval = Annotated[str, typer.Option(help="How often whoever starts this does so; for --verify-within.")]
Within = Annotated[str, typer.Option(help="Verify each entry by value once within this time; 0: none.")]
ShardOf = Annotated[str, typer.Option("--shard", help="Part I (from 0) of N: I/N; or N, and JOB_COMPLETION_INDEX.")]
Log = Annotated[LogFormat, typer.Option(help="text or json: one line a problem, one line a run.")]
MetricsFile = Annotated[Path | None, typer.Option(help="Write Prometheus metrics here, whole.")]
Gateway = Annotated[str, typer.Option("--pushgateway", help="Push metrics to a Prometheus Pushgateway at this URL.")]
Listen = Annotated[str, typer.Option(help="With --every: serve /healthz and /metrics at host:port or :port.")]
Otel = Annotated[bool, typer.Option("--otel", help="Send metrics over OTLP/HTTP, as the OTEL_* variables say.")]
Hook = Annotated[str, typer.Option(envvar="SOPSYNC_WEBHOOK", help="POST what changed or went wrong to this https URL.")]
HookFile = Annotated[Path | None, typer.Option("--webhook-url-file", help="File with that URL.")]
HookKey = Annotated[Path | None, typer.Option("--webhook-key-file", help="File with the key that signs it.")]
Audit = Annotated[
    str,
    typer.Option("--audit", envvar="SOPSYNC_AUDIT", help="Append an audit line an operation to this file; - prints."),
]


def reconcile(
    *,
    repo: Where = ".",
    rev: Rev = None,
    config: o.Config = o.CONFIG,
    storage: Storage = None,
    token_file: TokenFile = None,
    token_command: TokenCommand = "",
    token_user: TokenUser = "x-access-token",  # noqa: S107 - a name
    ssh_key: SshKey = None,
    known_hosts: KnownHosts = None,
    require_signed: o.Signed = False,
    allowed_signers: o.Signers = None,
    dry_run: DryRun = False,
    sealed: Sealed = False,
    every: Every = "",
    interval: Interval = "1h",
    verify_within: Within = "24h",
    shard: ShardOf = "",
    log_format: Log = LogFormat.TEXT,
    metrics_file: MetricsFile = None,
    listen: Listen = "",
    pushgateway: Gateway = "",
    otel: Otel = False,
    webhook: Hook = "",
    webhook_url_file: HookFile = None,
    webhook_key_file: HookKey = None,
    audit: Audit = "",
) -> int:
    """Fetch, apply, and verify some values: for scheduled runs. Never asks, and says one line a run."""
    from sopsync.cli import schedule as s
    from sopsync.cli.recording import kept
    from sopsync.reconcile.loop import Telling
    from sopsync.reconcile.otel import exporter
    from sopsync.reconcile.run import Job

    s.check(sealed=sealed, dry_run=dry_run, listen=listen, every=every, gateway=pushgateway)
    o.check_signing(require_signed=require_signed, allowed_signers=allowed_signers)
    part = s.the_shard(shard)
    access = s.token_and_key(token_file, token_command, token_user, ssh_key, known_hosts)
    s.check_fetched(repo, storage, token_file, token_command, ssh_key)
    hook = s.read_webhook(webhook, webhook_url_file, webhook_key_file, repo, rev or "")
    with ExitStack() as until:
        where, at, fleeting = s.source(repo, rev, storage, access, until)
        limits = s.distance(every, interval), s.seconds("--verify-within", verify_within)
        job = Job(where, at, dict(os.environ), s.CODES, posixpath.normpath(config), part, dry_run, sealed)
        job = replace(job, require_signed=require_signed, allowed_signers=allowed_signers, fleeting=fleeting)
        job = replace(job, interval=limits[0], period=limits[1], record=partial(kept, audit))
        voice = s.Voice.of(part, as_json=log_format is LogFormat.JSON, audit=audit)
        index = str(part.index) if part.total > 1 else ""
        telling = Telling(
            voice.say, voice.complain, metrics_file, hook, listen, pushgateway, index, exporter(index) if otel else None
        )
        return s.until_stopped(job, telling, stay=bool(every))
