"""What tests of the fake AWS share: an account with its clients, and the code of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws import Aws

SECRET = "canary-of-the-fake"
KEY = "alias/app"


@dataclass(frozen=True)
class Account:
    """A fresh account, and an administrator's clients in it."""

    cloud: Aws
    number: str

    @property
    def ssm(self) -> Any:
        return self.cloud.client("ssm", account=self.number)

    @property
    def sm(self) -> Any:
        return self.cloud.client("secretsmanager", account=self.number)

    def client(self, service: str, region: str = "eu-west-1") -> Any:
        return self.cloud.client(service, account=self.number, region=region)

    def put(self, name: str, value: str = SECRET, **more: Any) -> Any:
        """PutParameter of a SecureString, unless `more` says otherwise."""
        return self.ssm.put_parameter(Name=name, Value=value, **({"Type": "SecureString"} | more))

    def key(self) -> str:
        """A customer's KMS key under the alias KEY; its ARN."""
        kms = self.client("kms")
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName=KEY, TargetKeyId=key["KeyId"])
        return str(key["Arn"])

    def called(self, operation: str) -> int:
        return sum(name == operation for _, name in self.cloud.calls)


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """The block ends in this refusal; no message of AWS holds a secret."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert words in error.get("Message", "")
    assert SECRET not in str(caught.value)


def pages(call: Callable[..., Any], key: str, **arguments: Any) -> list[list[Any]]:
    """Every page of a list; `PaginationToken` and `NextToken` are followed until there is none."""
    found: list[list[Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = call(**arguments, **token)
        found.append(answer[key])
        name = "PaginationToken" if "PaginationToken" in answer else "NextToken"
        if not answer.get(name):
            return found
        token = {name: answer[name]}
