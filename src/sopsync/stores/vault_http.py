"""One request to a Vault server and its answer, through hvac's adapter. No text of an exception gets out of here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from pathlib import Path
from typing import Any

import requests
from hvac.adapters import RawAdapter
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, select_proxy

from sopsync.errors import Rejected
from sopsync.stores.place import UNTRUSTED, Place
from sopsync.stores.vault_auth import variable
from sopsync.stores.vault_errors import FOREIGN, Answer
from sopsync.stores.vault_settings import VaultSettings
from sopsync.stores.vault_transport import Transport

THREADS = 16
"""Connections kept: as many as a survey has in flight at once."""
_TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer."""
_JSON, _PATCH = "application/json", "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and how to trust it. `mount` is the secrets engine we are allowed to use."""

    store: str
    address: str
    mount: str
    namespace: str | None
    ca_cert: Path | None


def reach(store: str, settings: VaultSettings, environ: Mapping[str, str], base: Path) -> Server:
    """The server that settings and environment mean. Rejected if they mean none."""
    address = (settings.address or variable(environ, "ADDR")).rstrip("/")
    if not re.fullmatch(r"https?://[^/?#@\s]+", address):
        raise Rejected("no address", store=store, hint="set address, or VAULT_ADDR, to https://host:port")
    named = settings.ca_cert or variable(environ, "CACERT")
    ca_cert = base / named if named else None
    if ca_cert is not None and not ca_cert.is_file():
        raise Rejected(f"there is no file {ca_cert}", store=store, hint="look at ca_cert, or VAULT_CACERT")
    return Server(store, address, settings.mount, settings.namespace, ca_cert)


class Http:
    """Safe to use from several threads."""

    def __init__(self, server: Server, session: requests.Session | None = None) -> None:
        # Proxies and CA once, here: looking for them in the environment at every request costs as much as the request.
        proxies = get_environ_proxies(server.address)
        session = session or _session(server.address, proxies)
        session.trust_env = False
        session.proxies = proxies
        session.verify = str(server.ca_cert) if server.ca_cert else True
        self._adapter = _Direct(
            base_uri=server.address,
            token="",  # it goes with each request
            session=session,
            timeout=_TIMEOUT,
            namespace=server.namespace,
        )

    def send(self, method: str, path: str, body: Any, token: str, place: Place) -> Answer:
        """Whatever the server answers. `path` is quoted, below /v1/. Rejected or Unavailable if it does not."""
        headers = {"X-Vault-Token": token} if token else {}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers |= {"Content-Type": _PATCH if method == "PATCH" else _JSON, "Content-Length": str(len(data))}
        try:
            response = self._adapter.request(method, f"v1/{path}", headers=headers, data=data)
            content = response.content  # the connection may break as late as here
        except requests.exceptions.Timeout:
            raise place.unavailable("no answer in time") from None
        except requests.exceptions.ConnectionError as error:
            if UNTRUSTED in str(error):
                hint = "name the certificate authority in ca_cert; look at the host name in address"
                raise place.rejected("the server's certificate is not trusted", hint) from None
            raise place.unavailable("no connection to the server", "look at address and network, then retry") from None
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            # Whatever it quotes may be a header or a body.
            raise place.unavailable(f"the request could not be made ({type(error).__name__})") from None
        return _answer(response.status_code, content, response.headers)

    def close(self) -> None:
        self._adapter.close()


class _Direct(RawAdapter):  # type: ignore[misc]  # hvac has no types
    """hvac's adapter without what a session does around every request: merging settings, cookies, netrc, redirects.
    That takes more time than the request. And redirects would carry the token to wherever they point."""

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,  # noqa: ARG002, FBT001, FBT002 - as the class above has it
        **kwargs: Any,
    ) -> requests.Response:
        """Any answer at all is returned. `url` is quoted already; `data` is bytes or None."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, self.urljoin(self.base_uri, url), kwargs.get("data")
        request.headers = CaseInsensitiveDict({"X-Vault-Request": "true", **(headers or {})})
        if self.namespace:
            request.headers["X-Vault-Namespace"] = self.namespace
        response: requests.Response = self.session.get_adapter(request.url).send(request, **self._kwargs)
        return response


def _session(address: str, proxies: dict[str, str]) -> requests.Session:
    """No retries: a write whose answer was lost is settled by looking, not by writing again."""
    session = requests.Session()
    adapter: BaseAdapter = Transport(address, keep=THREADS)
    if select_proxy(address, proxies):  # requests knows them all, and the proxy takes longer than it does
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=THREADS, max_retries=0)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session


def _answer(status: int, content: bytes, headers: Mapping[str, str]) -> Answer:
    """The parts of an answer. A success that is not a JSON object did not come from the server we mean."""
    try:
        body = json.loads(content, parse_int=_whole, parse_float=_number) if content else None
    except (ValueError, RecursionError):
        body = None
    now, after = _clock(headers.get("Date", "")), headers.get("Retry-After", "")
    wait = max(1.0, float(after)) if re.fullmatch(r"[0-9]{1,4}", after) else 1.0
    if not isinstance(body, dict):
        return Answer(status if status == 204 or status >= 300 else FOREIGN, now=now, after=wait)
    data, auth, errors = body.get("data"), body.get("auth"), body.get("errors")
    return Answer(
        status,
        data if isinstance(data, dict) else {},
        auth if isinstance(auth, dict) else {},
        tuple(map(str, errors)) if isinstance(errors, list) else None,
        now,
        wait,
    )


def _whole(digits: str) -> int | float | str:
    """An integer, or its digits where Python refuses to read so many (sys.set_int_max_str_digits)."""
    return int(digits) if len(digits) <= 4000 else digits


def _number(text: str) -> float | str:
    """A float, or its text where no float is that large."""
    number = float(text)
    return number if isfinite(number) else text


def _clock(date: str) -> datetime:
    """The `Date` of an answer counts whole seconds; what happened before the answer happened before the next one."""
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC) + timedelta(seconds=1)  # always GMT: RFC 9110, 5.6.7
    except (ValueError, OverflowError):
        return datetime.now(UTC)
