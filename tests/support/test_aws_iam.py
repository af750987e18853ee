"""The fake AWS refuses what a policy does not allow, in AWS's words: by real boto3 clients with users' keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.aws import Aws, aws
from tests.support.aws.quiet import hush
from tests.support.aws_calls import KEY, SECRET, Account, refused

Json = dict[str, Any]


@pytest.fixture(scope="module")
def strict() -> Iterator[Aws]:
    with aws(enforce_iam=True) as cloud:
        yield cloud


@pytest.fixture
def account(strict: Aws) -> Account:
    return Account(strict, strict.fresh())


def allow(actions: str, resource: str = "*", *, when: Json | None = None) -> Json:
    found = {"Effect": "Allow", "Action": actions.split(), "Resource": resource}
    return found | ({"Condition": {"StringEquals": when}} if when else {})


def client(service: str, environ: Mapping[str, str]) -> Any:
    """As a program with these variables would make it."""
    return hush(
        boto3.client(
            service,
            region_name=environ["AWS_REGION"],
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )
    )


def user(account: Account, service: str, *policy: Json) -> Any:
    environ = account.cloud.user(list(policy), "x", account=account.number)
    return client(service, environ)


@contextmanager
def denied(account: Account, action: str, resource: str | None) -> Iterator[None]:
    """AccessDeniedException with exactly AWS's message."""
    with pytest.raises(ClientError) as caught:
        yield
    told = caught.value.response["Error"]
    on = f" on resource: {resource}" if resource else ""
    who = f"arn:aws:iam::{account.number}:user/x"
    assert told["Code"] == "AccessDeniedException"
    assert told["Message"] == (
        f"User: {who} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} "
        "action"
    )


def test_a_parameter_is_allowed_by_its_arn(account: Account) -> None:
    team = f"arn:aws:ssm:eu-west-1:{account.number}:parameter/team/*"
    ssm = user(account, "ssm", allow("ssm:Put* ssm:GetParameter* ssm:DeleteParameters", team))
    other = f"arn:aws:ssm:eu-west-1:{account.number}:parameter/other/a"
    new = {"Value": SECRET, "Type": "SecureString"}
    ssm.put_parameter(Name="/team/a", **new)
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("ssm:PutParameter", lambda: ssm.put_parameter(Name="/other/a", **new)),
        ("ssm:GetParameter", lambda: ssm.get_parameter(Name="/other/a")),
        ("ssm:GetParameters", lambda: ssm.get_parameters(Names=["/team/a", "/other/a"])),
        ("ssm:DeleteParameters", lambda: ssm.delete_parameters(Names=["/team/a", "/other/a"])),
    ]
    for action, call in calls:
        with denied(account, action, other):
            call()
    assert ssm.get_parameter(Name="/team/a:1", WithDecryption=True)["Parameter"]["Value"] == SECRET
    with denied(account, "ssm:DescribeParameters", f"arn:aws:ssm:eu-west-1:{account.number}:*"):
        ssm.describe_parameters()
    with denied(account, "ssm:AddTagsToResource", team.replace("*", "b")):
        ssm.put_parameter(Name="/team/b", Tags=[{"Key": "a", "Value": "b"}], **new)
    assert account.ssm.get_parameters(Names=["/team/b", "/other/a"])["Parameters"] == []


def test_a_secret_is_allowed_by_its_arn(account: Account) -> None:
    mine = f"arn:aws:secretsmanager:eu-west-1:{account.number}:secret:team/a-??????"
    actions = "secretsmanager:CreateSecret secretsmanager:GetSecretValue secretsmanager:DescribeSecret"
    sm = user(account, "secretsmanager", allow(actions, mine))
    sm.create_secret(Name="team/a", SecretString=SECRET)
    assert sm.get_secret_value(SecretId="team/a")["SecretString"] == SECRET
    with denied(account, "secretsmanager:CreateSecret", "team/ab"):
        sm.create_secret(Name="team/ab", SecretString=SECRET)
    with denied(account, "secretsmanager:DescribeSecret", "none"):
        sm.describe_secret(SecretId="none")
    arn = account.sm.create_secret(Name="other", SecretString=SECRET)["ARN"]
    with denied(account, "secretsmanager:GetSecretValue", arn):
        sm.get_secret_value(SecretId=arn)
    with denied(account, "secretsmanager:ListSecrets", None):
        sm.list_secrets()
    both = [allow(actions), allow("secretsmanager:ListSecrets", mine)]
    with denied(account, "secretsmanager:ListSecrets", None):
        user(account, "secretsmanager", *both).list_secrets()
    with denied(account, "secretsmanager:TagResource", "t"):
        user(account, "secretsmanager", *both).create_secret(Name="t", Tags=[{"Key": "a", "Value": "b"}])
    with denied(account, "tag:GetResources", None):
        user(account, "resourcegroupstaggingapi", *both).get_resources()


def test_a_deny_wins(account: Account) -> None:
    no = {"Effect": "Deny", "Action": "ssm:GetParameter", "Resource": f"arn:aws:ssm:*:{account.number}:parameter/a"}
    ssm = user(account, "ssm", allow("ssm:*"), no)
    account.put("/a", Type="String")
    with refused("AccessDeniedException", "with an explicit deny in an identity-based policy"):
        ssm.get_parameter(Name="/a")
    assert ssm.get_parameters(Names=["/a"])["Parameters"]


