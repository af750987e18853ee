"""Secrets Manager, what only looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.secretsmanager.models import _matches

from tests.support.aws import pages, secrets_rules
from tests.support.aws import secrets_store as store
from tests.support.aws.secrets_labels import CURRENT, holder
from tests.support.aws.wire import Call, Json, Refusal, Switches

_SORTS: dict[str, Callable[[Any], tuple[float, str] | tuple[str, str]]] = {
    "created-date": lambda one: (_made(one).created_date or 0, one.name),
    "last-changed-date": lambda one: (_made(one).last_changed_date or 0, one.name),
    "last-accessed-date": lambda one: (0, one.name),
    "name": lambda one: (one.name, ""),
}


def describe_secret(call: Call, on: Switches) -> Json:
    """Always fresh, also while lists lag."""
    return store.shown(store.existing(call, call.body["SecretId"]), key="VersionIdsToStages")


def get_secret_value(call: Call, on: Switches) -> Json:
    """By VersionId, by VersionStage, by both if they agree, else what AWSCURRENT is on."""
    return _value(call, call.body["SecretId"], call.body.get("VersionId"), call.body.get("VersionStage"))


def _value(call: Call, secret_id: str, version: str | None, stage: str | None) -> Json:
    secret = store.existing(call, secret_id)
    secrets_rules.alive(secret, change=False)
    stages = store.stages(secret)
    if version and stage and version in stages and stage not in stages[version]:
        raise Refusal(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )
    found = version or holder(stages, stage or CURRENT)
    if found not in stages:
        asked = f"VersionId: {version}" if version else f"staging label: {stage or CURRENT}"
        raise Refusal("ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {asked}")
    store.use_key(call, secret, "kms:Decrypt")
    held = secret.versions[found]
    value = {"SecretString": held["secret_string"]} if "secret_string" in held else {}
    blob = {"SecretBinary": held["secret_binary"]} if "secret_binary" in held else {}
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": found,
        "VersionStages": stages[found],
        "CreatedDate": held["createdate"],
        **value,
        **blob,
    }


def batch_get_secret_value(call: Call, on: Switches) -> Json:
    """Up to 20 ids; what cannot be read is an error of its own, not of the call. By filter: not made here."""
    ids = call.body.get("SecretIdList") or []
    assert ids, "BatchGetSecretValue by filter is not part of this fake"
    if len(ids) > 20:
        raise Refusal("ValidationException", "Member must have length less than or equal to 20")
    values, errors = [], []
    for secret_id in ids:
        try:
            values.append(_value(call, secret_id, None, None))
        except Refusal as refusal:
            errors.append({"SecretId": secret_id, "ErrorCode": refusal.code, "Message": refusal.message})
    return {"SecretValues": values, "Errors": errors}


def list_secret_version_ids(call: Call, on: Switches) -> Json:
    """Versions without labels only with IncludeDeprecated."""
    secret = store.existing(call, call.body["SecretId"])
    size = secrets_rules.page_size(call.body)
    deprecated = bool(call.body.get("IncludeDeprecated"))
    rows = {
        (version["createdate"], key): version
        for key, version in secret.versions.items()
        if version["version_stages"] or deprecated
    }
    found, token = pages.page(call, sorted(rows), size=size, short=on.short_pages, bad_token=_BAD_TOKEN)
    versions = [
        {"VersionId": key, "CreatedDate": date}
        | ({"VersionStages": list(rows[date, key]["version_stages"])} if rows[date, key]["version_stages"] else {})
        for date, key in found
    ]
    answer = {"ARN": secret.arn, "Name": secret.name, "Versions": versions}
    return answer | {"NextToken": token} if token else answer


def list_secrets(call: Call, on: Switches) -> Json:
    """Filters as moto knows them (secretsmanager/list_secrets/filters.py); sorted, in pages of up to 100, and late
    while the lag is on."""
    body = call.body
    size = secrets_rules.page_size(body)
    filters = body.get("Filters") or []
    secrets_rules.filters(filters)
    if on.lagging is None:
        secrets = list(dict.values(store.backend(call).secrets))
    else:
        secrets = on.lagging.get((call.account, call.region), [])
    sort = _SORTS[body.get("SortBy") or "created-date"]
    rows = {sort(secret): secret for secret in secrets if body.get("IncludePlannedDeletion") or not secret.is_deleted()}
    reverse = body.get("SortOrder") == "desc"
    found, token = pages.page(
        call,
        sorted(rows, reverse=reverse),
        size=size,
        wanted=lambda row: _matches(rows[row], filters),
        short=on.short_pages,
        bad_token=_BAD_TOKEN,
        reverse=reverse,
    )
    answer: Json = {"SecretList": [store.shown(rows[row], key="SecretVersionsToStages") for row in found]}
    return answer | {"NextToken": token} if token else answer


_BAD_TOKEN = Refusal("InvalidNextTokenException", "The NextToken value is invalid.")


def _made(secret: Any) -> Any:
    return getattr(secret, "source", secret)
