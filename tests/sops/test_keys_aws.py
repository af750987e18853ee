"""AWS KMS by moto, with the real client: region, context, role, profile, and who decides where requests go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from sopsync.sops.metadata import MasterKey
from tests.sops.files import group, metadata, opens, sealed, turned_up, wrapped
from tests.sops.vectors import KEYS, case, cases
from tests.sops.wire import Answer, Asked, serving
from tests.support.leaks import assert_clean
from tests.support.moto_kms import moto_kms
from tests.support.ports import reserved

pytestmark = pytest.mark.xdist_group("fixed-ports")

PORT = 48215
KEY_FILE = KEYS / "moto_kms_keys.json"
ARN = str(json.loads(KEY_FILE.read_text("ascii"))[0]["arn"])
ROLE = "arn:aws:iam::123456789012:role/opener"
AWS_CASES = [c.name for c in cases() if "aws" in c.keys]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "canary-secret-key"}
DATA_KEY = b"canary-data-key-of-32-bytes-long"
BLOB = "QUFBQQ=="


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The server that the recorded files were sealed with; its URL."""
    with reserved(PORT), moto_kms(KEY_FILE, PORT) as url:
        yield url


@pytest.fixture(autouse=True)
def no_machine_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the metadata service of the machine that the tests run on."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def ring(**variables: str) -> Keyring:
    return Keyring.from_environment(variables)


def refused(keys: Keyring, wanted: Any) -> str:
    with pytest.raises(DecryptError) as error:
        keys.data_key(wanted)
    assert_clean(str(error.value))
    return str(error.value)


@pytest.mark.parametrize("name", AWS_CASES)
def test_recorded_files_open(aws: str, name: str) -> None:
    keys = ring(AWS_ENDPOINT_URL=aws, **CREDENTIALS)
    if case(name).ok:
        assert opens(keys.data_key(metadata(case(name).data)), case(name).data)
    else:
        assert "InvalidCiphertextException" in refused(keys, metadata(case(name).data))


def test_what_sops_seals_for_a_role_opens_as_that_role(aws: str, tmp_path: Path) -> None:
    variables = {"AWS_ENDPOINT_URL": aws, **CREDENTIALS}
    data = sealed(tmp_path, "--kms", f"{ARN}+{ROLE}", "--encryption-context", "env:prod,b:2", variables=variables)
    wanted = metadata(data)
    assert next(wanted.keys()).fields["role"] == ROLE
    assert opens(ring(**variables).data_key(wanted), data)


def test_what_sops_seals_with_a_profile_opens_with_that_profile(aws: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile ops]\naws_access_key_id = AKIAOPS\naws_secret_access_key = canary-ops\n")
    variables = {"AWS_ENDPOINT_URL": aws, "AWS_CONFIG_FILE": str(config)}
    data = sealed(tmp_path, "--kms", ARN, "--aws-profile", "ops", variables=variables)
    assert opens(ring(**variables).data_key(metadata(data)), data)
    told = refused(ring(AWS_ENDPOINT_URL=aws), metadata(data))
    assert "there is no AWS profile ops" in told


# -- what goes over the wire