def test_the_tags_of_a_resource_can_decide(account: Account) -> None:
    owned = {"aws:ResourceTag/owner": "team"}
    tags = [{"Key": "owner", "Value": "team"}]
    account.put("/mine", Tags=tags)
    account.put("/theirs")
    ssm = user(account, "ssm", allow("ssm:GetParameter", when=owned))
    assert ssm.get_parameter(Name="/mine")
    with denied(account, "ssm:GetParameter", f"arn:aws:ssm:eu-west-1:{account.number}:parameter/theirs"):
        ssm.get_parameter(Name="/theirs")
    asked = {"aws:RequestTag/owner": "team"}
    sm = user(account, "secretsmanager", allow("secretsmanager:CreateSecret secretsmanager:TagResource", when=asked))
    sm.create_secret(Name="a", Tags=tags)
    with denied(account, "secretsmanager:CreateSecret", "b"):
        sm.create_secret(Name="b")


@pytest.mark.parametrize(("tier", "action"), [("Standard", "kms:Encrypt"), ("Advanced", "kms:GenerateDataKey")])
def test_a_parameter_under_a_key_needs_the_key(account: Account, tier: str, action: str) -> None:
    key = account.key()
    new = {"Value": SECRET, "Type": "SecureString", "Tier": tier, "KeyId": KEY}
    with refused("AccessDeniedException", f"is not authorized to perform: {action} on resource: {key} because"):
        user(account, "ssm", allow("ssm:*")).put_parameter(Name="/a", **new)
    via = {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}
    user(account, "ssm", allow("ssm:*"), allow(action, key, when=via)).put_parameter(Name="/a", **new)
    reader = user(account, "ssm", allow("ssm:*"), allow(action, key))
    with refused("AccessDeniedException", "kms:Decrypt"):
        reader.get_parameter(Name="/a", WithDecryption=True)
    assert reader.get_parameter(Name="/a")
    arn = f"arn:aws:ssm:eu-west-1:{account.number}:parameter/a"
    context = {"kms:EncryptionContext:PARAMETER_ARN": arn}
    assert user(account, "ssm", allow("ssm:*"), allow("kms:Decrypt", key, when=context)).get_parameter(
        Name="/a", WithDecryption=True
    )


def test_a_secret_under_a_key_needs_the_key(account: Account) -> None:
    key = account.key()
    words = "Access to KMS is not allowed"
    every = allow("secretsmanager:*")
    writer = user(account, "secretsmanager", every, allow("kms:GenerateDataKey kms:Decrypt", key))
    with refused("AccessDeniedException", words):
        user(account, "secretsmanager", every).create_secret(Name="a", SecretString=SECRET, KmsKeyId=KEY)
    writer.create_secret(Name="a", SecretString=SECRET, KmsKeyId=KEY)
    writer.put_secret_value(SecretId="a", SecretString=SECRET)
    with refused("AccessDeniedException", words):
        writer.update_secret(SecretId="a", SecretString=SECRET)
    other = user(account, "secretsmanager", every)
    with refused("AccessDeniedException", words):
        other.get_secret_value(SecretId="a")
    with refused("AccessDeniedException", words):
        other.put_secret_value(SecretId="a", SecretString=SECRET)
    other.create_secret(Name="b", SecretString=SECRET)


def test_roles(account: Account) -> None:
    role = account.cloud.role(allow("ssm:*"), "deploy", account=account.number)
    with refused("AccessDenied", f"sts:AssumeRole on resource: {role}"):
        user(account, "sts", allow("ssm:*")).assume_role(RoleArn=role, RoleSessionName="ci")
    sts = user(account, "sts", allow("sts:AssumeRole", role))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=role + "x", RoleSessionName="ci")
    given = sts.assume_role(RoleArn=role, RoleSessionName="ci")["Credentials"]
    session = {"region_name": "eu-west-1", "endpoint_url": account.cloud.url, "aws_access_key_id": given["AccessKeyId"]}
    secret = {"aws_secret_access_key": given["SecretAccessKey"]}
    ssm = hush(boto3.client("ssm", **session, **secret, aws_session_token=given["SessionToken"]))
    ssm.put_parameter(Name="/a", Value=SECRET, Type="SecureString")
    told = ssm.describe_parameters()["Parameters"][0]["LastModifiedUser"]
    assert told == f"arn:aws:sts::{account.number}:assumed-role/deploy/ci"
    with refused("UnrecognizedClientException"):
        hush(boto3.client("ssm", **session, **secret, aws_session_token="other")).describe_parameters()


def test_unknown_keys(account: Account) -> None:
    environ = account.cloud.environ(account=account.number) | {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    with refused("UnrecognizedClientException"):
        client("ssm", environ).describe_parameters()
    with refused("InvalidClientTokenId"):
        client("sts", environ).get_caller_identity()
    admin = client("ssm", account.cloud.environ(account=account.number))
    assert admin.describe_parameters()["Parameters"] == []


def test_what_is_not_understood_fails_at_once(account: Account) -> None:
    for wrong in (
        {"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"},
        allow("ssm:*", when={"aws:SourceIp": "1"}),
        allow("ssm:*") | {"Condition": {"Bool": {"aws:ResourceTag/x": "1"}}},
    ):
        with pytest.raises(AssertionError, match="not understood"):
            account.cloud.user(wrong, "x")
