"""What the config may say of an `aws-secretsmanager` store, and what such a store can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field

from sopsync.model import Traits
from sopsync.stores.aws_settings import AwsSettings, PerSecond

FENCES = "sopsync-fence/"
"""The fences are named `<prefix>sopsync-fence/<digest>`; no other entry may have that in its name."""

AWS_SECRETS = Traits(
    kind="aws-secretsmanager",
    fields=True,  # as one flat JSON object, which AWS's console shows as key/value pairs
    binary=True,  # SecretBinary
    checked=True,  # UpdateSecretVersionStage names the version that AWSCURRENT leaves
    recoverable=True,
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html: of what is stored, so that of a
    # map the quotes and escapes of JSON count; the write is exact
    max_bytes=65_536,
    # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html, `Name`
    name_pattern=rf"(?!.*{FENCES})[A-Za-z0-9/_+=.@-]+",
    name_rule=f"letters, digits and `/_+=.@-`, without `{FENCES}`",
    max_name=512,
    parallel=8,
    tags=True,
    options=frozenset({"kms_key", "replicas"}),
)

Group = Literal["create", "write", "tag", "delete", "restore", "list", "versions", "look"]
QUOTAS: Mapping[str, float] = {
    "create": 50, "write": 50, "tag": 50, "delete": 50, "restore": 50, "list": 100, "versions": 50, "look": 10_000,
}  # fmt: skip
"""Calls per second in one account and region: the same page."""
OPERATIONS: Mapping[str, str] = {
    "CreateSecret": "create",
    "PutSecretValue": "write",
    "UpdateSecret": "write",
    "UpdateSecretVersionStage": "write",
    "ReplicateSecretToRegions": "write",
    "RemoveRegionsFromReplication": "write",
    "TagResource": "tag",
    "UntagResource": "tag",
    "DeleteSecret": "delete",
    "RestoreSecret": "restore",
    "ListSecrets": "list",
    "ListSecretVersionIds": "versions",
    "DescribeSecret": "look",
    "GetSecretValue": "look",
}


class AwsSecretsSettings(AwsSettings):
    """AWS Secrets Manager, in one account and region."""

    type: Literal["aws-secretsmanager"]
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9/_+=.@-]*$", max_length=400)
    """Look only at names that begin with this. Names stay whole: `prod/api`, not `api`."""
    recovery_window: int = Field(default=30, ge=7, le=30)
    """Days for which what was deleted can be had back."""
    rates: Mapping[Group, PerSecond] = Field(default={})
    """Calls per second, where AWS's quota is not to be used up."""


def rates(settings: AwsSecretsSettings) -> dict[str, float]:
    """Group of calls → calls per second."""
    return {**QUOTAS, **{str(group): rate for group, rate in settings.rates.items()}}


def traits(settings: AwsSecretsSettings) -> Traits:
    """What one store takes: names that begin with its prefix."""
    if not settings.prefix:
        return AWS_SECRETS
    return replace(
        AWS_SECRETS,
        name_pattern=f"(?={re.escape(settings.prefix)}){AWS_SECRETS.name_pattern}",
        name_rule=f"{AWS_SECRETS.name_rule}, beginning with the store's prefix `{settings.prefix}`",
    )
