"""AWS as sopsync's stores meet it: real boto3 against moto over HTTP, put right where moto is not like AWS.

    with aws() as cloud:
        cloud.client("ssm").put_parameter(Name="/app/x", Value="canary-1", Type="SecureString")
        cloud.environ()      # for a child process, or for sopsync's Context.environ

Tests that share a server are kept apart by the account: `cloud.fresh()` is one that nobody has used. The access key
itself carries it (callers.py), so it costs nothing: no call, no role. Regions keep apart as well.

moto's data belong to the process: two servers in one process show the same accounts, with switches of their own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.support.aws.callers import THEM, US, Callers, access_key, statements
from tests.support.aws.wire import ACCOUNT, ANSWER_LOST, REGION, TOO_MANY_UPDATES, Call, Fault, Json, Switches

if TYPE_CHECKING:
    from tests.support.aws.server import App

__all__ = ["ACCOUNT", "ANSWER_LOST", "REGION", "TOO_MANY_UPDATES", "Aws", "Fault", "aws"]

_SECRET = "not-a-secret-and-not-checked"
_accounts = count(200_000_000_000)


@dataclass
class Aws(Switches):
    """A running server. Its switches (Switches) are the server's own, its data the process's."""

    url: str = ""
    strict: bool = False
    _callers: Callers = field(default_factory=lambda: Callers(strict=False))
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def environ(self, *, account: str = ACCOUNT, region: str = REGION) -> dict[str, str]:
        """AWS_* variables of sopsync (`user/sopsync`, an administrator), for a child process or Context.environ."""
        return self._environ(access_key(account, US), region)

    def client(self, service: str, *, region: str = REGION, account: str = ACCOUNT) -> Any:
        """A boto3 client of somebody else who writes to the account (`user/somebody`, an administrator): no retries, no
        logs. Clients are kept; they may be used from any thread."""
        with self._lock:
            if (service, region, account) not in self._clients:
                self._clients[service, region, account] = self._client(service, region, account)
            return self._clients[service, region, account]

    def user(
        self, policy: Json | list[Json], name: str, *, account: str = ACCOUNT, region: str = REGION
    ) -> dict[str, str]:
        """AWS_* variables of a new IAM user with exactly this policy: a document, a statement, or a list of either.

        Only with `enforce_iam`. Fails on a part of the policy that iam.py cannot judge."""
        return self._environ(self._callers.add_user(name, account, self._judged(policy)), region)

    def role(self, policy: Json | list[Json], name: str, *, account: str = ACCOUNT) -> str:
        """The ARN of a new role with exactly this policy; whoever may call sts:AssumeRole on it may take it."""
        return self._callers.add_role(name, account, self._judged(policy))

    def fresh(self) -> str:
        """An account that nobody in this process has used."""
        return str(next(_accounts))

    def lag(self, on: bool = True) -> None:
        """From now on ListSecrets shows what there is now; off: what there is. DescribeSecret is never late."""
        from tests.support.aws.lag import snapshot

        self.lagging = snapshot() if on else None

    def seed_parameters(self, rows: Iterable[Json], *, account: str = ACCOUNT, region: str = REGION) -> None:
        """See seed.parameters."""
        from tests.support.aws import seed

        seed.parameters(self._outside("ssm", account, region), rows)

    def seed_secrets(self, rows: Iterable[Json], *, account: str = ACCOUNT, region: str = REGION) -> None:
        """See seed.secrets."""
        from tests.support.aws import seed

        seed.secrets(self._outside("secretsmanager", account, region), rows)

    def _judged(self, policy: Json | list[Json]) -> tuple[Json, ...]:
        from tests.support.aws import iam

        assert self.strict, "policies mean something only with enforce_iam"
        found = statements(policy)
        iam.check(found)
        return found

    def _outside(self, service: str, account: str, region: str) -> Call:
        return Call(service, "", region, self._callers.who(access_key(account, THEM)), {})

    def _environ(self, key: str, region: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def _client(self, service: str, region: str, account: str) -> Any:
        import boto3
        from botocore.config import Config

        from tests.support.aws.quiet import hush

        return hush(
            boto3.client(
                service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id=access_key(account, THEM),
                aws_secret_access_key=_SECRET,
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
            )
        )


@contextmanager
def aws(*, enforce_iam: bool = False, port: int = 0) -> Iterator[Aws]:
    """A server of this process on 127.0.0.1; `port` 0 takes a free one. Fails at the end if the fake itself failed.

    enforce_iam: a caller made by `user` or `role` may do what its policy says, and a key that was not handed out is
    refused. `environ` and `client` stay administrators."""
    from tests.support.aws import server

    callers = Callers(strict=enforce_iam)
    cloud = Aws(strict=enforce_iam, _callers=callers)
    app: App = server.App(cloud, callers, strict=enforce_iam)
    running = server.start(app, port)
    cloud.url = f"http://127.0.0.1:{running.server_port}"
    try:
        yield cloud
    finally:
        running.shutdown()
        running.server_close()
        for client in cloud._clients.values():
            client.close()
    assert not app.crashes, "the fake AWS failed:\n" + "\n".join(app.crashes)
