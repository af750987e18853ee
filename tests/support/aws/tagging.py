"""The Resource Groups Tagging API over parameters and secrets. moto 5.2.5 imports and asks every backend there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.aws import pages, secrets_store, ssm_store
from tests.support.aws.wire import Call, Json, Refusal, Switches


def get_resources(call: Call, on: Switches) -> Json:
    """https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html"""
    body = call.body
    size = body.get("ResourcesPerPage") or 50
    filters, kinds = body.get("TagFilters") or [], body.get("ResourceTypeFilters") or []
    if not 1 <= size <= 100:
        raise Refusal("InvalidParameterException", "ResourcesPerPage must be between 1 and 100")
    if len(filters) > 50 or any(len(each.get("Values") or []) > 20 for each in filters):
        raise Refusal("InvalidParameterException", "TagFilters can have at most 50 keys of at most 20 values")
    if body.get("ResourceARNList") and (filters or kinds):
        raise Refusal("InvalidParameterException", "ResourceARNList cannot be used together with filters")
    rows = {arn: tags for kind, arn, tags in _resources(call) if _selected(kind, arn, tags, body)}
    bad = Refusal("PaginationTokenExpiredException", "The PaginationToken is not valid.")
    found, token = pages.page(call, sorted(rows), size=size, short=on.short_pages, bad_token=bad)
    return {
        "PaginationToken": token or "",
        "ResourceTagMappingList": [
            {"ResourceARN": arn, "Tags": [{"Key": k, "Value": v} for k, v in rows[arn].items()]} for arn in found
        ],
    }


def _resources(call: Call) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(type, ARN, tags) of each."""
    for versions in dict.values(ssm_store.backend(call)._parameters):
        if versions:
            tags = ssm_store.tags(call, versions[-1])
            yield "ssm:parameter", ssm_store.arn(call, versions[-1].name), tags
    for secret in dict.values(secrets_store.backend(call).secrets):
        yield "secretsmanager:secret", secret.arn, secrets_store.tags(secret)


def _selected(kind: str, arn: str, tags: Mapping[str, str], body: Mapping[str, Any]) -> bool:
    """Untagged ones are never among them."""
    kinds, arns = body.get("ResourceTypeFilters") or [], body.get("ResourceARNList") or []
    return (
        bool(tags)
        and (not kinds or any(kind == one or kind.split(":", maxsplit=1)[0] == one for one in kinds))
        and (not arns or arn in arns)
        and all(
            each["Key"] in tags and (not each.get("Values") or tags[each["Key"]] in each["Values"])
            for each in body.get("TagFilters") or []
        )
    )
