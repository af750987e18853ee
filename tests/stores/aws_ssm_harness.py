"""Parameter Store as the contract sees it: botocore against the fake AWS, a wire that can fail, a foreign hand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any, get_args

import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from moto.kms.models import kms_backends

from sopsync.model import Payload, Secret
from sopsync.stores.aws_pace import Paces
from sopsync.stores.aws_session import _quieten
from sopsync.stores.aws_ssm import SsmStore
from sopsync.stores.aws_ssm_settings import GROUPS, AwsSsmSettings, Group, Layout, rates
from sopsync.stores.testing import Expected, Fault, Wire
from tests.support.aws import REGION, Aws
from tests.support.aws.callers import THEM, US, access_key

FAST: Mapping[Group, float] = dict.fromkeys(get_args(Group), 100_000.0)


@dataclass
class Sender:
    """Whose call it is that a thread is about to make."""

    account: str
    who: str
    wire: Wire | None = None
    log: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)


class Pool:
    """One botocore client of each service for all accounts: making one takes longer than all calls of a trial."""

    def __init__(self, cloud: Aws) -> None:
        self._cloud = cloud
        _quieten()
        self._session = botocore.session.Session()
        self._session.set_credentials(access_key("000000000000", US), "not-a-secret-and-not-checked")
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._here = threading.local()

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
                client = self._session.create_client(
                    service, region_name=REGION, endpoint_url=self._cloud.url, config=config
                )
                client.meta.events.register("before-send", self._send)
                self._clients[service] = client
            return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    @contextmanager
    def sending(self, sender: Sender) -> Any:
        self._here.sender = sender
        yield
        self._here.sender = None

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        sender: Sender = self._here.sender
        key, head = access_key(sender.account, sender.who), "Authorization"
        told = request.headers[head]
        text = told.decode() if isinstance(told, bytes) else told
        request.headers[head] = text.replace(access_key("000000000000", US), key)
        fault = sender.wire.send() if sender.wire else None
        self._here.sender = sender  # a deed may have called, too
        if fault is None:
            return None
        if fault is Fault.REFUSED:
            return refused(request)
        if fault is Fault.AFTER:
            service = str(request.headers["Authorization"]).split("/")[3]
            name = {"tagging": "resourcegroupstaggingapi"}.get(service, service)
            self.client(name)._endpoint.http_session.send(request)
        raise ConnectionClosedError(endpoint_url=request.url, request=request)


def refused(request: AWSPreparedRequest) -> AWSResponse:
    """AWS's own no: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    target = request.headers["X-Amz-Target"]
    action = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
    said = f"User: arn:aws:iam::1:user/x is not authorized to perform: ssm:{action} on resource: arn:aws:ssm:x"
    body = BytesIO(json.dumps({"__type": "AccessDeniedException", "message": said}).encode())
    body.stream = lambda: iter([body.getvalue()])  # type: ignore[attr-defined]
    return AWSResponse(request.url, 400, {"Content-Type": "application/x-amz-json-1.1"}, body)


@dataclass
class _Bound:
    """A client of the pool, with whose calls they are."""

    pool: Pool
    client: Any
    sender: Sender

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(**params: Any) -> Any:
            self.sender.log.append((name, params))
            with self.pool.sending(self.sender):
                return method(**params)

        return call


@dataclass
class Pooled:
    """What `Clients` is to a store, from the pool."""

    pool: Pool
    sender: Sender

    def of(self, service: str) -> Any:
        return _Bound(self.pool, self.pool.client(service), self.sender)

    def close(self) -> None:
        """The connections are not ours."""


@cache
def _key() -> Any:
    backend: Any = kms_backends["000000000000"][REGION]
    return backend.create_key(
        policy="", key_usage="ENCRYPT_DECRYPT", key_spec="SYMMETRIC_DEFAULT", description="", tags=[]
    )


