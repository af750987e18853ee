"""Parameter Store, what only looks."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.aws import pages, ssm_filters, ssm_rules
from tests.support.aws import ssm_store as store
from tests.support.aws.wire import Call, Json, Refusal, Switches

_SALT = secrets.token_bytes(16)


def get_parameter(call: Call, on: Switches) -> Json:
    return {"Parameter": _read(call, *_selected(call, call.body["Name"]))}


def get_parameters(call: Call, on: Switches) -> Json:
    names = list(dict.fromkeys(call.body["Names"]))
    ssm_rules.at_most("names", call.body["Names"], 10)
    found, bad = [], []
    for name in names:
        try:
            found.append(_selected(call, name))
        except Refusal:
            bad.append(name)
    return {"Parameters": [_read(call, *each) for each in found], "InvalidParameters": bad}


def _selected(call: Call, name: str) -> tuple[Any, str]:
    """(the version that `name`, `name:VERSION` or `name:LABEL` means, its selector). `name` may be an ARN."""
    match = re.fullmatch(r"((?:arn:[^/]*:parameter)?[^:]*)(:.+)?", name)
    if match is None:
        raise Refusal("ValidationException", "Invalid parameter name.")
    plain, selector = match[1], match[2] or ""
    parameter = store.existing(call, plain)
    if not selector:
        return parameter, ""
    for each in store.versions(call, parameter.name):
        if selector[1:] == str(each.version) or selector[1:] in each.labels:
            return each, selector
    raise Refusal(
        "ParameterVersionNotFound",
        f"Systems Manager could not find version {selector[1:]} of {plain}. Verify the version and try again.",
    )


def _read(call: Call, parameter: Any, selector: str = "") -> Json:
    shown = {
        "Name": parameter.name,
        "Type": parameter.parameter_type,
        "Value": _value(call, parameter),
        "Version": parameter.version,
        "LastModifiedDate": _time(parameter),
        "ARN": store.arn(call, parameter.name),
        "DataType": parameter.data_type,
    }
    return shown | {"Selector": selector} if selector else shown


def _value(call: Call, parameter: Any) -> str:
    """Undecrypted, a SecureString is KMS's ciphertext, the same at each read of a version. moto shows the value."""
    if parameter.parameter_type != "SecureString":
        return str(parameter.value)
    if call.body.get("WithDecryption"):
        store.use_key(call, parameter.keyid, "kms:Decrypt", parameter.name)
        return str(parameter.decrypt(parameter.value))
    seed = hashlib.blake2b(f"{parameter.name}:{parameter.version}".encode(), key=_SALT).digest()
    size = len(parameter.value) + 130
    return base64.b64encode(b"\x01\x02\x02\x00x" + hashlib.shake_256(seed).digest(size)).decode()


def _time(parameter: Any) -> float:
    return float(parameter.last_modified_date.timestamp())


def get_parameters_by_path(call: Call, on: Switches) -> Json:
    path, size = call.body["Path"], ssm_rules.page_size(call.body, 10)
    if not path.startswith("/"):
        raise Refusal("ValidationException", 'The parameter path must begin with a forward slash "/".')
    filters = call.body.get("ParameterFilters") or []
    recursive = bool(call.body.get("Recursive"))
    found, token = _page(
        call, on, size, filters, by_path=True, within=lambda name: ssm_filters.below(path, name, recursive=recursive)
    )
    return _with_token({"Parameters": [_read(call, each) for each in found]}, token)


def describe_parameters(call: Call, on: Switches) -> Json:
    """50 a page (moto: 10), and filters in this file's sibling."""
    size = ssm_rules.page_size(call.body, 50)
    filters = call.body.get("ParameterFilters") or []
    found, token = _page(call, on, size, filters, by_path=False, within=lambda _: True)
    return _with_token({"Parameters": [_metadata(call, each) for each in found]}, token)


def _page(
    call: Call, on: Switches, size: int, filters: list[Mapping[str, Any]], *, by_path: bool, within: Any
) -> tuple[list[Any], str | None]:
    moto = store.backend(call)
    moto._validate_parameter_filters(filters, by_path=by_path)
    rows = dict.items(moto._parameters)
    names = sorted(name for name, versions in rows if versions and within(versions[-1].name))

    def wanted(name: str) -> bool:
        parameter = dict.__getitem__(moto._parameters, name)[-1]
        return ssm_filters.selects(filters, parameter, store.tags(call, parameter) if filters else {})

    bad = Refusal("InvalidNextToken", "The specified token isn't valid.")
    found, token = pages.page(call, names, size=size, wanted=wanted, short=on.short_pages, bad_token=bad)
    return [dict.__getitem__(moto._parameters, name)[-1] for name in found], token


def get_parameter_history(call: Call, on: Switches) -> Json:
    size = ssm_rules.page_size(call.body, 50)
    by_version = {each.version: each for each in store.versions(call, store.existing(call, call.body["Name"]).name)}
    bad = Refusal("InvalidNextToken", "The specified token isn't valid.")
    found, token = pages.page(call, sorted(by_version), size=size, short=on.short_pages, bad_token=bad)
    shown = [
        _metadata(call, by_version[number])
        | {"Value": _value(call, by_version[number]), "Labels": list(by_version[number].labels)}
        for number in found
    ]
    return _with_token({"Parameters": [{k: v for k, v in each.items() if k != "ARN"} for each in shown]}, token)


def _metadata(call: Call, parameter: Any) -> Json:
    """https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterMetadata.html"""
    return {
        "Name": parameter.name,
        "ARN": store.arn(call, parameter.name),
        "Type": parameter.parameter_type,
        "LastModifiedDate": _time(parameter),
        "LastModifiedUser": getattr(parameter, "last_modified_user", ""),
        "Version": parameter.version,
        "Tier": parameter.tier,
        "Policies": [],
        "DataType": parameter.data_type,
    } | dict(_optional(parameter))


def _optional(parameter: Any) -> Iterator[tuple[str, str]]:
    if parameter.keyid:
        yield "KeyId", parameter.keyid
    if parameter.description:
        yield "Description", parameter.description
    if parameter.allowed_pattern:
        yield "AllowedPattern", parameter.allowed_pattern


def _with_token(answer: Json, token: str | None) -> Json:
    return answer | {"NextToken": token} if token else answer
