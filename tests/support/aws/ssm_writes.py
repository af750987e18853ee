"""Parameter Store, what changes something: moto's version and label rules, with AWS's checks before them."""

from __future__ import annotations

from typing import Any

from tests.support.aws import ssm_rules
from tests.support.aws import ssm_store as store
from tests.support.aws.wire import Call, Json, Refusal, Switches


def put_parameter(call: Call, on: Switches) -> Json:
    body = call.body
    name = ssm_rules.name(call, body["Name"])
    now = store.newest(call, name)
    ssm_rules.put(body, now)
    kind = ssm_rules.kind(body.get("Type"), now and now.parameter_type)
    tier = ssm_rules.tier(body.get("Tier"), now and now.tier, body["Value"], kept=on.tier_kept)
    ssm_rules.value(body["Value"], tier)
    ssm_rules.tagging({}, body.get("Tags") or [])
    key = None
    if kind == "SecureString":
        key = body.get("KeyId") or (now.keyid if now is not None else store.DEFAULT_KEY)
        action = "kms:GenerateDataKey" if tier == ssm_rules.ADVANCED else "kms:Encrypt"
        store.use_key(call, key, action, name)
    elif body.get("KeyId"):
        raise Refusal("ValidationException", f"KeyId cannot be specified for a parameter of type {kind}.")
    made = store.backend(call).put_parameter(
        name,
        body.get("Description", None if on.description_kept else ""),
        body["Value"],
        kind,
        body.get("AllowedPattern"),
        key,
        bool(body.get("Overwrite")),
        body.get("Tags"),
        body.get("DataType") or "text",
        tier=tier,
        policies=body.get("Policies"),
    )
    made.last_modified_user = call.caller.arn
    return {"Version": made.version, "Tier": tier}


def delete_parameter(call: Call, on: Switches) -> Json:
    _delete(call, store.existing(call, call.body["Name"]))
    return {}


def delete_parameters(call: Call, on: Switches) -> Json:
    names = call.body["Names"]
    ssm_rules.at_most("names", names, 10)
    found = {name: store.newest(call, name) for name in names}
    for parameter in filter(None, found.values()):
        _delete(call, parameter)
    return {
        "DeletedParameters": [name for name, there in found.items() if there],
        "InvalidParameters": [name for name, there in found.items() if not there],
    }


def _delete(call: Call, parameter: Any) -> None:
    """With its tags: moto leaves those of a name of one level behind."""
    moto = store.backend(call)
    moto._parameters.pop(moto._parameters.normalize_name(parameter.name), None)
    moto._resource_tags.get("Parameter", {}).pop(parameter.name, None)


def label_parameter_version(call: Call, on: Switches) -> Json:
    store.existing(call, call.body["Name"])
    good, bad = ssm_rules.labels(call.body["Labels"])
    _, version = store.backend(call).label_parameter_version(call.body["Name"], call.body.get("ParameterVersion"), good)
    return {"InvalidLabels": bad, "ParameterVersion": version}


def unlabel_parameter_version(call: Call, on: Switches) -> Json:
    store.existing(call, call.body["Name"])
    removed, bad = store.backend(call).unlabel_parameter_version(
        call.body["Name"], call.body["ParameterVersion"], call.body["Labels"]
    )
    return {"RemovedLabels": removed, "InvalidLabels": bad}


def add_tags_to_resource(call: Call, on: Switches) -> Json:
    parameter, more = _tagged(call), call.body["Tags"]
    ssm_rules.tagging(store.tags(call, parameter), more)
    store.backend(call).add_tags_to_resource("Parameter", parameter.name, {tag["Key"]: tag["Value"] for tag in more})
    return {}


def remove_tags_from_resource(call: Call, on: Switches) -> Json:
    store.backend(call).remove_tags_from_resource("Parameter", _tagged(call).name, call.body["TagKeys"])
    return {}


def list_tags_for_resource(call: Call, on: Switches) -> Json:
    return {"TagList": [{"Key": key, "Value": value} for key, value in store.tags(call, _tagged(call)).items()]}


def _tagged(call: Call) -> Any:
    if call.body["ResourceType"] != "Parameter":
        raise Refusal("InvalidResourceType", "The resource type isn't valid.")
    found = store.newest(call, call.body["ResourceId"])
    if found is None:
        raise Refusal("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID.")
    return found
