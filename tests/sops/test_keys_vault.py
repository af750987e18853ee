"""Vault transit on a real OpenBao; and a file cannot aim our token, whatever address, path or redirect it names."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from tests.sops.files import metadata, opens, sealed, turned_up, wrapped
from tests.sops.vectors import KEYS, case, cases
from tests.sops.wire import Answer, Asked, serving
from tests.support.leaks import assert_clean
from tests.support.ports import reserved
from tests.support.servers import OpenBao, openbao

pytestmark = pytest.mark.xdist_group("fixed-ports")

PORT = 48213
TOKEN = "canary-root-token"
DATA_KEY = b"canary-data-key-of-32-bytes-long"
VAULT_CASES = [c.name for c in cases() if "vault" in c.keys]
LOST = "https://vault.evil.example.net"


@pytest.fixture(scope="module")
def bao() -> Iterator[OpenBao]:
    """The server that the recorded files name, with the keys they were sealed with."""
    with reserved(PORT), openbao(PORT, TOKEN) as server:
        server.mount("transit", "transit")
        server.mount("team/transit", "transit")
        for saved in json.loads((KEYS / "vault_transit_backups.json").read_text("ascii")):
            server.call("POST", f"{saved['mount']}/restore/{saved['name']}", {"backup": saved["backup"]})
        yield server


def ring(home: Path, **variables: str) -> Keyring:
    return Keyring.from_environment(variables, home=home)


def refused(keys: Keyring, wanted: object) -> str:
    with pytest.raises(DecryptError) as error:
        keys.data_key(wanted)  # type: ignore[arg-type]
    assert_clean(str(error.value))
    return str(error.value)


def key(address: str, engine: str = "transit", name: str = "sops") -> object:
    return wrapped("hc_vault", "vault:v1:AAAA", vault_address=address, engine_path=engine, key_name=name)


@pytest.mark.parametrize("name", VAULT_CASES)
@pytest.mark.parametrize("allowed", ["VAULT_ADDR", "allow_hosts", "SOPS_HC_VAULT_ALLOWLIST"])
def test_recorded_files_open(bao: OpenBao, tmp_path: Path, name: str, allowed: str) -> None:
    data = case(name).data
    variables = {"VAULT_TOKEN": TOKEN, "SOPS_AGE_KEY": case(name).age_identities()}
    hosts = ("127.0.0.1:48213",) if allowed == "allow_hosts" else ()
    if not hosts:
        variables[allowed] = bao.address
    keys = Keyring.from_environment(variables, home=tmp_path, allow_hosts=hosts)
    if case(name).ok:
        assert opens(keys.data_key(metadata(data)), data)
    else:
        assert refused(keys, metadata(data))


def test_what_sops_seals_opens_with_the_token_of_vault_login(bao: OpenBao, tmp_path: Path) -> None:
    uri = f"{bao.address}/v1/team/transit/keys/sops"
    variables = {"VAULT_TOKEN": TOKEN, "VAULT_ADDR": bao.address}
    data = sealed(tmp_path, "--hc-vault-transit", uri, variables=variables)
    told = refused(ring(tmp_path, VAULT_ADDR=bao.address), metadata(data))
    assert "no Vault token\n  hint: set VAULT_TOKEN, or vault login" in told
    (tmp_path / ".vault-token").write_text(f"{TOKEN}\n")
    assert opens(ring(tmp_path, VAULT_ADDR=bao.address).data_key(metadata(data)), data)


def test_age_goes_first_so_no_server_is_asked(tmp_path: Path) -> None:
    data = case("vault-and-age").data
    keys = ring(tmp_path, SOPS_AGE_KEY=case("vault-and-age").age_identities(), VAULT_TOKEN=TOKEN)
    assert opens(keys.data_key(metadata(data)), data)


def test_what_the_server_refuses_is_told_in_our_words(bao: OpenBao, tmp_path: Path) -> None:
    token = bao.token_for('path "secret/*" { capabilities = ["read"] }', "nothing")
    wanted = metadata(case("vault-transit").data)
    told = refused(ring(tmp_path, VAULT_ADDR=bao.address, VAULT_TOKEN=token), wanted)
    assert "permission denied\n  hint: grant update on transit/decrypt/" in told
    assert token not in told
    mine = ring(tmp_path, VAULT_ADDR=bao.address, VAULT_TOKEN=TOKEN)
    assert "answered InvalidRequest" in refused(mine, key(bao.address, name="no-such-key"))
    assert "answered InvalidPath" in refused(mine, key(bao.address, engine="nowhere"))


# -- a file cannot aim our token


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"VAULT_ADDR": "https://vault.example.com"},
        {"VAULT_ADDR": "HERE.example.com"},
        {"SOPS_HC_VAULT_ALLOWLIST": "none", "VAULT_ADDR": "HERE"},
        {"SOPS_HC_VAULT_ALLOWLIST": "http://127.0.0.1"},
        {"SOPS_HC_VAULT_ALLOWLIST": "https://vault.example.com, HERE0"},
        {"SOPS_HC_VAULT_ALLOWLIST": " , "},
        {"SOPS_HC_VAULT_ALLOWLIST": "ALL"},
    ],
)
def test_a_server_that_nobody_allowed_never_hears_of_us(tmp_path: Path, variables: dict[str, str]) -> None:
    with serving(lambda asked: Answer()) as wire:
        set_to = {name: value.replace("HERE", wire.url) for name, value in variables.items()}
        told = refused(ring(tmp_path, VAULT_TOKEN=TOKEN, **set_to), key(wire.url))
        assert f"{wire.url} is named by the file and not allowed" in told
        assert f"export SOPS_HC_VAULT_ALLOWLIST={wire.url}" in told
        assert wire.asked == []


@pytest.mark.parametrize("allowed", ["all", "HERE", "HERE/", "https://x.example.com , HERE"])
def test_the_allow_list_of_sops_allows(tmp_path: Path, allowed: str) -> None:
    with serving(_vault) as wire:
        keys = ring(tmp_path, VAULT_TOKEN=TOKEN, SOPS_HC_VAULT_ALLOWLIST=allowed.replace("HERE", wire.url))
        with turned_up("urllib3.connectionpool"):
            assert keys.data_key(key(wire.url)) == DATA_KEY  # type: ignore[arg-type]
        (asked,) = wire.asked
    assert (asked.method, asked.path) == ("POST", "/v1/transit/decrypt/sops")
    assert json.loads(asked.body) == {"ciphertext": "vault:v1:AAAA"}
    assert asked.headers["x-vault-token"] == TOKEN


def test_an_address_with_vault_addr_as_its_beginning_is_another_server(tmp_path: Path) -> None:
    keys = ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR="https://vault.example.com")
    for address in (
        "https://vault.example.com.evil.net",
        "https://vault.example.com@evil.net",
        "http://vault.example.com",
    ):
        assert "not allowed" in (told := refused(keys, key(address))) or "is not the address" in told


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        ("../sys", "x"),
        ("transit/../../x", "x"),
        ("transit", ".."),
        ("transit", "a/b"),
        ("transit?", "x"),
        ("transit", "x#"),
        ("transit%2f..", "x"),
        ("a//b", "x"),
        ("", "x"),
        ("transit", ""),
        ("transit", "a\nb"),
    ],
)
def test_a_path_cannot_climb_to_another_api(tmp_path: Path, engine: str, name: str) -> None:
    with serving(_vault) as wire:
        keys = ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR=wire.url)
        assert "not the path of a transit key" in refused(keys, key(wire.url, engine, name))
        assert wire.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_token_does_not_follow_a_redirect(tmp_path: Path, status: int) -> None:
    with (
        serving(lambda asked: Answer(200, b"{}")) as other,
        serving(lambda asked: Answer(status, b"", {"location": other.url})) as wire,
    ):
        keys = ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR=wire.url)
        assert "did not answer like Vault" in refused(keys, key(wire.url))
        assert other.asked == []


# -- servers that fail


def test_a_server_that_is_down_is_asked_a_few_times_and_then_no_more(tmp_path: Path) -> None:
    """200 files of a server that is gone must not each wait for it."""
    with serving(lambda asked: Answer(503, b'{"errors": ["canary-sealed"]}')) as wire:
        keys = ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR=wire.url)
        assert "is sealed or down" in refused(keys, key(wire.url))
        first = len(wire.asked)
        assert 1 < first <= 3
        assert "is sealed or down" in refused(keys, key(wire.url, name="another"))
        assert len(wire.asked) == first


def test_nobody_there_is_told_as_that(tmp_path: Path) -> None:
    with serving(_vault) as wire:
        pass
    keys = ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR=wire.url)
    assert f"{wire.url} does not answer" in refused(keys, key(wire.url))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"canary-html",
        b'{"data": null}',
        b'{"data": {"plaintext": 7}}',
        b'{"data": {"plaintext": "canary"}}',
    ],
)
def test_an_answer_that_is_none_is_no_surprise(tmp_path: Path, body: bytes) -> None:
    with serving(lambda asked: Answer(200, body)) as wire:
        refused(ring(tmp_path, VAULT_TOKEN=TOKEN, VAULT_ADDR=wire.url), key(wire.url))


def _vault(asked: Asked) -> Answer:
    """https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data"""
    return Answer(200, json.dumps({"data": {"plaintext": base64.b64encode(DATA_KEY).decode()}}).encode())
