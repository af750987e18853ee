"""Secrets Manager, what changes something. Labels are moved by secrets_labels, limits are in secrets_rules."""

from __future__ import annotations

import time
import uuid
from typing import Any

from moto.secretsmanager.models import FakeSecret

from tests.support.aws import secrets_labels, secrets_rules
from tests.support.aws import secrets_store as store
from tests.support.aws.wire import Call, Json, Refusal, Switches

DAY = 86_400


def create_secret(call: Call, on: Switches) -> Json:
    body = call.body
    name, token = body["Name"], body.get("ClientRequestToken")
    secrets_rules.name(name)
    secrets_rules.token(token)
    text, blob = secrets_rules.value(body)
    secrets_rules.description(body.get("Description"))
    secrets_rules.tagging({}, body.get("Tags") or [])
    there = store.find(call, name)
    if there is not None:
        return _again(there, token, text, blob)
    key = body.get("KmsKeyId") or None
    store.use_key(call, None, "kms:GenerateDataKey", "kms:Decrypt", key=key)
    now, version = _now(), token or str(uuid.uuid4())
    secret = FakeSecret(
        account_id=call.account,
        region_name=call.region,
        secret_id=name,
        secret_version=_version(version, text, blob, now),
        version_id=version,
        secret_string=text,
        secret_binary=blob,
        description=body.get("Description"),
        tags=[dict(tag) for tag in body.get("Tags") or []],
        kms_key_id=key,
        last_changed_date=int(now),
        created_date=int(now),
        replica_regions=body.get("AddReplicaRegions") or [],
        force_overwrite=bool(body.get("ForceOverwriteReplicaSecret")),
    )
    store.set_stages(secret, secrets_labels.put({}, version, []) if secret.versions else {})
    store.backend(call).secrets[name] = secret
    answer: Json = {"ARN": secret.arn, "Name": name}
    if secret.versions:
        answer["VersionId"] = version
    if secret.replicas:
        answer["ReplicationStatus"] = [replica.config for replica in secret.replicas]
    return answer


def _again(secret: Any, token: str | None, text: str | None, blob: str | None) -> Json:
    """CreateSecret of a name that is taken: the same request once more is ignored, any other is refused."""
    if secret.is_deleted():
        raise Refusal(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        )
    version = secret.versions.get(token)
    if version is None or not _same(version, text, blob):
        raise Refusal(
            "ResourceExistsException", f"The operation failed because the secret {secret.name} already exists."
        )
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token}


def put_secret_value(call: Call, on: Switches) -> Json:
    body = call.body
    secret = store.existing(call, body["SecretId"])
    secrets_rules.alive(secret)
    secrets_rules.token(body.get("ClientRequestToken"))
    text, blob = secrets_rules.value(body, needed=True)
    labels = body.get("VersionStages") or [secrets_labels.CURRENT]
    secrets_rules.labels(labels)
    version = body.get("ClientRequestToken") or str(uuid.uuid4())
    store.use_key(call, secret, "kms:GenerateDataKey", "kms:Decrypt")
    if version in secret.versions:
        if not _same(secret.versions[version], text, blob):
            raise _taken(version, secret)
    else:
        _add(secret, version, text, blob, labels)
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version,
        "VersionStages": list(secret.versions[version]["version_stages"]),
    }


def update_secret(call: Call, on: Switches) -> Json:
    """Its token, unlike PutSecretValue's, may never be one that is in use."""
    body = call.body
    secret = store.existing(call, body["SecretId"])
    secrets_rules.alive(secret)
    secrets_rules.token(body.get("ClientRequestToken"))
    secrets_rules.description(body.get("Description"))
    text, blob = secrets_rules.value(body)
    version = body.get("ClientRequestToken") or str(uuid.uuid4())
    valued = text is not None or blob is not None
    if valued and version in secret.versions:
        raise _taken(version, secret)
    key = body.get("KmsKeyId")
    if valued or key is not None:
        actions = ("kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt")
        store.use_key(call, secret, *actions, key=store.DEFAULT_KEY if key == "" else key)
    if valued:
        _add(secret, version, text, blob, [secrets_labels.CURRENT])
    if key is not None:
        secret.kms_key_id = key or None
    if body.get("Description") is not None:
        secret.description = body["Description"]
    secret.last_changed_date = int(time.time())
    return {"ARN": secret.arn, "Name": secret.name} | ({"VersionId": version} if valued else {})


