"""moto's parameters (5.2.5, ssm/models.py): found, named, and the KMS key each is under."""

from __future__ import annotations

from typing import Any

from moto.ssm.models import ssm_backends

from tests.support.aws import keys
from tests.support.aws.wire import Call, Refusal

DEFAULT_KEY = "alias/aws/ssm"


def backend(call: Call) -> Any:
    return ssm_backends[call.account][call.region]


def newest(call: Call, name: str) -> Any:
    """moto's newest version of the parameter; None if there is none. `name` may be an ARN."""
    name = name.split(":parameter", 1)[1] if name.startswith("arn:") else name
    store = backend(call)._parameters
    versions = dict.get(store, store.normalize_name(name))
    return versions[-1] if versions else None


def existing(call: Call, name: str) -> Any:
    """The same. Refusal: ParameterNotFound, which AWS sends without a message."""
    found = newest(call, name)
    if found is None:
        raise Refusal("ParameterNotFound")
    return found


def versions(call: Call, name: str) -> list[Any]:
    existing(call, name)
    return list(backend(call)._parameters[name])


def tags(call: Call, parameter: Any) -> dict[str, str]:
    return dict(backend(call)._resource_tags.get("Parameter", {}).get(parameter.name, {}))


def arn(call: Call, name: str) -> str:
    return name if name.startswith("arn:") else call.arn(f"parameter/{name.removeprefix('/')}", "ssm")


def use_key(call: Call, name: str, action: str, parameter: str) -> None:
    """Encrypting standard parameters is kms:Encrypt, advanced ones kms:GenerateDataKey, reading either kms:Decrypt:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html"""
    key = keys.find(call, name)
    if key is None or not key.enabled:
        what = "is not found" if key is None else "is disabled"
        error = "NotFoundException" if key is None else "DisabledException"
        raise Refusal("InvalidKeyId", f"Key {name} {what}. (Service: AWSKMS; Status Code: 400; Error Code: {error})")
    if told := keys.denied(call, key, (action,), {"PARAMETER_ARN": arn(call, parameter)}):
        raise Refusal(
            "AccessDeniedException", f"{told} (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException)"
        )
