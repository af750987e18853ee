"""Thousands of parameters and secrets put straight into moto's backends: what a test of a large account starts from."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.secretsmanager.models import FakeSecret
from moto.ssm import models as ssm_models

from tests.support.aws import secrets_labels, secrets_store, ssm_store
from tests.support.aws.wire import Call, Json


def parameters(call: Call, rows: Iterable[Json]) -> None:
    """Each `row`: name, value, and optionally description, version, tags (a dict), tier, type, key, user, labels.

    Only that one version is there. Nothing is checked; a name that is there is replaced."""
    store = ssm_store.backend(call)
    parameter: Any = ssm_models.Parameter  # mypy takes it for abstract
    for row in rows:
        kind = row.get("type", "SecureString")
        made = parameter(
            account_id=call.account,
            name=row["name"],
            value=row["value"],
            parameter_type=kind,
            description=row.get("description"),
            allowed_pattern=None,
            keyid=row.get("key", ssm_store.DEFAULT_KEY) if kind == "SecureString" else None,
            last_modified_date=row.get("date", datetime.now(UTC)),
            version=row.get("version", 1),
            data_type="text",
            labels=list(row.get("labels", ())),
            tier=row.get("tier", "Standard"),
        )
        made.last_modified_user = row.get("user", call.caller.arn)
        dict.__setitem__(store._parameters, store._parameters.normalize_name(row["name"]), [made])
        if row.get("tags"):
            store._resource_tags["Parameter"][row["name"]] = dict(row["tags"])


def secrets(call: Call, rows: Iterable[Json]) -> None:
    """Each `row`: name, value (str, bytes, or None for a shell without one), and optionally version (its id), labels,
    tags (a dict), description, key, created (seconds), owning_service, rotation (the ARN of a Lambda function)."""
    store = secrets_store.backend(call)
    for row in rows:
        dict.__setitem__(store.secrets, row["name"], _secret(call, row))


def _secret(call: Call, row: Json) -> Any:
    tags = dict(row.get("tags") or {})
    if row.get("owning_service"):
        tags["aws:secretsmanager:owningService"] = row["owning_service"]
    value, now = row.get("value"), int(row.get("created", time.time()))
    version = row.get("version") or str(uuid.uuid4())
    blob = base64.b64encode(value).decode() if isinstance(value, bytes) else None
    text = value if isinstance(value, str) else None
    held = {"secret_binary": blob} if blob is not None else {"secret_string": text}
    made = FakeSecret(
        account_id=call.account,
        region_name=call.region,
        secret_id=row["name"],
        secret_version={"createdate": now, "version_id": version, "version_stages": [], **held},
        version_id=version,
        secret_string=text,
        secret_binary=blob,
        description=row.get("description"),
        tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        kms_key_id=row.get("key"),
        last_changed_date=now,
        created_date=now,
    )
    if made.versions:
        secrets_store.set_stages(made, secrets_labels.put({}, version, row.get("labels", ())))
    if row.get("rotation"):
        made.rotation_requested = made.rotation_enabled = True
        made.rotation_lambda_arn, made.auto_rotate_after_days = row["rotation"], 30
    return made
