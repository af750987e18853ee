"""Which actions on which resources each call asks IAM for.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html,
list_awssecretsmanager.html, list_awsresourcegroupstaggingapi.html and list_awssecuritytokenservice.html beside it, and
"Required permissions" in the text of each operation of botocore's secretsmanager model. What KMS is asked for is in
ssm_store.use_key and secrets_store.use_key: it depends on what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.aws import iam, keys, secrets_store, ssm_store
from tests.support.aws.wire import Call

_PREFIXES = {"resourcegroupstaggingapi": "tag"}

Context = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Need:
    """An action on a resource; `shown` is how the refusal names the resource, None where it names none."""

    action: str
    resource: str
    shown: str | None
    context: Context


def demand(call: Call) -> None:
    """Refusal AccessDeniedException for the first thing that the caller may not do."""
    if call.caller.statements is None or call.operation == "GetCallerIdentity":
        return
    for need in _needs(call):
        iam.demand(call.caller, need.action, need.resource, shown=need.shown, context=need.context)


def _needs(call: Call) -> Iterator[Need]:
    action = f"{_PREFIXES.get(call.service, call.service)}:{call.operation}"
    if call.service == "ssm":
        yield from _ssm(call, action)
    elif call.service == "secretsmanager":
        yield from _secrets(call, action)
    elif call.service == "kms":
        key = keys.find(call, call.body["KeyId"]) if call.body.get("KeyId") else None
        arn = key.arn if key else "*"
        yield Need(action, arn, arn, keys.told(call, key, call.body.get("EncryptionContext") or {}) if key else {})
    elif call.operation.startswith("AssumeRole"):
        yield Need(action, call.body["RoleArn"], call.body["RoleArn"], {})
    else:
        yield Need(action, "*", None, {})


def _ssm(call: Call, action: str) -> Iterator[Need]:
    """A parameter's ARN has one slash where its name begins with one. DescribeParameters is on all of the region."""
    body = call.body
    if call.operation == "DescribeParameters":
        yield Need(action, call.arn("*"), call.arn("*"), {})
    for name in _names(body):
        plain = name if name.startswith("arn:") else name.split(":", 1)[0]
        arn = ssm_store.arn(call, plain.strip())
        parameter = ssm_store.newest(call, plain.strip())
        held = ssm_store.tags(call, parameter) if parameter is not None else {}
        context = _resource_tags(held) | _request_tags(body)
        yield Need(action, arn, arn, context)
        if call.operation == "PutParameter" and body.get("Tags"):
            yield Need("ssm:AddTagsToResource", arn, arn, context)


def _names(body: Mapping[str, Any]) -> list[str]:
    one = body.get("Name") or body.get("Path") or body.get("ResourceId")
    return [one] if one else list(body.get("Names") or [])


def _secrets(call: Call, action: str) -> Iterator[Need]:
    """Refusals name the secret as the request does; ListSecrets and such name none, and need `"Resource": "*"`."""
    body = call.body
    if call.operation == "CreateSecret":
        # the last six characters are not known yet; they stand here so that `name-*` and `name-??????` match
        arn = call.arn(f"secret:{body['Name']}-AbCdEf")
        context = _request_tags(body)
        yield Need(action, arn, body["Name"], context)
        if body.get("Tags"):
            yield Need("secretsmanager:TagResource", arn, body["Name"], context)
        if body.get("AddReplicaRegions"):
            yield Need("secretsmanager:ReplicateSecretToRegions", arn, body["Name"], context)
        return
    ids = [body["SecretId"]] if "SecretId" in body else list(body.get("SecretIdList") or [])
    if "SecretId" not in body:
        yield Need(action, "*", None, {})
        action = "secretsmanager:GetSecretValue"
    for secret_id in ids:
        secret = secrets_store.find(call, secret_id)
        arn = secret.arn if secret is not None else call.arn(f"secret:{secret_id.split(':secret:', 1)[-1]}-AbCdEf")
        held = secrets_store.tags(secret) if secret is not None else {}
        yield Need(action, arn, secret_id, _resource_tags(held) | _request_tags(body))


def _resource_tags(tags: Mapping[str, str]) -> Context:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _request_tags(body: Mapping[str, Any]) -> Context:
    given = {tag["Key"]: tag.get("Value", "") for tag in body.get("Tags") or [] if isinstance(tag, dict)}
    told: Context = {f"aws:RequestTag/{key}": value for key, value in given.items()}
    keys_given = [*given, *(body.get("TagKeys") or [])]
    return told | ({"aws:TagKeys": keys_given} if keys_given else {})
