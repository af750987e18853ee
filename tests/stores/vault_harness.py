"""Vault stores as the contract suite sees them: a wire under hvac that can fail, and a foreign hand with a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import requests
from requests.adapters import BaseAdapter
from requests.models import PreparedRequest, Response

from sopsync.model import Payload, Secret
from sopsync.stores.testing import Expected, Fault, Wire
from sopsync.stores.vault import VaultStore, open_vault
from sopsync.stores.vault_settings import VaultSettings
from sopsync.stores.vault_transport import Transport
from tests.support.servers import OpenBao

_numbers = count()


def says(status: int, *errors: str) -> Response:
    """An answer in the server's own words."""
    response = Response()
    response.status_code = status
    response.headers["Content-Type"] = "application/json"
    response._content = json.dumps({"errors": errors}).encode()
    return response


def broken(request: PreparedRequest) -> requests.exceptions.ConnectionError:
    """Says more than real ones do, so that whoever repeats it is caught."""
    return requests.exceptions.ConnectionError(f"lost: {request.method} {request.url} {request.body!r}")


class FaultyAdapter(BaseAdapter):
    """Notes every call in `log`, asks a `Wire`, then sends it over connections that all clients of a run share."""

    def __init__(self, wire: Wire, send: Callable[..., Response]) -> None:
        super().__init__()
        self.log: list[str] = []
        self._wire = wire
        self._send = send

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self.log.append(f"{request.method} {unquote((request.url or '').partition('/v1/')[2])}")
        fault = self._wire.send()
        if fault is Fault.REFUSED:
            return says(403, "1 error occurred:\n\t* permission denied\n\n")
        if fault is Fault.BEFORE:
            raise broken(request)
        response = self._send(request, *args, **kwargs)
        if fault is Fault.AFTER:
            _ = response.content  # an answer that nobody reads would keep its connection
            raise broken(request)
        return response

    def close(self) -> None:
        """The connections are not ours."""


