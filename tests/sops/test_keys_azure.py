"""Azure Key Vault keys: the real client against a stand-in over TLS, and a file cannot aim our token.

No emulator decrypts with RSA-OAEP-256, so the service is one function that holds a key:
https://learn.microsoft.com/rest/api/keyvault/keys/decrypt/decrypt (request and answer), .../get-key/get-key, and
https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses (the challenge).
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from tests.sops.files import turned_up, wrapped
from tests.sops.wire import Answer, Asked, Wire, certificate, serving
from tests.support.leaks import assert_clean

DATA_KEY = b"canary-data-key-of-32-bytes-long"
TOKEN = "canary-azure-token"
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
HOST = "myvault.localhost"


class Vault:
    """A key vault with one RSA key. `deny`: statuses to answer instead, by operation."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.deny: dict[str, int] = {}

    def __call__(self, asked: Asked) -> Answer:
        if "authorization" not in asked.headers:
            challenge = f'Bearer authorization="https://login.{HOST}/t", resource="https://localhost:{self.port}"'
            return Answer(401, b"{}", {"www-authenticate": challenge})
        operation = "decrypt" if "/decrypt?" in asked.path else "get"
        if operation in self.deny:
            return Answer(self.deny[operation], b'{"error": {"code": "No", "message": "canary-message"}}')
        kid = f"https://{HOST}:{self.port}/keys/sops/0a1b"
        if operation == "get":
            numbers = self.key.public_key().public_numbers()
            jwk = {"kid": kid, "kty": "RSA", "key_ops": ["decrypt"], "n": _b64(numbers.n), "e": _b64(numbers.e)}
            return Answer(200, json.dumps({"key": jwk, "attributes": {"enabled": True}}).encode())
        request = json.loads(asked.body)
        assert request["alg"] == "RSA-OAEP-256"
        value = base64.urlsafe_b64decode(request["value"] + "==")
        opened = base64.urlsafe_b64encode(self.key.decrypt(value, OAEP)).rstrip(b"=").decode()
        return Answer(200, json.dumps({"kid": kid, "value": opened}).encode())

    port = 0

    def wrapped(self, url: str, **fields: str) -> Any:
        """A data key as sops wraps it: raw URL base64."""
        sealed = self.key.public_key().encrypt(DATA_KEY, OAEP)
        enc = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        return wrapped("azure_kv", enc, **{"vault_url": url, "name": "sops", "version": "0a1b", **fields})


def _b64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


class Credential:
    """Stands in for DefaultAzureCredential, which would ask the machine's own login."""

    def __init__(self, **options: Any) -> None:
        """Takes what the real one takes."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(TOKEN, 4102444800)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wire, Vault, Path]]:
    vault = Vault()
    tls = certificate(tmp_path_factory.mktemp("tls") / "pem", HOST)
    with serving(vault, tls=tls) as wire:
        vault.port = int(wire.url.rpartition(":")[2])
        yield wire, vault, tls


@pytest.fixture
def azure(service: tuple[Wire, Vault, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Wire, Vault, str]:
    """(server, vault, its URL), trusted by TLS, with somebody logged in."""
    wire, vault, tls = service
    wire.asked.clear()
    vault.deny.clear()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls))
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Credential)
    _resolve(monkeypatch)
    return wire, vault, f"https://{HOST}:{vault.port}"


def _resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below `.localhost` are this machine (RFC 6761), which not every resolver knows."""
    import socket

    real = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda host, *rest, **more: real("127.0.0.1" if host == HOST else host, *rest, **more)
    )


def ring(*allow_hosts: str) -> Keyring:
    return Keyring.from_environment({}, allow_hosts=allow_hosts)


def refused(keys: Keyring, wanted: Any) -> str:
    with pytest.raises(DecryptError) as error:
        keys.data_key(wanted)
    assert_clean(str(error.value))
    return str(error.value)


