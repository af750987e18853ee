"""Tells somebody else what a run did: one JSON body, signed, so that the receiver knows whose it is and how old.

The signature is HMAC-SHA256 over `<timestamp>.<body>`, as hex, in `Sopsync-Signature: v1=…`; the timestamp (Unix, whole
seconds) in `Sopsync-Timestamp`. A receiver computes the same, compares in constant time, and refuses what is older than
five minutes. docs/scheduled.md describes the body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from sopsync.errors import ConfigError, Problem
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.result import Result

MOST = 100
"""Problems and changes that are named; `truncated` says if there are more. The counts are of all."""
_TRIES = (0.0, 1.0, 4.0)
"""Seconds to wait before each."""
_SECONDS = 10
_LEAST_KEY = 16
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ConfigError("--webhook is not an https:// URL", hint="https://host/path")
        key = key.strip()
        if len(key) < _LEAST_KEY:
            what = f"the webhook's key has fewer than {_LEAST_KEY} bytes"
            raise ConfigError(what, hint="openssl rand -hex 32 makes one")
        return cls(url, key, repository, ref)


def worth_telling(result: Result, before: Result | None) -> bool:
    """Something was written or went wrong; in a process that stays up, something else than in the run before."""
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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is signed for one receiver does not go to another."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def notify(hook: Webhook, result: Result, clock: Clock, stop: Event) -> Problem | None:
    """Send it, three times at most. The problem, if nobody took it: the run itself is not undone by that."""
    content = body(hook, result)
    opener = urllib.request.build_opener(_NoRedirect)
    why = ""
    for pause in _TRIES:
        if pause and clock.wait(stop, pause):
            break
        at = int(clock.wall())
        headers = {"Content-Type": "application/json", "User-Agent": "sopsync", "Sopsync-Timestamp": str(at)}
        headers["Sopsync-Signature"] = signature(hook.key, at, content)
        try:
            with opener.open(urllib.request.Request(hook.url, content, headers), timeout=_SECONDS):  # noqa: S310 - see of
                return None
        except urllib.error.HTTPError as error:
            error.close()
            why = f"it answered {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            why = getattr(reason, "strerror", None) or type(reason).__name__
    host = urlsplit(hook.url).hostname or ""  # the rest of a webhook's URL is often a secret
    return Problem("webhook", f"{host} did not take the notification: {why}", "the next run that has news tells them")
