"""The fake AWS itself: accounts, switches, records, and the other way to run it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.aws import ANSWER_LOST, REGION, TOO_MANY_UPDATES, Aws, aws
from tests.support.aws.quiet import hush
from tests.support.aws_calls import SECRET, Account, refused


def test_accounts_and_regions_are_apart(account: Account) -> None:
    account.put("/a")
    other = Account(account.cloud, account.cloud.fresh())
    assert other.ssm.describe_parameters()["Parameters"] == []
    assert account.client("ssm", "us-east-1").describe_parameters()["Parameters"] == []
    assert other.client("sts").get_caller_identity()["Account"] == other.number
    key = other.key()
    assert key.split(":")[4] == other.number
    with refused("InvalidKeyId"):
        account.put("/b", KeyId=key)


def test_calls_are_recorded_in_order_refused_ones_too(account: Account) -> None:
    account.put("/a")
    with refused("ParameterAlreadyExists"):
        account.put("/a")
    account.client("resourcegroupstaggingapi").get_resources()
    account.client("sts").get_caller_identity()
    account.client("kms").list_keys()
    assert account.cloud.calls == [
        ("ssm", "PutParameter"),
        ("ssm", "PutParameter"),
        ("resourcegroupstaggingapi", "GetResources"),
        ("sts", "GetCallerIdentity"),
        ("kms", "ListKeys"),
    ]


def test_throttling(account: Account) -> None:
    account.cloud.throttle |= {"PutParameter": 2, "ListSecrets": 1, "GetResources": 1}
    for _ in range(2):
        with refused("ThrottlingException", "Rate exceeded"):
            account.put("/a")
    with refused("ThrottlingException", "Rate exceeded"):
        account.sm.list_secrets()
    with refused("ThrottledException"):
        account.client("resourcegroupstaggingapi").get_resources()
    assert account.put("/a")["Version"] == 1


def test_a_client_with_retries_gets_through(account: Account) -> None:
    environ = account.cloud.environ(account=account.number)
    client = hush(
        boto3.client(
            "ssm",
            region_name=REGION,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 2, "mode": "standard"}),
        )
    )
    account.cloud.throttle["DescribeParameters"] = 1
    client.describe_parameters()
    assert account.called("DescribeParameters") == 2


def test_faults(account: Account) -> None:
    account.cloud.faults["PutParameter"] = [TOO_MANY_UPDATES, ANSWER_LOST]
    with refused("TooManyUpdates"):
        account.put("/a")
    assert account.ssm.describe_parameters()["Parameters"] == []
    with refused("InternalServerError"):
        account.put("/a")
    assert account.ssm.get_parameter(Name="/a")["Parameter"]["Version"] == 1


def test_another_writer_between_two_calls(account: Account) -> None:
    account.cloud.before["PutParameter"] = [lambda: account.put("/a")]
    with refused("ParameterAlreadyExists"):
        account.put("/a")
    assert account.called("PutParameter") == 2


def test_a_role_of_another_account(account: Account) -> None:
    role = f"arn:aws:iam::{account.cloud.fresh()}:role/deploy"
    given = account.client("sts").assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    there = hush(
        boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=account.cloud.url,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )
    ).get_caller_identity()
    assert there["Arn"] == role.replace("iam", "sts").replace("role/", "assumed-role/") + "/ci"


def test_two_servers_have_switches_of_their_own(account: Account) -> None:
    account.put("/a")
    with aws() as other:
        other.throttle["DescribeParameters"] = 1
        assert len(account.ssm.describe_parameters()["Parameters"]) == 1
        with refused("ThrottlingException"):
            other.client("ssm", account=account.number).describe_parameters()


def test_its_own_failure_is_not_an_answer() -> None:
    with pytest.raises(AssertionError, match="KeyError") as caught:
        _call_without_a_name()
    assert "canary" not in str(caught.value)


def test_ten_thousand_are_listed_in_the_fewest_calls(account: Account) -> None:
    rows: list[dict[str, Any]] = [
        {"name": f"/n/{number:05}", "value": SECRET, "tags": {"o": "x"}} for number in range(10_000)
    ]
    account.cloud.seed_parameters(rows, account=account.number)
    account.cloud.seed_secrets([row | {"name": row["name"][1:]} for row in rows], account=account.number)
    below = [{"Key": "Path", "Option": "Recursive", "Values": ["/n"]}]
    told = account.ssm.get_paginator("describe_parameters").paginate(ParameterFilters=below, MaxResults=50)
    assert sum(len(page["Parameters"]) for page in told) == 10_000
    listed = account.sm.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": ["n/"]}])
    assert sum(len(page["SecretList"]) for page in listed) == 10_000
    assert (account.called("DescribeParameters"), account.called("ListSecrets")) == (200, 100)


def _call_without_a_name() -> None:
    with aws() as broken:
        client = broken.client("ssm")
        client.meta.events.register("before-call.ssm", lambda params, **_: params.update(body=b'{"Value": "canary-x"}'))
        with refused("InternalFailure"):
            client.put_parameter(Name="/a", Value=SECRET, Type="String")


@contextmanager
def child() -> Iterator[Aws]:
    """The server as a process of its own."""
    command = [sys.executable, "-m", "tests.support.aws", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Aws(url=process.stdout.readline().strip())
        finally:
            process.terminate()
    assert process.returncode == 0


def test_as_a_child_process() -> None:
    with child() as cloud:
        cloud.client("ssm").put_parameter(Name="/a", Value=SECRET, Type="SecureString")
        environ = cloud.environ()
        told = (
            "import boto3; c = boto3.client('ssm'); p = c.describe_parameters()['Parameters'][0];"
            "print(p['Name'], p['ARN'].split(':')[3:5], boto3.client('sts').get_caller_identity()['Arn'])"
        )
        done = subprocess.run(
            [sys.executable, "-c", told], env=os.environ | environ, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "/a ['eu-west-1', '123456789012'] arn:aws:iam::123456789012:user/sopsync"


def test_a_request_that_was_cut_off_asks_nothing() -> None:
    with aws() as cloud:
        host, port = cloud.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as killed:
            head = "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: secretsmanager.PutSecretValue\r\n"
            scope = "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/secretsmanager/aws4_request"
            killed.sendall(f"{head}{scope}\r\nContent-Length: 500\r\n\r\n{{".encode())
            killed.shutdown(socket.SHUT_WR)
            while killed.recv(4096):
                pass
        assert cloud.calls == []
