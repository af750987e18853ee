"""The JSON Schemas of the config file, of self-routing manifests and of reports, for editors and other tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from sopsync.config_model import ConfigModel, ManifestModel
from sopsync.report import Report
from sopsync.stores.kinds import KINDS, Kind

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_OPTION = {"type": ["string", "number", "boolean"]}


def json_schemas(kinds: Mapping[str, Kind] = KINDS) -> dict[str, dict[str, Any]]:
    """`config`, `manifest` and `report`: JSON Schema, draft 2020-12. What only the whole can tell (captures, names of
    stores, which options a kind of store takes) is left to `sopsync check`."""
    config = _schema(ConfigModel, "sopsync config", kinds)
    stores = {name: _inlined(kind.settings) for name, kind in kinds.items()}
    for name, schema in stores.items():
        config["$defs"] |= {f"{name}.{inner}": model for inner, model in schema.pop("$defs", {}).items()}
        schema["required"] = sorted({*schema.get("required", []), "type"})
    by_name = config["properties"]["stores"]
    by_name["patternProperties"] = {names: {"oneOf": list(stores.values())} for names in by_name["patternProperties"]}
    by_name["additionalProperties"] = False
    manifest = _schema(ManifestModel, "sopsync SecretManifest", kinds)
    manifest["properties"]["sops"] = {"type": "object", "description": "Written by sops."}
    return {"config": config, "manifest": manifest, "report": _report()}


def _report() -> dict[str, Any]:
    """What plan, check and diff print as JSON: the frozen form itself, so that the two cannot differ."""
    schema = TypeAdapter(Report).json_schema(mode="serialization")
    return {"$schema": _DRAFT, **schema, "title": "sopsync report"}


def _schema(model: type[BaseModel], title: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    target = schema["$defs"]["TargetModel"]
    options = sorted({option for kind in kinds.values() for option in kind.traits.options})
    target["properties"] |= dict.fromkeys(options, _OPTION)
    target["additionalProperties"] = False
    return {"$schema": _DRAFT, **schema, "title": title}


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema whose inner models are named after its kind, so that two kinds may have an `Auth` each."""
    kind = model.model_json_schema()["properties"]["type"]["const"]
    return model.model_json_schema(ref_template=f"#/$defs/{kind}.{{model}}")
