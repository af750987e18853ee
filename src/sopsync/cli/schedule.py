"""What `sopsync reconcile` makes of its options, and how it speaks and ends."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from sopsync.cli.exits import Exit, UsageError, of_apply, of_error, of_plan
from sopsync.cli.output import err, out
from sopsync.errors import ConfigError, Problem
from sopsync.git import Access, Remote, address
from sopsync.reconcile import source as sources
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.lines import lines, trouble
from sopsync.reconcile.loop import Telling, reconcile
from sopsync.reconcile.post import check_url
from sopsync.reconcile.result import Result
from sopsync.reconcile.run import Codes, Job
from sopsync.reconcile.token import token_source
from sopsync.reconcile.webhook import Webhook
from sopsync.shard import WHOLE, Shard

CODES = Codes(of_apply, lambda plan: of_plan(plan, detailed=True), of_error)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INDEX = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells each pod of an Indexed Job."""
_WEBHOOK = "SOPSYNC_WEBHOOK"

Source = Callable[[Event], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True)
class Voice:
    """Writes log lines. `shard` is named in each run's line, if there is one. `write`: where audit lines do not go."""

    as_json: bool
    shard: str = ""
    write: Callable[[Iterable[str]], None] = out

    @classmethod
    def of(cls, part: Shard, *, as_json: bool, audit: str) -> Voice:
        """For a run over `part` whose audit trail goes to `audit`."""
        shard = f"{part.index}/{part.total}" if part.total > 1 else ""
        return cls(as_json, shard, err if audit == "-" else out)

    def say(self, result: Result) -> None:
        """A run and its problems."""
        self.write(lines(result, as_json=self.as_json, shard=self.shard))

    def complain(self, problem: Problem) -> None:
        """What went wrong in telling others."""
        self.write([trouble(problem, as_json=self.as_json, at=time.time())])


def check(*, sealed: bool, dry_run: bool, listen: str, every: str, gateway: str) -> None:
    """UsageError for options that need another."""
    if gateway:
        check_url("--pushgateway", gateway, plain=True)
    if sealed and not dry_run:
        raise UsageError("--sealed uses no keys, and writing needs them", hint="add --dry-run, or leave it out")
    if listen and not every:
        raise UsageError("--listen serves a process that stays up", hint="add --every 5m, or use --metrics-file")


def check_fetched(repo: str, storage: object, token_file: object, token_command: object, ssh_key: object) -> None:
    """UsageError for an option that says how to fetch, where nothing is fetched."""
    named = {"--storage": storage, "--token-file": token_file, "--token-command": token_command, "--ssh-key": ssh_key}
    given = next((name for name, value in named.items() if value), None)
    if given and address(repo) is None:
        what = f"{given} is for a repository that is fetched, and {repo} is a path"
        raise UsageError(what, hint="give --repo a URL, or leave it out")


def distance(every: str, interval: str) -> float:
    """Seconds between two runs: how often this process makes one, or whoever starts it."""
    return seconds("--every", every) if every else seconds("--interval", interval)


def seconds(option: str, text: str) -> float:
    """`90s`, `5m`, `1h`, `1d`; `0` where that means never."""
    if text == "0" and option == "--verify-within":
        return 0.0
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if found is None:
        raise UsageError(f"{option}: not a time: {text}", hint="seconds, minutes, hours or days: 90s, 5m, 1h, 1d")
    return float(int(found[1]) * _UNITS[found[2]])


def the_shard(text: str) -> Shard:
    """`I/N`, or `N` with the index from the environment; empty: the whole."""
    if not text:
        return WHOLE
    given = text if "/" in text else f"{os.environ.get(_INDEX, '')}/{text}"
    found = re.fullmatch(r"([0-9]{1,4})/([1-9][0-9]{0,3})", given)
    if found is None or int(found[1]) >= int(found[2]):
        hint = f"--shard 0/4 to --shard 3/4; --shard 4 takes the index from {_INDEX}"
        raise UsageError(f"--shard: not one part of several: {text}", hint=hint)
    return Shard(int(found[1]), int(found[2]))


def token_and_key(
    token_file: Path | None, token_command: str, user: str, ssh_key: Path | None, known_hosts: Path | None
) -> Access:
    """How to get at a remote repository. UsageError for half of it, or for two ways at once."""
    if token_file is not None and token_command:
        raise UsageError("--token-file and --token-command are two ways to one token", hint="leave one out")
    if (ssh_key is None) != (known_hosts is None):
        hint = "with a key, but to anybody's server: ssh-keyscan HOST >known_hosts, then compare"
        raise UsageError("--ssh-key and --known-hosts go together", hint=hint)
    return Access(token_source(token_file, token_command, os.environ), user, ssh_key, known_hosts)


def source(
    repo: str, rev: str | None, storage: Path | None, access: Access, until: ExitStack
) -> tuple[Source, str, bool]:
    """(where a run gets its repository, the revision there, whether that place is gone after the process)."""
    url = address(repo)
    if url is None:
        return sources.here(Path(repo)), rev or "HEAD", False
    if url.scheme == "ssh" and access.ssh_key is None:
        raise UsageError("a repository over ssh needs --ssh-key and --known-hosts", hint="or its https:// URL")
    branch = rev or "main"
    clone = Remote(url, access, sources.storage(storage, os.environ, until), os.environ)
    return sources.remote(clone, branch), f"refs/heads/{branch}", storage is None


def read_webhook(url: str, url_file: Path | None, key_file: Path | None, repo: str, ref: str) -> Webhook | None:
    """The webhook, if there is one. UsageError without a key: an unsigned message is anybody's."""
    os.environ.pop(_WEBHOOK, None)  # read by now, and no child's business: the URL is often a secret
    if url and url_file is not None:
        raise UsageError(
            f"--webhook (or {_WEBHOOK}) and --webhook-url-file are two ways to one URL", hint="leave one out"
        )
    if url_file is not None:
        url = _contents(url_file, "--webhook-url-file").decode("utf-8", "replace").strip()
        if not url:
            raise ConfigError("no URL in it", where=str(url_file), hint="--webhook-url-file")
    if not url:
        return None
    if key_file is None:
        raise UsageError("--webhook is signed, and needs a key", hint="--webhook-key-file FILE")
    return Webhook.of(url, _contents(key_file, "--webhook-key-file"), repo, ref)


def _contents(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file), hint=option) from None


def until_stopped(job: Job, telling: Telling, *, stay: bool) -> int:
    """One run or many. SIGTERM or SIGINT: the writes in hand finish, the rest is left to the next run.

    The exit code is that of the run in hand; a process that was told to stop between two runs has done its work.
    """
    stop = Event()
    before = {which: signal.signal(which, lambda *_: stop.set()) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        last, idle = reconcile(job, telling, Clock.real(), stop, stay=stay)
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
    return Exit.DONE if idle else last.code
