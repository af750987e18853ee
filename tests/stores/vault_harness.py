"""Vault stores as the contract suite sees them: a wire that can fail under hvac, and a foreign hand with its own token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.models import PreparedRequest, Response

from sopsync.model import Payload, Secret
from sopsync.stores.testing import Expected, Fault, Wire
from sopsync.stores.vault import VaultStore, open_vault
from sopsync.stores.vault_settings import VaultSettings
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
    """Every call goes through a `Wire`, then over connections that all clients of a test run share."""

    def __init__(self, wire: Wire, send: Callable[..., Response]) -> None:
        super().__init__()
        self._wire = wire
        self._send = send

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
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
        if request.body and b"metadata_cas" in _bytes(request.body):
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


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


@dataclass(frozen=True)
class VaultOutside:
    """Somebody with a token of their own, who knows nothing of sopsync."""

    bao: OpenBao
    mount: str
    prefix: str
    can_roll_back = False  # a KV mount has no way to make an older version live but to write it again
    reuses_versions = True

    def call(self, method: str, part: str, name: str, body: Any = None) -> Any:
        """The `data` of the answer, None if there is nothing."""
        try:
            answer = self.bao.call(method, f"{self.mount}/{part}/{quote(f'{self.prefix}/{name}')}", body)
        except HTTPError as error:
            with error:
                assert error.code == 404, error.code
            return None
        return (answer or {}).get("data")

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
        "a b", " a ", "Ünï/çø∂é/🔑", "--", "a%2Fb", "a?b#c&d=e", "a+b", "*", "a\\b", '"', "...", ".hidden", "data/x",
        "metadata", "sopsync-fences/x", "x/sopsync-fence/y", "a", "a/b", "x" * 1024,
    )  # fmt: skip

    def __init__(
        self, bao: OpenBao, mount: str, token: str, connections: HTTPAdapter, expected: Expected, *, hashicorp: bool
    ) -> None:
        self.outside = VaultOutside(bao, mount, f"place-{next(_numbers)}")
        self.expected = expected
        self._token = token
        self._send = HashiCorp(connections.send) if hashicorp else connections.send

    def open(self, wire: Wire) -> VaultStore:
        session = requests.Session()
        session.mount("http://", FaultyAdapter(wire, self._send))
        address = self.outside.bao.address
        settings = VaultSettings(type="vault", address=address, mount=self.outside.mount, prefix=self.outside.prefix)
        return open_vault("vault", settings, Context({"VAULT_TOKEN": self._token}), session)

    def name(self, word: str) -> str:
        return f"prod/{word}"


def path_of(request: PreparedRequest) -> str:
    return urlsplit(request.url or "").path
