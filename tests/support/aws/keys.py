"""KMS as the two stores use it: which key a name stands for, whether it works, and whether the caller may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.kms.models import kms_backends

from tests.support.aws import iam
from tests.support.aws.wire import Call


@dataclass(frozen=True, slots=True)
class Key:
    """One KMS key. `managed`: AWS's own for a service, which anybody in the account may use through that service
    (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk)."""

    arn: str
    managed: bool
    enabled: bool


def find(call: Call, name: str) -> Key | None:
    """The key with this id, ARN, alias or alias ARN, in the caller's account and region."""
    if name.startswith("arn:") and name.split(":")[3:5] != [call.region, call.account]:
        return None
    backend: Any = kms_backends[call.account][call.region]
    plain = name.rsplit(":key/", 1)[-1]
    alias = f"alias/{name.split(':alias/', 1)[1]}" if ":alias/" in name else name if name.startswith("alias/") else ""
    if alias == f"alias/aws/{call.service}":  # made at its first use; no other service can use it
        return Key(call.arn(f"key/{alias.removeprefix('alias/')}", "kms"), managed=True, enabled=True)
    key = backend.keys.get(backend.get_key_id_from_alias(alias) if alias else plain)
    return None if key is None else Key(key.arn, managed=False, enabled=key.key_state == "Enabled")


def told(call: Call, key: Key, context: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What a policy can ask of the use of a key
    (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html); a key without aliases has no such."""
    backend: Any = kms_backends[call.account][call.region]
    aliases = sorted(backend.keys[key.arn.rsplit("/", 1)[-1]].aliases) if not key.managed else []
    named: dict[str, str | list[str]] = {"kms:ResourceAliases": aliases} if aliases else {}
    return named | {f"kms:EncryptionContext:{name}": value for name, value in context.items()}


def denied(call: Call, key: Key, actions: tuple[str, ...], context: Mapping[str, str]) -> str | None:
    """KMS's message if the caller may not do one of these on the key on the service's behalf; None if it may."""
    if key.managed:
        return None
    seen = {"kms:ViaService": f"{call.service}.{call.region}.amazonaws.com"} | told(call, key, context)
    for action in actions:
        if why := iam.verdict(call.caller, action, key.arn, seen):
            return iam.message(call.caller, action, key.arn, why)
    return None
