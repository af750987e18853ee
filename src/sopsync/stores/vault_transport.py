"""A transport for `requests` that speaks to one server over kept connections of `http.client`.

What `requests` and urllib3 do around each call (pools by host, retries, cookies, headers merged and copied, proxies)
takes three times as long as the call itself, and an entry takes three calls. Certificates are checked as they do it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util import wait_for_read

from sopsync.stores.place import UNTRUSTED

_REST = 50.0
"""Seconds without a request after which a connection is not used again: load balancers and firewalls forget it after
60 and more, some without a word, and what is sent on it then gets no answer."""
_MOST, _PART = 1 << 29, 1 << 20
"""Bytes of an answer that are read: in all, and at a time where its length is not said."""
_LOOKS = frozenset({"GET", "SCAN"})
"""Methods that change nothing."""


class Transport(BaseAdapter):
    """Sends each request once: no retries, redirects, cookies or proxies. Safe to use from several threads. Only a look
    that was sent on a kept connection, which turned out to be ended, is sent once more, on a new one.

    `keep`: how many idle connections it holds on to. Raises what `requests`' own adapter raises.
    """

    def __init__(self, address: str, *, keep: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._parts = urlsplit(address)
        self._keep = keep
        self._clock = clock
        self._idle: list[tuple[float, HTTPConnection]] = []
        """Since when, and which."""
        self._trust: ssl.SSLContext | None = None
        self._trusting = Lock()

    def send(  # noqa: PLR0917 - as the class above has it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the same
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 - the same
        cert: Any = None,  # noqa: ARG002 - the same
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - the same
    ) -> requests.Response:
        """`timeout` is (seconds to connect, seconds to wait); `verify` a file of authorities, or True for the usual."""
        try:
            answer, content = self._exchange(
                request, timeout, DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
            )
        except TimeoutError:
            raise requests.exceptions.Timeout from None
        except ssl.SSLCertVerificationError:
            raise requests.exceptions.SSLError(UNTRUSTED) from None
        except (OSError, HTTPException):  # TLS that breaks off is a connection that breaks off
            raise requests.exceptions.ConnectionError from None
        response = requests.Response()
        response.status_code, response.raw = answer.status, BytesIO(content)
        response.headers = CaseInsensitiveDict(answer.headers.items())
        return response

    def close(self) -> None:
        """Let go of idle connections."""
        while self._idle:
            self._idle.pop()[1].close()

    def _exchange(
        self, request: requests.PreparedRequest, timeout: tuple[float, float], authorities: str
    ) -> tuple[HTTPResponse, bytes]:
        if connection := self._live():
            try:
                return self._ask(connection, request)
            except (ConnectionError, ssl.SSLError):
                if request.method not in _LOOKS:  # it may have been done
                    raise
        return self._ask(self._connect(timeout, authorities), request)

    def _ask(self, connection: HTTPConnection, request: requests.PreparedRequest) -> tuple[HTTPResponse, bytes]:
        whole = False
        try:
            target = (request.url or "").partition(self._parts.netloc)[2]
            connection.request(request.method or "", target, request.body, request.headers)  # type: ignore[arg-type]  # it is bytes
            answer = connection.getresponse()
            content = _content(answer)
            whole = answer.status >= 200  # behind a status below that comes another answer
        finally:
            # what was cut short would be taken for the answer to the next request
            if whole and connection.sock is not None and len(self._idle) < self._keep:
                self._idle.append((self._clock(), connection))
            else:
                connection.close()
        return answer, content

    def _live(self) -> HTTPConnection | None:
        """The connection used last; one that has something to say while nobody asked was ended by the server."""
        while self._idle:
            try:
                since, connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if self._clock() - since < _REST and not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()
        return None

    def _connect(self, timeout: tuple[float, float], authorities: str) -> HTTPConnection:
        connect, answer = timeout
        if self._parts.scheme == "https":
            with self._trusting:
                self._trust = self._trust or _trust(authorities)
            made: HTTPConnection = HTTPSConnection(self._parts.netloc, timeout=connect, context=self._trust)
        else:
            made = HTTPConnection(self._parts.netloc, timeout=connect)
        try:
            made.connect()
            made.sock.settimeout(answer)
        except BaseException:
            made.close()
            raise
        return made


def _trust(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError:  # authorities that cannot be read vouch for nobody
        raise ssl.SSLCertVerificationError from None


def _content(answer: HTTPResponse) -> bytes:
    """All of it. HTTPException if it is cut short, or more than anybody would list."""
    if answer.length is not None and answer.length <= _MOST:
        return answer.read()
    content = bytearray()
    while answer.length is None and len(content) <= _MOST:
        if not (part := answer.read(_PART)):
            return bytes(content)
        content += part
    raise HTTPException
