"""Opens data keys wrapped by AWS KMS.

Sources: `kms/keysource.go` of sops 3.13; https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html and
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. The region is the ARN's; where to send a
request is up to the environment (`AWS_ENDPOINT_URL*`) and never to the file.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any

from sopsync.sops.keys.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    CannotOpen,
    Surroundings,
    Unreachable,
    clean,
    decoded,
    missing_extra,
    quieten,
)
from sopsync.sops.metadata import MasterKey

_ARN = re.compile(r"arn:aws[\w-]*:kms:([a-z0-9-]+):[0-9]+:(?:key|alias)/(.+)")
_ROLE_SECONDS = 45 * 60
"""An assumed role lasts an hour; its client is made anew before that."""

_DENIED = ("AccessDeniedException", "AccessDenied")
_STALE = ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId")


class AwsSource:
    """AWS KMS with boto3's credential chain. Clients are kept by region, profile and role."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[Any, float]] = {}

    def place(self, key: MasterKey) -> str:
        match = _ARN.fullmatch(key.fields.get("arn", ""))
        return "|".join([match[1] if match else "", key.fields.get("aws_profile", ""), key.fields.get("role", "")])

    def unwrap(self, key: MasterKey) -> bytes:
        arn = key.fields.get("arn", "")
        match = _ARN.fullmatch(arn)
        if not match:
            raise CannotOpen(f"KMS {clean(arn)}: not the ARN of a KMS key")
        name = f"KMS {clean(match[2])}"
        blob = decoded(key.enc, name)
        try:
            import botocore.exceptions as b
        except ImportError:
            raise missing_extra(name, "aws") from None
        try:
            client = self._client(key, match[1])
            answer = client.decrypt(KeyId=arn, CiphertextBlob=blob, EncryptionContext=dict(key.context))
        except b.ClientError as error:
            raise _refusal(name, key, error) from None
        except (b.NoCredentialsError, b.PartialCredentialsError, b.CredentialRetrievalError, b.TokenRetrievalError):
            raise Unreachable(f"{name}: no AWS credentials", hint="set AWS_PROFILE, or log in to AWS") from None
        except b.ProfileNotFound:
            profile = clean(key.fields.get("aws_profile", "") or self._around.get("AWS_PROFILE"))
            raise Unreachable(f"{name}: there is no AWS profile {profile}") from None
        except (b.HTTPClientError, b.ConnectionError):
            raise Unreachable(f"{name}: AWS in {match[1]} does not answer") from None
        plaintext: bytes = answer["Plaintext"]
        return plaintext

    def _client(self, key: MasterKey, region: str) -> Any:
        place = self.place(key)
        with self._lock:
            client, until = self._clients.get(place, (None, 0.0))
            if client is None or time.monotonic() > until:
                client = self._connect(region, key.fields.get("aws_profile", ""), key.fields.get("role", ""))
                self._clients[place] = client, time.monotonic() + _ROLE_SECONDS
        return client

    def _connect(self, region: str, profile: str, role: str) -> Any:
        """A KMS client, as the role if the file names one."""
        import boto3
        import botocore.session

        quieten("boto3", "botocore", "urllib3")
        get = self._around.get
        core = botocore.session.Session()
        for name, variable in (("config_file", "AWS_CONFIG_FILE"), ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE")):
            if get(variable):
                core.set_config_variable(name, get(variable))
        given = _keys(get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY"), get("AWS_SESSION_TOKEN"))
        if profile or not given:
            # a profile that the file names goes before keys in variables, and they before AWS_PROFILE, as in sops
            given, profile = {}, profile or get("AWS_PROFILE")
        session = boto3.Session(botocore_session=core, profile_name=profile or None)
        if role:
            sts = self._service(session, "sts", region, given)
            assumed = sts.assume_role(RoleArn=role, RoleSessionName=_session_name())["Credentials"]
            given = _keys(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
        return self._service(session, "kms", region, given)

    def _service(self, session: Any, service: str, region: str, given: dict[str, str]) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
        )
        endpoint = self._around.get(f"AWS_ENDPOINT_URL_{service.upper()}") or self._around.get("AWS_ENDPOINT_URL")
        return session.client(service, region_name=region, config=config, endpoint_url=endpoint or None, **given)


def _keys(access: str, secret: str, token: str) -> dict[str, str]:
    """Credentials as boto3 takes them; none if they are not whole."""
    if not (access and secret):
        return {}
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret}
    return keys | ({"aws_session_token": token} if token else {})


def _refusal(name: str, key: MasterKey, error: Any) -> CannotOpen:
    """What AWS answered: its code, never its message."""
    code = re.sub(r"[^A-Za-z.]", "", str(error.response.get("Error", {}).get("Code", ""))) or "error"
    role = error.operation_name == "AssumeRole"
    why = f"{name}: {'AssumeRole: ' if role else ''}{code}"
    if code in _STALE:
        return Unreachable(why, hint="log in to AWS again")
    if code in _DENIED:
        right, target = ("sts:AssumeRole", "role") if role else ("kms:Decrypt", "arn")
        return CannotOpen(why, hint=f"grant {right} on {clean(key.fields.get(target, ''))}")
    return CannotOpen(why)


def _session_name() -> str:
    """`sops@<host>` as sops names it: trust policies may be written for that. At most 64 characters."""
    return ("sops@" + re.sub(r"[^a-zA-Z0-9=,.@_-]+", "", socket.gethostname()))[:64]
