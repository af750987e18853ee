"""A transport for `requests` that speaks to one server over kept connections of `http.client`.

What `requests` and urllib3 do around each call (pools by host, retries, cookies, headers merged and copied, proxies)
takes three times as long as the call itself, and an entry takes three calls. Certificates are checked as they do it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
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


class Transport(BaseAdapter):
    """Sends each request once: no retries, redirects, cookies or proxies. Safe to use from several threads.

    `keep`: how many idle connections it holds on to. Raises what `requests`' own adapter raises.
    """

    def __init__(self, address: str, *, keep: int) -> None:
        super().__init__()
        self._parts = urlsplit(address)
        self._keep = keep
        self._idle: list[HTTPConnection] = []
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
        except ssl.SSLError:
            raise requests.exceptions.SSLError from None
        except (OSError, HTTPException):
            raise requests.exceptions.ConnectionError from None
        response = requests.Response()
        response.status_code, response.raw = answer.status, BytesIO(content)
        response.headers = CaseInsensitiveDict(answer.headers.items())
        return response

    def close(self) -> None:
        """Let go of idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(
        self, request: requests.PreparedRequest, timeout: tuple[float, float], authorities: str
    ) -> tuple[HTTPResponse, bytes]:
        connection = self._live() or self._connect(timeout, authorities)
        whole = False
        try:
            target = (request.url or "").partition(self._parts.netloc)[2]
            connection.request(request.method or "", target, request.body, request.headers)  # type: ignore[arg-type]  # it is bytes
            answer = connection.getresponse()
            content = answer.read()
            whole = True
        finally:
            # what was cut short would be taken for the answer to the next request
            if whole and connection.sock is not None and len(self._idle) < self._keep:
                self._idle.append(connection)
            else:
                connection.close()
        return answer, content

    def _live(self) -> HTTPConnection | None:
        """The connection used last; one that has something to say while nobody asked was ended by the server."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()
        return None

    def _connect(self, timeout: tuple[float, float], authorities: str) -> HTTPConnection:
        connect, answer = timeout
        if self._parts.scheme == "https":
            with self._trusting:
                self._trust = self._trust or ssl.create_default_context(cafile=authorities)
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