def kms(asked: Asked) -> Answer:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html and
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, as far as a data key needs them."""
    if b"AssumeRole" in asked.body:
        body = (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIAROLE</AccessKeyId>"
            "<SecretAccessKey>canary-role</SecretAccessKey><SessionToken>canary-session</SessionToken>"
            "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
        return Answer(200, body.encode(), {"content-type": "text/xml"})
    return Answer(200, json.dumps({"KeyId": ARN, "Plaintext": "Y2FuYXJ5LWRhdGEta2V5LW9mLTMyLWJ5dGVzLWxvbmc="}).encode())


def test_the_request_is_the_one_sops_makes() -> None:
    """Key, blob and context as they stand in the file; signed for the region of the ARN, as the role, by the profile's
    rules: a profile in the file goes before keys in variables."""
    key = MasterKey("kms", BLOB, {"arn": ARN, "role": ROLE}, {"env": "prod"})
    with serving(kms) as wire:
        keys = ring(AWS_ENDPOINT_URL=wire.url, AWS_REGION="ap-south-1", **CREDENTIALS)
        with turned_up("botocore.parsers"):
            assert keys.data_key(group(key)) == DATA_KEY
        assume, decrypt = wire.asked
    assert b"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fopener" in assume.body
    assert b"RoleSessionName=sops%40" in assume.body
    assert "Credential=AKIATEST/" in assume.headers["authorization"]
    assert json.loads(decrypt.body) == {"KeyId": ARN, "CiphertextBlob": BLOB, "EncryptionContext": {"env": "prod"}}
    assert "Credential=AKIAROLE/" in decrypt.headers["authorization"]
    assert f"/{ARN.split(':')[3]}/kms/aws4_request" in decrypt.headers["authorization"]
    assert decrypt.headers["x-amz-security-token"] == "canary-session"


def test_the_profile_of_the_file_goes_before_keys_in_variables(tmp_path: Path) -> None:
    shared = tmp_path / "credentials"
    shared.write_text("[ops]\naws_access_key_id = AKIAOPS\naws_secret_access_key = canary-ops\n")
    with serving(kms) as wire:
        keys = ring(
            AWS_ENDPOINT_URL_KMS=wire.url, AWS_SHARED_CREDENTIALS_FILE=str(shared), AWS_PROFILE="no", **CREDENTIALS
        )
        assert keys.data_key(wrapped("kms", BLOB, arn=ARN, aws_profile="ops")) == DATA_KEY
        assert keys.data_key(wrapped("kms", BLOB, arn=ARN)) == DATA_KEY
        by = [asked.headers["authorization"].partition("Credential=")[2].partition("/")[0] for asked in wire.asked]
    assert by == ["AKIAOPS", "AKIATEST"]


def test_one_role_is_assumed_once_for_many_files() -> None:
    with serving(kms) as wire:
        keys = ring(AWS_ENDPOINT_URL=wire.url, **CREDENTIALS)
        for blob in ("QUFBQQ==", "QkJCQg==", "Q0NDQw=="):
            keys.data_key(wrapped("kms", blob, arn=ARN, role=ROLE))
        assert len(wire.asked) == 1 + 3


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "arn:aws:kms:evil.example.net/#:123456789012:key/x",
        "arn:aws:kms:us-east-1@evil.example.net:123456789012:key/x",
        "arn:aws:kms:us-east-1:123456789012:secret/x",
        "arn:aws:s3:us-east-1:123456789012:key/x",
        "key/x",
    ],
)
def test_an_arn_cannot_aim_the_request(arn: str) -> None:
    assert "not the ARN of a KMS key" in refused(ring(**CREDENTIALS), wrapped("kms", BLOB, arn=arn))


# -- no


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDeniedException", f"hint: grant kms:Decrypt on {ARN}"),
        ("ExpiredTokenException", "hint: log in to AWS again"),
        ("NotFoundException", ""),
    ],
)
def test_the_code_of_an_answer_is_told_and_its_text_is_not(code: str, hint: str) -> None:
    body = json.dumps({"__type": code, "message": "canary-message"}).encode()
    with serving(lambda asked: Answer(400, body)) as wire:
        told = refused(ring(AWS_ENDPOINT_URL=wire.url, **CREDENTIALS), wrapped("kms", BLOB, arn=ARN))
    assert f"tried: KMS {ARN.split('/')[1]}: {code}" in told
    assert hint in told


def test_a_role_that_may_not_be_assumed_is_named() -> None:
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>canary-message</Message></Error></ErrorResponse>"
    with serving(lambda asked: Answer(403, body, {"content-type": "text/xml"})) as wire:
        told = refused(ring(AWS_ENDPOINT_URL=wire.url, **CREDENTIALS), wrapped("kms", BLOB, arn=ARN, role=ROLE))
    assert "AssumeRole: AccessDenied" in told
    assert f"grant sts:AssumeRole on {ROLE}" in told


def test_a_service_that_does_not_answer_is_asked_a_few_times_and_then_no_more() -> None:
    with serving(kms) as wire:
        pass
    keys = ring(AWS_ENDPOINT_URL=wire.url, **CREDENTIALS)
    assert "AWS in us-east-1 does not answer" in refused(keys, wrapped("kms", BLOB, arn=ARN))
    with serving(kms) as again:
        keys._around.variables["AWS_ENDPOINT_URL"] = again.url  # type: ignore[index]
        assert "does not answer" in refused(keys, wrapped("kms", BLOB, arn=ARN, created_at="now"))
        assert again.asked == []


def test_without_credentials_the_error_says_so(tmp_path: Path) -> None:
    keys = ring(AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "none"), AWS_CONFIG_FILE=str(tmp_path / "none"))
    told = refused(keys, wrapped("kms", BLOB, arn=ARN))
    assert "no AWS credentials\n  hint: set AWS_PROFILE, or log in to AWS" in told


def test_a_blob_that_is_not_base64_is_never_sent() -> None:
    with serving(kms) as wire:
        keys = ring(AWS_ENDPOINT_URL=wire.url, **CREDENTIALS)
        assert "not base64" in refused(keys, wrapped("kms", "canary!", arn=ARN))
        assert wire.asked == []