def _add(secret: Any, version: str, text: str | None, blob: str | None, labels: list[str]) -> None:
    after = secrets_labels.put(store.stages(secret), version, labels)
    now = _now()
    _prune(secret, now)
    secret.versions[version] = _version(version, text, blob, now)
    store.set_stages(secret, {key: held for key, held in after.items() if key in secret.versions})
    secret.last_changed_date = now


def _prune(secret: Any, now: float) -> None:
    """Make room: the oldest versions without labels go, but none younger than a day; the quota is 100 versions."""
    versions = secret.versions
    for key in sorted(versions, key=lambda one: versions[one]["createdate"]):
        if len(versions) < secrets_rules.VERSIONS:
            return
        if not versions[key]["version_stages"] and versions[key]["createdate"] < now - DAY:
            del versions[key]
    if len(versions) >= secrets_rules.VERSIONS:
        raise Refusal("LimitExceededException", "You've exceeded the quota of versions for this secret.")


def update_secret_version_stage(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    source, target = call.body.get("RemoveFromVersionId"), call.body.get("MoveToVersionId")
    after = secrets_labels.update(store.stages(secret), call.body["VersionStage"], source=source, target=target)
    store.set_stages(secret, after)
    secret.last_changed_date = int(time.time())
    return {"ARN": secret.arn, "Name": secret.name}


def tag_resource(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    secrets_rules.tagging(store.tags(secret), call.body["Tags"])
    both = store.tags(secret) | {tag["Key"]: tag.get("Value", "") for tag in call.body["Tags"]}
    secret.tags = [{"Key": key, "Value": value} for key, value in both.items()]
    return {}


def untag_resource(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    secret.tags = [tag for tag in secret.tags or [] if tag["Key"] not in call.body["TagKeys"]]
    return {}


def delete_secret(call: Call, on: Switches) -> Json:
    """moto deletes; AWS refuses a secret that another service manages, or that is on its way out already."""
    days = secrets_rules.window(call.body)
    secret = store.find(call, call.body["SecretId"])
    if secret is not None:
        secrets_rules.own(secret)
        if days:
            secrets_rules.alive(secret)
    arn, name, date = store.backend(call).delete_secret(call.body["SecretId"], days or None, not days)
    return {"ARN": arn, "Name": name, "DeletionDate": date}


def restore_secret(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secret.restore()
    return {"ARN": secret.arn, "Name": secret.name}


def rotate_secret(call: Call, on: Switches) -> Json:
    """Rotation is switched on; nothing runs, and no version is made: that would be the Lambda function's work."""
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    secret.rotation_lambda_arn = call.body.get("RotationLambdaARN") or secret.rotation_lambda_arn
    if not secret.rotation_lambda_arn:
        raise Refusal(
            "InvalidRequestException",
            "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and "
            "you didn't include such an ARN as a parameter in this call.",
        )
    secret.rotation_requested = secret.rotation_enabled = True
    secret.auto_rotate_after_days = (call.body.get("RotationRules") or {}).get("AutomaticallyAfterDays", 30)
    return {"ARN": secret.arn, "Name": secret.name}


def replicate_secret_to_regions(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    _, status = store.backend(call).replicate_secret_to_regions(
        secret.name, call.body["AddReplicaRegions"], bool(call.body.get("ForceOverwriteReplicaSecret"))
    )
    return {"ARN": secret.arn, "ReplicationStatus": status}


def remove_regions_from_replication(call: Call, on: Switches) -> Json:
    secret = store.existing(call, call.body["SecretId"])
    secrets_rules.alive(secret)
    _, status = store.backend(call).remove_regions_from_replication(secret.name, call.body["RemoveReplicaRegions"])
    return {"ARN": secret.arn, "ReplicationStatus": status}


def _now() -> float:
    """Dates have milliseconds: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html,
    the example."""
    return round(time.time(), 3)


def _version(version: str, text: str | None, blob: str | None, now: float) -> Json:
    made: Json = {"createdate": now, "version_id": version, "version_stages": []}
    return made | ({"secret_string": text} if text is not None else {"secret_binary": blob})


def _same(version: Json, text: str | None, blob: str | None) -> bool:
    return version.get("secret_string") == text and version.get("secret_binary") == blob


def _taken(version: str, secret: Any) -> Refusal:
    return Refusal(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {version} because that value is already in use for a version of secret "
        f"{secret.arn}.",
    )
