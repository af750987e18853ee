"""Sends something to an HTTP server, as often as it is worth it; redirects are not followed."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from sopsync.errors import ConfigError
from sopsync.reconcile.clock import Clock

_TRIES = (0.0, 1.0, 4.0)
"""Seconds to wait before each."""
_SECONDS = 10
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is meant for one receiver does not go to another."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def check_url(option: str, url: str, *, plain: bool = False) -> None:
    """ConfigError for what is no URL to send to. `plain`: http will do; else only to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and (plain or host in _LOOPBACK))):
        raise ConfigError(f"{option} is not an {'http:// or ' * plain}https:// URL", hint="https://host/path")


def post(url: str, content: bytes, headers: Callable[[], Mapping[str, str]], clock: Clock, stop: Event) -> str:
    """Why nobody took it after three tries, or "". `headers` are made anew for each; `stop` ends the waiting."""
    opener = urllib.request.build_opener(_NoRedirect)
    why = ""
    for pause in _TRIES:
        if pause and clock.wait(stop, pause):
            break
        request = urllib.request.Request(url, content, {"User-Agent": "sopsync", **headers()})  # noqa: S310 - checked
        try:
            with opener.open(request, timeout=_SECONDS):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            why = f"it answered {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            why = getattr(reason, "strerror", None) or type(reason).__name__
    return why
