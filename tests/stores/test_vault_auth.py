"""Getting a token: each way against a real OpenBao; and what becomes of one that dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from sopsync.errors import Denied
from sopsync.model import Payload, Secret, Stamp, Version
from sopsync.stores.testing.place import assert_no_leak
from sopsync.stores.vault import VaultStore
from sopsync.stores.vault_settings import VaultSettings
from sopsync.stores.vault_transport import Transport
from tests.stores.vault_harness import LEAST, Client, client
from tests.stores.vault_issuers import jwt, token_reviews
from tests.stores.vault_tls import certificates
from tests.support.servers import OpenBao

STAMP = Stamp("acme/prod", "a" * 32, "c" * 40)
VALUE = Payload(fields={"password": Secret(b"canary-password")})
MOUNT = "auth-kv"


class Bao:
    """The server, with a mount and a policy that lets applying happen on it."""

    def __init__(self, bao: OpenBao, connections: Transport) -> None:
        self.bao, self._send = bao, connections.send
        bao.mount(MOUNT)
        bao.call("PUT", "sys/policies/acl/applies", {"policy": LEAST.format(mount=MOUNT)})

    def enable(self, kind: str, path: str = "") -> None:
        self.bao.call("POST", f"sys/auth/{path or kind}", {"type": kind})

    def client(self, auth: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Client:
        more: dict[str, Any] = {} if auth is None else {"auth": auth}
        return client(self.bao, MOUNT, self._send, environ=environ or {}, **more)

    def revoke(self, store: VaultStore) -> None:
        """Kill the token under a client."""
        self.bao.call("POST", "auth/token/revoke", {"token": store._wire._token})


@pytest.fixture(scope="module")
def server(bao: OpenBao, connections: Transport) -> Bao:
    return Bao(bao, connections)


def write(store: VaultStore, name: str) -> Version:
    return store.write(name, VALUE, STAMP, expect=None, options={}, tags={})


def denied(act: Callable[[], object]) -> str:
    with pytest.raises(Denied) as caught:
        act()
    assert_no_leak(caught.value)
    return str(caught.value)


# -- token


def test_a_token_comes_from_the_environment_or_from_the_file_that_a_login_leaves(server: Bao, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(f"{server.bao.token}\n")
    for environ in (
        {"VAULT_TOKEN": server.bao.token},
        {"BAO_TOKEN": server.bao.token, "VAULT_TOKEN": "canary-other"},
        {"HOME": str(tmp_path)},
    ):
        server.client(environ=environ).store.survey({})


def test_no_token_is_told_before_anything_is_sent(server: Bao, tmp_path: Path) -> None:
    for environ in ({"HOME": str(tmp_path)}, {"VAULT_TOKEN": "canary-\nheader"}, {"VAULT_TOKEN": "canary-ü"}):
        c = server.client(environ=environ)
        said = denied(lambda: c.store.survey({}))  # noqa: B023 - called at once
        assert "VAULT_TOKEN" in said
        assert c.log == []


def test_a_token_of_the_user_is_not_revoked(server: Bao) -> None:
    token = server.bao.token_for(LEAST.format(mount=MOUNT), "users")
    for _ in range(2):
        c = server.client(environ={"VAULT_TOKEN": token})
        c.store.survey({})
        c.store.close()
        assert not any("revoke" in call for call in c.log)


# -- AppRole


@pytest.fixture(scope="module")
def approle(server: Bao) -> Mapping[str, str]:
    """role_id and secret_id."""
    server.enable("approle")
    server.bao.call("POST", "auth/approle/role/sopsync", {"token_policies": ["applies"]})
    role = server.bao.call("GET", "auth/approle/role/sopsync/role-id")["data"]["role_id"]
    secret = server.bao.call("POST", "auth/approle/role/sopsync/secret-id", {})["data"]["secret_id"]
    return {"role_id": role, "secret_id": secret}


def _approle(server: Bao, approle: Mapping[str, str]) -> Client:
    auth = {"method": "approle", "role_id": approle["role_id"], "secret_id_env": "SECRET_ID"}
    return server.client(auth, {"SECRET_ID": approle["secret_id"]})


def test_approle_logs_in_once_and_lets_go_of_its_token(server: Bao, approle: Mapping[str, str]) -> None:
    c = _approle(server, approle)
    assert c.log == []
    write(c.store, "approle")
    assert c.log[0] == "POST auth/approle/login"
    assert sum("login" in call for call in c.log) == 1
    token = c.store._wire._token
    c.store.close()
    assert c.log[-1] == "POST auth/token/revoke-self"
    assert c.store.calls == len(c.log)
    with pytest.raises(OSError, match="403"):
        server.bao.call("GET", "auth/token/lookup-self", token=token)
    before = len(c.log)
    c.store.close()
    assert len(c.log) == before


def test_approle_from_a_file(server: Bao, approle: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "secret-id"
    file.write_text(approle["secret_id"] + "\n")
    auth = {"method": "approle", "role_id": approle["role_id"], "secret_id_file": str(file)}
    server.client(auth).store.survey({})
    file.unlink()
    c = server.client(auth)
    assert "nothing to read in" in denied(lambda: c.store.survey({}))
    assert c.log == []


def test_a_login_that_is_refused(server: Bao, approle: Mapping[str, str]) -> None:
    wrong = {**approle, "secret_id": "canary-wrong"}
    assert "the login was refused" in denied(lambda: _approle(server, wrong).store.survey({}))
    auth = {"method": "approle", "role_id": "x", "secret_id_env": "S", "mount": "elsewhere"}
    said = denied(lambda: server.client(auth, {"S": "canary-s"}).store.survey({}))
    assert "auth/elsewhere/login" in said
    said = denied(lambda: server.client(auth).store.survey({}))
    assert "S is not set" in said


# -- a token that dies


def test_a_dead_token_is_replaced_and_the_call_made_again(server: Bao, approle: Mapping[str, str]) -> None:
    c = _approle(server, approle)
    c.store.survey({})
    server.revoke(c.store)
    write(c.store, "dead")
    assert sum("login" in call for call in c.log) == 2
    assert c.store.read("dead", expect=Version("1")).same(VALUE)
    assert sum("login" in call for call in c.log) == 2


def test_several_threads_find_out_and_one_logs_in(server: Bao, approle: Mapping[str, str]) -> None:
    c = _approle(server, approle)
    c.store.survey({})
    server.revoke(c.store)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: write(c.store, f"threads{number}"), range(16))) == {"1"}
    assert sum("login" in call for call in c.log) == 2


def test_a_refused_path_is_no_reason_to_log_in_again(server: Bao, approle: Mapping[str, str]) -> None:
    c = _approle(server, approle)
    write(c.store, "refused")
    server.bao.call(
        "PUT", "sys/policies/acl/applies", {"policy": LEAST.format(mount=MOUNT).replace('"read", "list"', '"list"')}
    )
    try:
        said = denied(lambda: c.store.restamp("refused", STAMP, expect=Version("1"), tags={}))
    finally:
        server.bao.call("PUT", "sys/policies/acl/applies", {"policy": LEAST.format(mount=MOUNT)})
    assert said == f"vault:refused: permission denied; hint: grant read on {MOUNT}/metadata/refused"
    assert sum("login" in call for call in c.log) == 1


def test_a_token_that_died_since_the_last_survey_does_not_make_the_next_one_a_walk(
    server: Bao, approle: Mapping[str, str]
) -> None:
    """Tokens that may be used once: a refused SCAN is looked into before it is taken for a missing ability."""
    role = "auth/approle/role/once"
    server.bao.call("POST", role, {"token_policies": ["applies"], "token_num_uses": 1})
    once = {
        "role_id": server.bao.call("GET", f"{role}/role-id")["data"]["role_id"],
        "secret_id": server.bao.call("POST", f"{role}/secret-id", {})["data"]["secret_id"],
    }
    c = _approle(server, once)
    c.store.survey({})
    scan, login = f"SCAN {MOUNT}/detailed-metadata", "POST auth/approle/login"
    probes = [f"GET sys/internal/ui/mounts/{MOUNT}", "GET auth/token/lookup-self"]
    assert c.calls(lambda: c.store.survey({})) == [scan, *probes, login, scan]


def test_a_login_whose_tokens_are_always_dead_ends(server: Bao, approle: Mapping[str, str]) -> None:
    """A call is made again once, with one new token."""
    c = _approle(server, approle)
    kill = partial(server.revoke, c.store)
    c.store.survey({})
    kill()
    c.wire.rewind()
    c.wire.deeds[5] = kill  # the call, two probes, the login, the call again
    assert "permission denied" in denied(lambda: c.store.restamp("dead", STAMP, expect=Version("1"), tags={}))
    assert c.wire.calls == 5


# -- JWT


@pytest.fixture(scope="module")
def issuer(server: Bao) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    server.enable("jwt", "ci")
    server.bao.call(
        "POST", "auth/ci/config", {"jwt_validation_pubkeys": [pem], "bound_issuer": "https://ci.example.com"}
    )
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["sopsync"], "token_policies": ["applies"]}
    server.bao.call("POST", "auth/ci/role/deploy", role)
    return key


def test_jwt_from_a_variable_or_a_file(server: Bao, issuer: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    claims = {
        "iss": "https://ci.example.com",
        "sub": "acme/payments",
        "aud": "sopsync",
    }
    auth = {"method": "jwt", "mount": "ci", "role": "deploy"}
    good = jwt(issuer, **claims)
    c = server.client({**auth, "jwt_env": "ID_TOKEN"}, {"ID_TOKEN": good})
    write(c.store, "jwt")
    (tmp_path / "jwt").write_text(good)
    server.client({**auth, "jwt_file": str(tmp_path / "jwt")}).store.survey({})
    for bad in ({"exp": 1}, {"aud": "others"}, {"iss": "https://evil.example.com"}):
        expired = server.client({**auth, "jwt_env": "ID_TOKEN"}, {"ID_TOKEN": jwt(issuer, **{**claims, **bad})})
        assert "the login was refused" in denied(lambda: expired.store.survey({}))  # noqa: B023 - called at once
    stranger = jwt(ec.generate_private_key(ec.SECP256R1()), **claims)
    forged = server.client({**auth, "jwt_env": "ID_TOKEN"}, {"ID_TOKEN": stranger})
    assert "the login was refused" in denied(lambda: forged.store.survey({}))


# -- Kubernetes


def test_kubernetes_reads_the_service_accounts_token_again_at_each_login(
    server: Bao, issuer: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    def service_account(number: int) -> str:
        """kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin: claims of a bound token."""
        pod = {"namespace": "payments", "serviceaccount": {"name": "sopsync", "uid": "u-1"}}
        subject = "system:serviceaccount:payments:sopsync"
        return jwt(issuer, sub=subject, aud=["x"], jti=str(number), **{"kubernetes.io": pod})

    first, second = service_account(1), service_account(2)
    known = dict.fromkeys((first, second), "system:serviceaccount:payments:sopsync")
    with token_reviews(known) as api:
        server.enable("kubernetes", "cluster")
        config: dict[str, Any] = {
            "kubernetes_host": api,
            "token_reviewer_jwt": "canary-reviewer",
            "disable_local_ca_jwt": True,
        }
        # asked for, even where it is not used
        config["kubernetes_ca_cert"] = certificates(tmp_path).read_text()
        server.bao.call("POST", "auth/cluster/config", config)
        bound = {"bound_service_account_names": "sopsync", "bound_service_account_namespaces": "payments"}
        server.bao.call("POST", "auth/cluster/role/sopsync", {**bound, "token_policies": ["applies"]})
        file = tmp_path / "token"
        file.write_text(first)
        auth = {"method": "kubernetes", "mount": "cluster", "role": "sopsync", "jwt_file": str(file)}
        c = server.client(auth)
        write(c.store, "kubernetes")
        # the kubelet renews the file, the first token dies with its pod, and so does ours
        file.write_text(second)
        del known[first]
        server.revoke(c.store)
        assert c.store.read("kubernetes", expect=Version("1")).same(VALUE)
        # one the cluster does not know
        file.write_text(first)
        server.revoke(c.store)
        assert "the login was refused" in denied(lambda: c.store.read("kubernetes", expect=Version("1")))


# -- settings


@pytest.mark.parametrize(
    "auth",
    [
        {"method": "approle", "role_id": "x", "secret_id": "canary-secret"},
        {"method": "approle", "role_id": "x", "secret_id_env": "A", "secret_id_file": "b"},
        {"method": "token", "token": "canary-token"},
        {"method": "jwt", "role": "x"},
        {"method": "jwt", "role": "x", "jwt_env": "A", "jwt_file": "b"},
        {"method": "kubernetes"},
        {"method": "userpass"},
        {"role_id": "x"},
    ],
)
def test_settings_hold_no_secret_and_say_what_is_wrong_without_quoting(auth: Mapping[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        VaultSettings.model_validate({"type": "vault", "auth": auth})
    assert "canary-" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["vault.example.com", "ftp://x", "https://user:canary-pw@host", "https://host/path?x"]
)
def test_an_address_is_a_server_and_nothing_else(address: str) -> None:
    with pytest.raises(ValidationError) as caught:
        VaultSettings(type="vault", address=address)
    assert "canary-" not in str(caught.value)


def test_a_least_config() -> None:
    settings = VaultSettings.model_validate({"type": "vault", "address": "https://vault.example.com:8200/"})
    assert (settings.mount, settings.prefix, settings.auth.method) == ("secret", None, "token")
