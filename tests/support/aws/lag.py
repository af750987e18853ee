"""ListSecrets as it was: "ListSecrets is eventually consistent, however, and it might not reflect changes from the last
five minutes" (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html). A switch."""

from __future__ import annotations

import copy
from typing import Any

from moto.secretsmanager import models

Snapshot = dict[tuple[str, str], list[Any]]
"""(account, region) -> copies of moto's secrets."""


def snapshot() -> Snapshot:
    """Everything there is now, in a copy that later changes do not reach."""
    backends: Any = models.secretsmanager_backends
    return {
        (account, region): [_copy(secret) for secret in dict.values(backend.secrets)]
        for account, region, backend in list(backends.iter_backends())
    }


def _copy(secret: Any) -> Any:
    twin = copy.copy(secret)
    if hasattr(secret, "source"):
        twin.source = _copy(secret.source)
        return twin
    twin.versions = {
        key: {**version, "version_stages": list(version["version_stages"])} for key, version in secret.versions.items()
    }
    twin.tags = copy.deepcopy(secret.tags)
    return twin