def plant_key(account: str, alias: str) -> str:
    """A customer's key, put straight into moto, where making one takes a fifth of a second; its id."""
    backend: Any = kms_backends[account][REGION]
    backend.keys[_key().id] = _key()
    backend.create_alias(_key().id, alias)
    return str(_key().id)


@dataclass(frozen=True)
class SsmOutside:
    """Somebody else in the account."""

    pool: Pool
    account: str
    can_roll_back = False
    reuses_versions = True

    def call(self, operation: str, **params: Any) -> Any:
        """The answer, None if there is nothing to act on."""
        with self.pool.sending(Sender(self.account, THEM)):
            try:
                return getattr(self.pool.client("ssm"), xform_name(operation))(**params)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("ParameterNotFound", "InvalidResourceId"):
                    return None
                raise

    def peek(self, name: str) -> Payload | None:
        found = self.call("GetParameter", Name=name, WithDecryption=True)
        return Payload(value=Secret(found["Parameter"]["Value"].encode())) if found else None

    def described(self, name: str) -> Mapping[str, Any]:
        found = self.call("DescribeParameters", ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
        return found[0] if found else {}

    def all_tags(self, name: str) -> dict[str, str]:
        found = self.call("ListTagsForResource", ResourceType="Parameter", ResourceId=name)
        return {tag["Key"]: tag["Value"] for tag in found["TagList"]} if found else {}

    def tags(self, name: str) -> Mapping[str, str]:
        return {key: value for key, value in self.all_tags(name).items() if not key.startswith("sopsync-")}

    def put(self, name: str, payload: Payload, **more: Any) -> None:
        assert payload.value is not None
        value = payload.value.reveal().decode()
        self.call("PutParameter", Name=name, Value=value, Type="SecureString", Overwrite=True, **more)

    def copy_metadata(self, name: str, payload: Payload) -> None:
        """The tags are there still."""
        self.put(name, payload, Description=self.described(name).get("Description", "-"))

    def strip_metadata(self, name: str) -> None:
        live = self.peek(name)
        if live is not None:
            tags = [key for key in self.all_tags(name) if key.startswith("sopsync-")]
            if tags:
                self.call("RemoveTagsFromResource", ResourceType="Parameter", ResourceId=name, TagKeys=tags)
            self.put(name, live, Description="somebody's")

    def delete(self, name: str) -> None:
        self.call("DeleteParameter", Name=name)

    def soft_delete(self, name: str) -> None:
        raise NotImplementedError("not asked for: traits.recoverable is False")

    undelete = roll_back = soft_delete


class SsmHarness:
    """An account of its own."""

    def __init__(
        self, cloud: Aws, pool: Pool, expected: Expected, *, layout: Layout = "plain", **settings: Any
    ) -> None:
        self.account = cloud.fresh()
        self.outside = SsmOutside(pool, self.account)
        self.expected = expected
        self.settings = AwsSsmSettings(type="aws-ssm", layout=layout, rates=FAST, **settings)
        self._pool = pool
        if layout == "chamber":
            plant_key(self.account, "alias/parameter_store_key")
            self.odd_names: tuple[str, ...] = ("/a/b", "/-/.", "/_/-_.", "/a" * 15, "/s/" + "x" * 947)
        else:
            self.odd_names = (
                "/a",
                "/a/b",
                "/A/b",
                "/-",
                "/...",
                "/_-.",
                "/a" * 15,
                "/xaws/ssm",
                "/sopsync-fences/a",
                "/" + "x" * 949,
            )

    def open(self, wire: Wire) -> SsmStore:
        return self.client(Sender(self.account, US, wire))

    def client(
        self, sender: Sender, settings: AwsSsmSettings | None = None, clock: Callable[[], float] = time.monotonic
    ) -> SsmStore:
        """A store whose calls `sender` logs."""
        asked, pooled = settings or self.settings, Pooled(self._pool, sender)
        return SsmStore("ssm", asked, pooled, Paces(rates(asked), GROUPS), clock)  # type: ignore[arg-type]

    def name(self, word: str) -> str:
        return f"/contract/{word}"
