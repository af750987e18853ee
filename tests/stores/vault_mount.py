"""A KV mount of its own, clients on it, raw calls past them, and what tests write there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sopsync.model import Fence, Observed, Origin, Payload, Secret, Stamp, Version
from sopsync.stores.vault import VaultStore
from sopsync.stores.vault_transport import Transport
from tests.stores.vault_harness import Client, HashiCorp, client
from tests.support.servers import OpenBao

OWNER = "acme/prod"
STAMP = Stamp(OWNER, "a" * 32, "c" * 40, Origin("services/api/prod.yaml", "/token"))
FENCE = Fence(OWNER, "1" * 40, "0" * 32, "f" * 40)
ENTRY = "prod/api"
VALUE = Payload(fields={"user": Secret(b"canary-user"), "password": Secret(b"canary-password")})
OTHER = Payload(fields={"user": Secret(b"canary-other")})


class Kv:
    """What the test is given."""

    def __init__(self, bao: OpenBao, mount: str, connections: Transport) -> None:
        self.bao, self.mount, self._send = bao, bao.mount(mount), connections.send

    def client(self, *, hashicorp: bool = False, **more: Any) -> Client:
        return client(self.bao, self.mount, HashiCorp(self._send) if hashicorp else self._send, **more)

    def call(self, method: str, part: str, name: str, body: Any = None) -> Any:
        answer = self.bao.call(method, f"{self.mount}/{part}/{name}", body)
        return answer["data"] if answer else None

    def custom(self, name: str = ENTRY) -> Mapping[str, str]:
        found: Mapping[str, str] = self.call("GET", "metadata", name)["custom_metadata"] or {}
        return found

    def policy(self, *lines: str) -> str:
        """A token that may do this and nothing else."""
        return self.bao.token_for("\n".join(lines).replace("KV", self.mount), f"policy-{self.mount}")


def write(
    store: VaultStore,
    payload: Payload = VALUE,
    stamp: Stamp = STAMP,
    *,
    expect: Version | None = None,
    tags: Mapping[str, str] | None = None,
    name: str = ENTRY,
) -> Version:
    return store.write(name, payload, stamp, expect=expect, options={}, tags=tags or {})


def see(client: Client, name: str = ENTRY) -> Observed:
    (seen,) = [entry for entry in client.store.survey({name: ""}).entries if entry.name == name]
    return seen
