"""Secrets Manager as the contract suite sees it: botocore with a wire under it that can fail, and a foreign hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from sopsync.model import Payload, Secret
from sopsync.stores.aws_secrets import AwsSecretsStore, open_secrets
from sopsync.stores.aws_secrets_settings import AwsSecretsSettings
from sopsync.stores.aws_session import _quieten
from sopsync.stores.testing import Expected, Fault, Wire
from tests.support.aws import REGION, Aws
from tests.support.aws.callers import THEM, US, access_key

LEAST = Expected(
    # what is as it was stamped is not looked at closer
    survey=lambda entries: 1 + entries // 100,
    create=1, update=3, restore=4, restamp=2, delete=3, read=1, fence=1,
)  # fmt: skip
FAST: Any = dict.fromkeys(("create", "write", "tag", "delete", "restore", "list", "versions", "look"), 100_000)
"""Rates for a server that is not AWS's."""
_session = botocore.session.Session()
_quieten()


def client(cloud: Aws, account: str, who: str, region: str = REGION) -> Any:
    """A client of its own, of a session that all share: the service's model is read once."""
    return _session.create_client(
        "secretsmanager",
        region_name=region,
        endpoint_url=cloud.url,
        aws_access_key_id=access_key(account, who),
        aws_secret_access_key="not-a-secret",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
    )


def wired(made: Any, wire: Wire) -> Any:
    """The same client with events of its own, where every request asks `wire` right before it is sent."""
    twin = object.__new__(type(made))  # copy.copy does not get along with its __getattr__
    vars(twin).update(vars(made))
    twin.meta = copy.copy(made.meta)
    twin.meta.events = copy.copy(made.meta.events)
    twin._endpoint = copy.copy(made._endpoint)
    twin._endpoint._event_emitter = twin.meta.events

    def sending(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        fault = wire.send()
        if fault is Fault.REFUSED:
            return _refused(request, event_name.rsplit(".", 1)[-1])
        if fault is Fault.AFTER:
            twin._endpoint.http_session.send(request)
        if fault is not None:
            # says more than real ones do, so that whoever repeats it is caught
            raise ConnectionClosedError(endpoint_url=f"{request.url} {request.body!r}")
        return None

    twin.meta.events.register("before-send.secrets-manager.*", sending)
    return twin


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


def _refused(request: Any, operation: str) -> AWSResponse:
    message = f"User: arn:aws:iam::1:user/x is not authorized to perform: secretsmanager:{operation}"
    body = json.dumps({"__type": "AccessDeniedException", "Message": message}).encode()
    return AWSResponse(request.url, 400, {"Content-Type": "application/x-amz-json-1.1"}, _Raw(body))


@dataclass(frozen=True)
class SecretsOutside:
    """Somebody with keys of their own, who knows nothing of sopsync."""

    aws: Any
    can_roll_back = True
    reuses_versions = False

    def look(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self.aws.describe_secret(SecretId=name)
        except self.aws.exceptions.ResourceNotFoundException:
            return None
        return found

    def holder(self, name: str, label: str) -> str | None:
        stages = (self.look(name) or {}).get("VersionIdsToStages", {})
        return next((version for version, labels in stages.items() if label in labels), None)

    def peek(self, name: str) -> Payload | None:
        try:
            found = self.aws.get_secret_value(SecretId=name)
        except (self.aws.exceptions.ResourceNotFoundException, self.aws.exceptions.InvalidRequestException):
            return None
        if "SecretBinary" in found:
            return Payload(value=Secret(found["SecretBinary"]))
        try:
            fields = json.loads(found["SecretString"])
            return Payload(fields={field: Secret(text.encode()) for field, text in fields.items()})
        except ValueError:
            return Payload(value=Secret(found["SecretString"].encode()))

    def all_tags(self, name: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in (self.look(name) or {}).get("Tags", [])}

    def tags(self, name: str) -> Mapping[str, str]:
        return {key: value for key, value in self.all_tags(name).items() if not key.startswith("sopsync-")}

    def put(self, name: str, payload: Payload) -> None:
        if payload.value is not None:
            text = payload.value.reveal().decode()
        else:
            text = json.dumps({field: secret.reveal().decode() for field, secret in payload.as_fields().items()})
        seen = self.look(name)
        if seen is None:
            self.aws.create_secret(Name=name, SecretString=text)
            return
        if "DeletedDate" in seen:
            self.aws.restore_secret(SecretId=name)
        self.aws.put_secret_value(SecretId=name, SecretString=text)

    def copy_metadata(self, name: str, payload: Payload) -> None:
        """Tags are the secret's, not the version's, so they stay; labels can be moved. An id cannot be had twice."""
        self.put(name, payload)
        if old := self.holder(name, "sopsync-pending"):
            new = self.holder(name, "AWSCURRENT")
            self.aws.update_secret_version_stage(
                SecretId=name, VersionStage="sopsync-pending", MoveToVersionId=new, RemoveFromVersionId=old
            )

    def strip_metadata(self, name: str) -> None:
        if (seen := self.look(name)) is None or "DeletedDate" in seen:
            return
        self.aws.untag_resource(
            SecretId=name, TagKeys=[key for key in self.all_tags(name) if key.startswith("sopsync-")]
        )
        if old := self.holder(name, "sopsync-pending"):
            self.aws.update_secret_version_stage(SecretId=name, VersionStage="sopsync-pending", RemoveFromVersionId=old)

    def delete(self, name: str) -> None:
        if self.look(name):
            self.aws.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def soft_delete(self, name: str) -> None:
        if (seen := self.look(name)) and "DeletedDate" not in seen:
            self.aws.delete_secret(SecretId=name, RecoveryWindowInDays=7)

    def undelete(self, name: str) -> None:
        if self.look(name):
            self.aws.restore_secret(SecretId=name)

    def roll_back(self, name: str) -> None:
        now, before = (self.holder(name, label) for label in ("AWSCURRENT", "AWSPREVIOUS"))
        if before and "DeletedDate" not in (self.look(name) or {}):
            self.aws.update_secret_version_stage(
                SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=before, RemoveFromVersionId=now
            )


@dataclass(frozen=True)
class Context:
    environ: Mapping[str, str]
    commit: str = "c" * 40
    shared: dict[Any, Any] = field(default_factory=dict)


class SecretsHarness:
    """An account of its own on a server that all share."""

    expected = LEAST
    odd_names = ("a", "a/b", "/a", "a//b/", "A", "._@+=-", "x-abcdef", "prod/sopsync-fences", "x" * 512)

    def __init__(self, cloud: Aws) -> None:
        self.account = cloud.fresh()
        self.outside = SecretsOutside(client(cloud, self.account, THEM))
        self.environ = cloud.environ(account=self.account)
        self.ours = client(cloud, self.account, US)

    def open(self, wire: Wire, **settings: Any) -> AwsSecretsStore:
        return opened(wired(self.ours, wire), self.environ, **settings)

    def name(self, word: str) -> str:
        return word


def opened(made: Any, environ: Mapping[str, str], **settings: Any) -> AwsSecretsStore:
    """A store whose client is made already: making one takes longer than what most tests do with it."""
    asked = AwsSecretsSettings(type="aws-secretsmanager", rates=FAST, **settings)
    store = open_secrets("sm", asked, Context(environ), sleep=lambda _seconds: None)
    store._clients._clients["secretsmanager"] = made
    return store
