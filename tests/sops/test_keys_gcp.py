"""Google Cloud KMS: the real client against a stand-in over HTTP, with each kind of credential sops takes.

The stand-in: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/decrypt, and
for credentials of a file https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from tests.sops.files import turned_up, wrapped
from tests.sops.wire import Answer, Asked, serving
from tests.support.leaks import assert_clean

DATA_KEY = b"canary-data-key-of-32-bytes-long"
RESOURCE = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
TOKEN = "canary-google-token"


def kms(asked: Asked) -> Answer:
    if asked.path == "/token":
        return Answer(
            200,
            json.dumps(
                {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
            ).encode(),
        )
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(asked.body)["ciphertext"] == "QUFBQQ=="
    return Answer(200, json.dumps({"plaintext": base64.b64encode(DATA_KEY).decode()}).encode())


def key(enc: str = "QUFBQQ==", resource: str = RESOURCE) -> Any:
    return wrapped("gcp_kms", enc, resource_id=resource)


def refused(keys: Keyring, wanted: Any) -> str:
    with pytest.raises(DecryptError) as error:
        keys.data_key(wanted)
    assert_clean(str(error.value))
    return str(error.value)


def test_a_token_in_a_variable_opens_a_data_key() -> None:
    with serving(kms) as wire:
        variables = {"SOPS_GCP_KMS_ENDPOINT": wire.url, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
        with turned_up("google.cloud.kms_v1.services.key_management_service.transports.rest"):
            assert Keyring.from_environment(variables).data_key(key()) == DATA_KEY
        (asked,) = wire.asked
    assert (asked.method, asked.path.partition("?")[0]) == ("POST", f"/v1/{RESOURCE}:decrypt")


@pytest.mark.parametrize(
    "how", ["GOOGLE_CREDENTIALS path", "GOOGLE_CREDENTIALS JSON", "GOOGLE_APPLICATION_CREDENTIALS"]
)
def test_credentials_of_a_file_or_in_a_variable_open_a_data_key(tmp_path: Path, how: str) -> None:
    """Workload identity federation, as CI uses it: it names its token server, so nobody else is asked."""
    (tmp_path / "id").write_text("canary-id-token")
    with serving(kms) as wire:
        text = json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.example.com/x",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{wire.url}/token",
                "credential_source": {"file": str(tmp_path / "id")},
            }
        )
        (tmp_path / "c.json").write_text(text)
        name, _, form = how.partition(" ")
        variables = {"SOPS_GCP_KMS_ENDPOINT": wire.url, name: text if form == "JSON" else str(tmp_path / "c.json")}
        assert Keyring.from_environment(variables).data_key(key()) == DATA_KEY


def test_credentials_that_are_none_are_not_repeated() -> None:
    told = refused(Keyring.from_environment({"GOOGLE_CREDENTIALS": "canary-what"}), key())
    assert "GOOGLE_CREDENTIALS is neither a file nor JSON" in told
    told = refused(Keyring.from_environment({"GOOGLE_CREDENTIALS": '{"type": "canary-type"}'}), key())
    assert "no Google credentials that work" in told


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (
            403,
            "PERMISSION_DENIED",
            f"permission denied\n  hint: grant cloudkms.cryptoKeyVersions.useToDecrypt on {RESOURCE}",
        ),
        (401, "UNAUTHENTICATED", "no Google credentials that work"),
        (404, "NOT_FOUND", "Cloud KMS k: NotFound"),
        (400, "INVALID_ARGUMENT", "Cloud KMS k: BadRequest"),
    ],
)
def test_the_kind_of_an_answer_is_told_and_its_text_is_not(status: int, code: str, why: str) -> None:
    body = json.dumps({"error": {"code": status, "status": code, "message": "canary-message"}}).encode()
    with serving(lambda asked: Answer(status, body)) as wire:
        variables = {"SOPS_GCP_KMS_ENDPOINT": wire.url, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
        assert why in refused(Keyring.from_environment(variables), key())


def test_nobody_there_is_told_as_that_and_not_asked_again() -> None:
    with serving(kms) as wire:
        pass
    variables = {"SOPS_GCP_KMS_ENDPOINT": wire.url, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
    keys = Keyring.from_environment(variables)
    assert "Cloud KMS does not answer" in refused(keys, key())
    assert "Cloud KMS does not answer" in refused(keys, key("QkJCQg=="))


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "projects/p/locations/global/keyRings/r",
        f"{RESOURCE}/cryptoKeyVersions/1",
        "projects/../locations/global/keyRings/r/cryptoKeys/k",
        "projects/p?/locations/global/keyRings/r/cryptoKeys/k",
        "projects/p/locations/global/keyRings/r/cryptoKeys/k:encrypt",
        "https://evil.example.net/projects/p/locations/global/keyRings/r/cryptoKeys/k",
    ],
)
def test_a_resource_id_cannot_bend_the_request(resource: str) -> None:
    with serving(kms) as wire:
        variables = {"SOPS_GCP_KMS_ENDPOINT": wire.url, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
        told = refused(Keyring.from_environment(variables), key(resource=resource))
        assert wire.asked == []
    assert "not the resource id of a key" in told


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, "cloudkms.googleapis.com"),
        ({"SOPS_GCP_KMS_UNIVERSE_DOMAIN": "s3nsapis.fr"}, "cloudkms.s3nsapis.fr"),
        (
            {"SOPS_GCP_KMS_ENDPOINT": "kms.example.com", "SOPS_GCP_KMS_UNIVERSE_DOMAIN": "s3nsapis.fr"},
            "kms.example.com",
        ),
        ({"SOPS_GCP_KMS_CLIENT_TYPE": "gRPC"}, "cloudkms.googleapis.com:443"),
    ],
)
def test_only_variables_say_where_requests_go(variables: dict[str, str], host: str) -> None:
    from sopsync.sops.keys.base import Surroundings
    from sopsync.sops.keys.gcp import GcpSource

    client = GcpSource(Surroundings({**variables, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}))._connect()
    assert client.transport.kind == ("grpc" if "SOPS_GCP_KMS_CLIENT_TYPE" in variables else "rest")
    assert client.transport.host.removeprefix("https://").removesuffix(":443") == host.removesuffix(":443")