def test_the_vault_opens_a_data_key(azure: tuple[Wire, Vault, str]) -> None:
    wire, vault, url = azure
    with turned_up("azure.core.pipeline.policies"):
        assert ring(HOST).data_key(vault.wrapped(url)) == DATA_KEY
    last = wire.asked[-1]
    assert (last.method, last.path.partition("?")[0]) == ("POST", "/keys/sops/0a1b/decrypt")
    assert last.headers["authorization"] == f"Bearer {TOKEN}"


def test_the_right_to_see_the_key_is_not_needed(azure: tuple[Wire, Vault, str]) -> None:
    _, vault, url = azure
    vault.deny["get"] = 403
    assert ring(HOST).data_key(vault.wrapped(url)) == DATA_KEY


@pytest.mark.parametrize(("status", "hint"), [(403, "grant keys/decrypt on https://"), (400, ""), (404, "")])
def test_the_status_of_an_answer_is_told_and_its_text_is_not(
    azure: tuple[Wire, Vault, str], status: int, hint: str
) -> None:
    _, vault, url = azure
    vault.deny["decrypt"] = status
    told = refused(ring(HOST), vault.wrapped(url))
    assert f"Key Vault sops: HTTP {status}" in told
    assert hint in told


def test_nobody_logged_in_is_told_as_that_and_once(
    azure: tuple[Wire, Vault, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    asked: list[int] = []

    def nobody(self: Credential, *scopes: str, **options: Any) -> Any:
        asked.append(1)
        raise ClientAuthenticationError("canary-message")

    monkeypatch.setattr(Credential, "get_token", nobody)
    _, vault, url = azure
    keys = ring(HOST)
    for version in ("0a1b", "0a1c"):
        assert "no Azure credentials\n  hint: az login" in refused(keys, vault.wrapped(url, version=version))
    assert len(asked) <= 2


# -- a file cannot aim our token


@pytest.mark.parametrize(
    "url",
    [
        "https://HERE",
        "http://HERE",
        "https://myvault.vault.azure.net@HERE",
        "https://HERE/myvault.vault.azure.net",
        "https://HERE#.vault.azure.net",
        "https://HERE?.vault.azure.net",
        "https://HERE\\.vault.azure.net",
    ],
)
def test_a_vault_that_nobody_allowed_never_hears_of_us(azure: tuple[Wire, Vault, str], url: str) -> None:
    wire, vault, _ = azure
    told = refused(ring("other.example.com"), vault.wrapped(url.replace("HERE", f"{HOST}:{vault.port}")))
    assert "not allowed" in told or "not the https address" in told
    assert wire.asked == []


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://a.vault.azure.net", True),
        ("https://a.vault.azure.net/", True),
        ("https://a.vault.azure.cn", True),
        ("https://a.vault.usgovcloudapi.net", True),
        ("https://a.managedhsm.azure.net", True),
        ("https://a.vault.azure.net:8443", False),
        ("https://vault.azure.net", False),
        ("https://a.vault.azure.net.evil.example.net", False),
        ("https://avault.azure.net", False),
        ("http://a.vault.azure.net", False),
    ],
)
def test_azure_s_own_vaults_need_no_permission(url: str, ours: bool) -> None:
    from sopsync.sops.keys.azure import AzureSource
    from sopsync.sops.keys.base import CannotOpen, Surroundings

    source = AzureSource(Surroundings({}))
    if ours:
        assert source._checked(url, "x") == url.rstrip("/")
    else:
        with pytest.raises(CannotOpen):
            source._checked(url, "x")


@pytest.mark.parametrize(
    "fields", [{"name": "../x"}, {"name": ""}, {"name": "a/b"}, {"version": "../.."}, {"version": "a?b"}]
)
def test_a_name_cannot_climb_to_another_api(azure: tuple[Wire, Vault, str], fields: dict[str, str]) -> None:
    wire, vault, url = azure
    assert "not the name and version of a key" in refused(ring(HOST), vault.wrapped(url, **fields))
    assert wire.asked == []


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name == "azure" or name.startswith("azure.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    wanted = wrapped("azure_kv", "AAAA", vault_url="https://a.vault.azure.net", name="x", version="1")
    assert 'hint: pip install "sopsync[azure]"' in refused(ring(), wanted)
