"""A stage in an AWS account of its own, and a foreign hand in it: where stories and trials of AWS stores are played."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sopsync.model import Payload, Secret
from tests.support.aws import Aws
from tests.support.story import Stage


@dataclass(frozen=True)
class ParameterHand:
    """Somebody else with a console: writes a parameter as they would."""

    ssm: Any

    def peek(self, name: str) -> Payload | None:
        try:
            found = self.ssm.get_parameter(Name=name, WithDecryption=True)
        except self.ssm.exceptions.ParameterNotFound:
            return None
        return Payload(value=Secret(found["Parameter"]["Value"].encode()))

    def put(self, name: str, payload: Payload) -> None:
        (value,) = payload.as_fields().values()
        self.ssm.put_parameter(Name=name, Value=value.reveal().decode(), Type="SecureString", Overwrite=True)

    def delete(self, name: str) -> None:
        self.ssm.delete_parameter(Name=name)


@dataclass(frozen=True)
class SecretHand:
    """The same in Secrets Manager."""

    client: Any

    def peek(self, name: str) -> Payload | None:
        gone = (self.client.exceptions.ResourceNotFoundException, self.client.exceptions.InvalidRequestException)
        try:
            found = self.client.get_secret_value(SecretId=name)
        except gone:
            return None
        text = found["SecretString"]
        try:
            fields = json.loads(text)
        except ValueError:
            fields = {"value": text}
        return Payload(fields={key: Secret(value.encode()) for key, value in fields.items()})

    def put(self, name: str, payload: Payload) -> None:
        text = json.dumps({key: secret.reveal().decode() for key, secret in payload.as_fields().items()})
        try:
            self.client.put_secret_value(SecretId=name, SecretString=text)
        except self.client.exceptions.ResourceNotFoundException:
            self.client.create_secret(Name=name, SecretString=text)

    def soft_delete(self, name: str) -> None:
        self.client.delete_secret(SecretId=name, RecoveryWindowInDays=7)


def aws_stage(tmp: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws, service: str) -> Stage:
    """`service`: `ssm` or `secretsmanager`. The account is nobody else's."""
    account = cloud.fresh()
    for name, value in cloud.environ(account=account).items():
        monkeypatch.setenv(name, value)
    client = cloud.client(service, account=account)
    hand = ParameterHand(client) if service == "ssm" else SecretHand(client)
    stage = Stage(tmp, monkeypatch, lambda _repo: hand)
    stage.variables = {"ACCOUNT": account}
    return stage