class HashiCorp:
    """Makes an OpenBao look like HashiCorp Vault 1.19: no SCAN, no `metadata_cas`, another plugin version.

    developer.hashicorp.com/vault/api-docs/v1.19.x/secret/kv/kv-v2; a method that the server does not know is a 405
    (http/logical.go, buildLogicalRequestNoAuth); parameters it does not know are ignored.
    """

    def __init__(self, send: Callable[..., Response]) -> None:
        self._send = send

    def __call__(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if request.method == "SCAN":
            return says(405)
        assert request.body is None or isinstance(request.body, bytes)
        if request.body and b"metadata_cas" in request.body:
            body = json.loads(request.body)
            del body["metadata_cas"]
            request.prepare_body(json.dumps(body).encode(), None)
        response = self._send(request, *args, **kwargs)
        for theirs, ours in _FOREIGN_TO_HASHICORP:
            response._content = (response.content or b"").replace(theirs, ours)
        return response


_FOREIGN_TO_HASHICORP = (
    (b'"current_metadata_version"', b'"x-unknown-1"'),
    (b'"metadata_cas_required"', b'"x-unknown-2"'),
    (b"+builtin.bao", b"+builtin.vault"),
)


@dataclass(frozen=True)
class VaultOutside:
    """Somebody with a token of their own, who knows nothing of sopsync."""

    bao: OpenBao
    mount: str
    prefix: str
    send: Callable[..., Response]
    can_roll_back = False  # a KV mount has no way to make an older version live but to write it again
    reuses_versions = True

    def call(self, method: str, part: str, name: str, body: Any = None) -> Any:
        """The `data` of the answer, None if there is nothing."""
        request = PreparedRequest()
        path = f"{self.mount}/{part}/{quote(f'{self.prefix}/{name}')}"
        request.prepare(method, f"{self.bao.address}/v1/{path}", {"X-Vault-Token": self.bao.token}, json=body)
        answer = self.send(request, timeout=(30, 30))
        assert answer.ok or answer.status_code == 404, answer.status_code
        return json.loads(answer.content).get("data") if answer.content and answer.ok else None

    def peek(self, name: str) -> Payload | None:
        found = self.call("GET", "data", name)
        if found is None:
            return None
        return Payload(fields={field: Secret(text.encode()) for field, text in found["data"].items()})

    def custom(self, name: str) -> Mapping[str, str]:
        return ((self.call("GET", "metadata", name) or {}).get("custom_metadata")) or {}

    def tags(self, name: str) -> Mapping[str, str]:
        return {key: value for key, value in self.custom(name).items() if not key.startswith("sopsync-")}

    def put(self, name: str, payload: Payload) -> None:
        data = {field: secret.reveal().decode() for field, secret in payload.as_fields().items()}
        self.call("POST", "data", name, {"data": data})

    def copy_metadata(self, name: str, payload: Payload) -> None:
        custom = self.custom(name)
        self.put(name, payload)
        self.call("POST", "metadata", name, {"custom_metadata": custom})

    def strip_metadata(self, name: str) -> None:
        if self.call("GET", "metadata", name):
            self.call("POST", "metadata", name, {"custom_metadata": {}})

    def delete(self, name: str) -> None:
        self.call("DELETE", "metadata", name)

    def soft_delete(self, name: str) -> None:
        self.call("DELETE", "data", name)

    def undelete(self, name: str) -> None:
        if meta := self.call("GET", "metadata", name):
            self.call("POST", "undelete", name, {"versions": [meta["current_version"]]})

    def roll_back(self, name: str) -> None:
        raise NotImplementedError("not asked for: can_roll_back is False")


@dataclass(frozen=True)
class Context:
    environ: Mapping[str, str]
    base: Path = Path("/nowhere")


LEAST = """
path "{mount}/data/*"              {{ capabilities = ["create", "update", "read"] }}
path "{mount}/metadata/*"          {{ capabilities = ["create", "update", "patch", "read", "list"] }}
path "{mount}/delete/*"            {{ capabilities = ["update"] }}
path "{mount}/detailed-metadata/*" {{ capabilities = ["scan"] }}
"""
"""All that applying needs. Pruning apart: `delete/`."""


class VaultHarness:
    """A prefix of its own in a mount that all share."""

    odd_names = (
        "a", "a/b", " a b ", "Ünï/çø∂é/🔑", "a%2Fb?c#d&e=f+g", "*", "a\\b", '"', "...", "metadata", "sopsync-fences",
        "x/sopsync-fence/y", "x" * 1024,
    )  # fmt: skip

    def __init__(
        self, bao: OpenBao, mount: str, token: str, connections: Transport, expected: Expected, *, hashicorp: bool
    ) -> None:
        self.outside = VaultOutside(bao, mount, f"place-{next(_numbers)}", connections.send)
        self.expected = expected
        self._token = token
        self._send = HashiCorp(connections.send) if hashicorp else connections.send
        # a folder is a call more in each survey of a walk, and with it ten trials more in each scenario
        self._folder = "" if hashicorp else "prod/"

    def open(self, wire: Wire) -> VaultStore:
        outside = self.outside
        return client(outside.bao, outside.mount, self._send, wire, token=self._token, prefix=outside.prefix).store

    def name(self, word: str) -> str:
        return self._folder + word


@dataclass(frozen=True)
class Client:
    """A store, and everything it sent: `METHOD path below /v1/`."""

    store: VaultStore
    wire: Wire
    log: list[str]

    def calls(self, act: Callable[[], object]) -> list[str]:
        """What went over the wire while it acted."""
        before = len(self.log)
        act()
        return self.log[before:]


def client(
    bao: OpenBao,
    mount: str,
    send: Callable[..., Response],
    wire: Wire | None = None,
    *,
    token: str = "",
    environ: Mapping[str, str] | None = None,
    **settings: Any,
) -> Client:
    """A store on a mount, by default with the root token."""
    wire = wire or Wire()
    adapter, session = FaultyAdapter(wire, send), requests.Session()
    session.mount("http://", adapter)
    asked = VaultSettings(type="vault", address=bao.address, mount=mount, **settings)
    context = Context({"VAULT_TOKEN": token or bao.token} if environ is None else environ)
    return Client(open_vault("vault", asked, context, session, lambda _: None), wire, adapter.log)
