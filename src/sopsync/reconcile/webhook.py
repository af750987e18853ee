"""Tells somebody else what a run did: one JSON body, signed, so that the receiver knows whose it is and how old.

The signature is HMAC-SHA256 over `<timestamp>.<body>`, as hex, in `Sopsync-Signature: v1=…`; the timestamp (Unix, whole
seconds) in `Sopsync-Timestamp`. A receiver computes the same, compares in constant time, and refuses what is older than
five minutes. docs/scheduled.md describes the body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from sopsync.errors import ConfigError, Problem
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.post import check_url, post
from sopsync.reconcile.result import Result

MOST = 100
"""Problems and changes that are named; `truncated` says if there are more. The counts are of all."""
_LEAST_KEY = 16


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to, and with which key. `repository` and `ref` are for the receiver to tell runs apart."""

    url: str
    key: bytes = field(repr=False)
    repository: str = ""
    ref: str = ""

    @classmethod
    def of(cls, url: str, key: bytes, repository: str, ref: str) -> Webhook:
        """ConfigError for an address or a key that is not safe to use."""
        check_url("--webhook", url)
        key = key.strip()
        if len(key) < _LEAST_KEY:
            what = f"the webhook's key has fewer than {_LEAST_KEY} bytes"
            raise ConfigError(what, hint="openssl rand -hex 32 makes one")
        return cls(url, key, repository, ref)


def worth_telling(result: Result, before: Result | None) -> bool:
    """Something was written or went wrong; in a process that stays up, something else than in the run `before`, which
    is the last that was told."""
    return bool(result.done and not result.dry) or _state(result) != _state(before or Result(0))


def _state(result: Result) -> tuple[object, ...]:
    """What stays as it is while nobody does anything."""
    return result.code, result.findings, result.done if result.dry else ()


def body(hook: Webhook, result: Result) -> bytes:
    """The body: names, counts and reasons, and never a value."""
    found = [
        {"kind": f.kind, "where": f.problem.where, "what": f.problem.what, "hint": f.problem.hint}
        for f in result.findings[:MOST]
    ]
    done = [{"store": d.store, "name": d.name, "action": d.action, "status": d.status} for d in result.done[:MOST]]
    said: Mapping[str, Any] = {
        "format_version": 1,
        "event": "checked" if result.dry else "reconciled",
        "repository": hook.repository,
        "ref": hook.ref,
        "commit": result.commit or None,
        "exit": int(result.code),
        "counts": result.counts(),
        "problems": found,
        "changes": done,
        "truncated": len(result.findings) > MOST or len(result.done) > MOST,
    }
    return json.dumps(said, ensure_ascii=True).encode()


def signature(key: bytes, timestamp: int, content: bytes) -> str:
    """The value of `Sopsync-Signature`."""
    return "v1=" + hmac.new(key, b"%d." % timestamp + content, hashlib.sha256).hexdigest()


def notify(hook: Webhook, result: Result, clock: Clock, stop: Event) -> Problem | None:
    """Send it, three times at most. The problem, if nobody took it: the run itself is not undone by that."""
    content = body(hook, result)

    def headers() -> dict[str, str]:
        at = int(clock.wall())
        signed = {"Sopsync-Timestamp": str(at), "Sopsync-Signature": signature(hook.key, at, content)}
        return {"Content-Type": "application/json", **signed}

    why = post(hook.url, content, headers, clock, stop)
    host = urlsplit(hook.url).hostname or ""  # the rest of a webhook's URL is often a secret
    what = f"{host} did not take the notification: {why}"
    return Problem("webhook", what, "a process that stays up tells it with the next run") if why else None
