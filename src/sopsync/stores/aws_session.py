"""Clients of AWS: with the credentials, region and endpoints that the AWS tools would use, and a role if one is named.

https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html names the variables and settings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from threading import Lock
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError

from sopsync.stores.aws_settings import AwsSettings

THREADS = 8
"""Connections kept for each client."""
_TIMEOUT = {"connect_timeout": 10, "read_timeout": 60}
"""Seconds to connect, and to wait for an answer."""


class Context(Protocol):
    """What is given from outside the settings."""

    @property
    def environ(self) -> Mapping[str, str]: ...

    @property
    def commit(self) -> str: ...

    @property
    def shared(self) -> MutableMapping[Hashable, Any]: ...


class Clients:
    """Clients of one account and region, each made when it is first asked for. Safe to use from several threads.

    `own`: the service that the settings' endpoint is of. `made` is told of every new client, before it makes a call:
    for whoever has event handlers to register.
    """

    def __init__(
        self, settings: AwsSettings, context: Context, own: str, made: Callable[[Any], None] | None = None
    ) -> None:
        self._settings = settings
        self._own = own
        self._environ = context.environ
        self._commit = context.commit
        self._made = made or (lambda _client: None)
        self._lock = Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def of(self, service: str) -> Any:
        """The client of a service. Raises what botocore raises."""
        with self._lock:
            if service not in self._clients:
                self._session = self._session or self._start()
                self._clients[service] = client = self._client(self._session, service)
                self._made(client)
            return self._clients[service]

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def _start(self) -> Any:
        _quieten()
        session = botocore.session.Session(profile=self._settings.profile or self._environ.get("AWS_PROFILE") or None)
        for setting, variable in (
            ("config_file", "AWS_CONFIG_FILE"),
            ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE"),
        ):
            if value := self._environ.get(variable):
                session.set_config_variable(setting, value)
        key, secret = (self._environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        if key and secret and not self._settings.profile:  # as the AWS tools have it: variables, unless --profile
            session.set_credentials(key, secret, self._environ.get("AWS_SESSION_TOKEN"))
        if self._settings.role_arn:
            self._assume(session)
        return session

    def _assume(self, session: Any) -> None:
        """The role's credentials from here on, renewed while a long apply runs."""
        source = session.get_credentials()
        if source is None:  # the fetcher would take it for credentials
            raise NoCredentialsError
        extra = {"RoleSessionName": session_name(self._commit)}
        if self._settings.external_id:
            extra["ExternalId"] = self._settings.external_id
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda service, **given: self._client(session, service, **given),
            source_credentials=source,
            role_arn=self._settings.role_arn,
            extra_args=extra,
        )
        # botocore has no public name for it, and its own providers do the same
        session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001

    def _client(self, session: Any, service: str, **given: Any) -> Any:
        """No retries: which call may be made again is decided where it is made."""
        config = Config(
            **_TIMEOUT, max_pool_connections=THREADS, retries={"total_max_attempts": 1, "mode": "standard"},
            user_agent_appid="sopsync", ignore_configured_endpoint_urls=self._unconfigured or None,
        )  # fmt: skip
        endpoint = self._settings.endpoint_url if service == self._own else ""
        if not endpoint and not self._unconfigured:
            named = session.get_service_model(service).service_id.upper().replace(" ", "_")
            endpoint = self._environ.get(f"AWS_ENDPOINT_URL_{named}") or self._environ.get("AWS_ENDPOINT_URL") or ""
        region = self._settings.region or self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION")
        given = {"region_name": region or None, "config": config, "endpoint_url": endpoint or None, **given}
        return session.create_client(service, **given)

    @property
    def _unconfigured(self) -> bool:
        """Whether endpoints in variables and configuration files are to be ignored."""
        return self._environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"


def session_name(commit: str) -> str:
    """Shows in CloudTrail which commit a call was made for. `[\\w+=,.@-]{2,64}`: docs of AssumeRole."""
    return f"sopsync-{re.sub(r'[^0-9a-f]', '', commit)[:40]}".rstrip("-")


def _quieten() -> None:
    """Pin botocore's loggers to WARNING: at DEBUG it logs whole requests and answers, values and all."""
    for name in [
        "botocore",
        "urllib3",
        *(one for one in logging.root.manager.loggerDict if one.startswith("botocore.")),
    ]:
        logger = logging.getLogger(name)
        if logger.level or "." not in name:
            logger.setLevel(max(logger.level, logging.WARNING))
