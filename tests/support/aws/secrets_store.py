"""moto's secrets (5.2.5, secretsmanager/models.py): found quickly, shown as AWS shows them."""

from __future__ import annotations

from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from tests.support.aws import keys
from tests.support.aws.secrets_labels import CURRENT, Stages, holder
from tests.support.aws.wire import Call, Json, Refusal

DEFAULT_KEY = "alias/aws/secretsmanager"


def backend(call: Call) -> Any:
    return secretsmanager_backends[call.account][call.region]


def find(call: Call, secret_id: str) -> Any:
    """The secret with this name, ARN, or ARN without its last six characters; None if there is none.

    moto looks at every secret for each call; with 10,000 of them that is what a test would wait for."""
    store = backend(call).secrets
    plain = secret_id.split(":secret:", 1)[1] if secret_id.startswith("arn:") else secret_id
    for name in (plain, plain[:-7]):
        secret = dict.get(store, name)
        if secret is not None and secret_id in (name, secret.arn, secret.arn[:-7]):
            return secret
    replicas = (secret for key, secret in dict.items(store) if key.startswith("arn:"))
    return next((one for one in replicas if secret_id in (one.name, one.arn, one.arn[:-7])), None)


def existing(call: Call, secret_id: str) -> Any:
    found = find(call, secret_id)
    if found is None:
        raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return found


def stages(secret: Any) -> Stages:
    return {key: list(version["version_stages"]) for key, version in secret.versions.items()}


def set_stages(secret: Any, after: Stages) -> None:
    for key, labels in after.items():
        secret.versions[key]["version_stages"] = labels
    secret.set_default_version_id(holder(after, CURRENT))  # what moto itself goes by


def tags(secret: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in secret.tags or []}


def use_key(call: Call, secret: Any, *actions: str, key: str | None = None) -> None:
    """https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html; `key`: one that is not the
    secret's own yet."""
    source = getattr(secret, "source", secret)
    name = key or getattr(source, "kms_key_id", None) or DEFAULT_KEY
    found = keys.find(call, name)
    if found is None or not found.enabled:
        reading = actions == ("kms:Decrypt",)
        raise Refusal(
            "DecryptionFailure" if reading else "EncryptionFailure",
            f"Secrets Manager can't {'decrypt' if reading else 'encrypt'} the protected secret text using the provided "
            "KMS key. Check that the KMS key is available, enabled, and not in an invalid state.",
        )
    if keys.denied(call, found, actions, {"SecretARN": secret.arn if secret is not None else ""}):
        raise Refusal("AccessDeniedException", "Access to KMS is not allowed")


def shown(secret: Any, *, key: str) -> Json:
    """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html, API_DescribeSecret.html.

    `key`: SecretVersionsToStages or VersionIdsToStages. Versions without labels are deprecated, and not among them."""
    labelled = {version: labels for version, labels in stages(secret).items() if labels}
    moto = secret.to_dict()
    told = {name: value for name, value in moto.items() if value is not None and not name.endswith("ToStages")}
    if "RotationLambdaARN" in told and not told["RotationLambdaARN"]:
        del told["RotationLambdaARN"]
    return told | ({key: labelled} if labelled else {})
