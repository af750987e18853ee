"""ParameterFilters of DescribeParameters and GetParametersByPath.

Their limits are checked by moto (ssm/models.py, `_validate_parameter_filters`), which has AWS's words; what they
select is https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-search.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_FIELDS: dict[str, Callable[[Any], str | None]] = {
    "Name": lambda p: p.name,
    "Type": lambda p: p.parameter_type,
    "KeyId": lambda p: p.keyid,
    "Tier": lambda p: p.tier,
    "DataType": lambda p: p.data_type,
}


def selects(filters: list[Mapping[str, Any]], parameter: Any, tags: Mapping[str, str]) -> bool:
    """Does the parameter (moto's, newest version) satisfy every filter? Values of one filter are alternatives."""
    return all(_one(each, parameter, tags) for each in filters)


def below(path: str, name: str, *, recursive: bool) -> bool:
    """Is the name in this part of the hierarchy?"""
    top = path.rstrip("/") + "/"
    full = name if name.startswith("/") else f"/{name}"
    return full.startswith(top) and (recursive or "/" not in full[len(top) :])


def _one(each: Mapping[str, Any], parameter: Any, tags: Mapping[str, str]) -> bool:
    key, values = each["Key"], each.get("Values") or []
    if key == "Path":
        recursive = each.get("Option", "OneLevel") == "Recursive"
        return any(below(value, parameter.name, recursive=recursive) for value in values)
    found = tags.get(key.removeprefix("tag:")) if key.startswith("tag:") else _FIELDS[key](parameter)
    if found is None:
        return False
    option = each.get("Option", "Equals")
    if not values:
        return True
    if option == "BeginsWith":
        return found.startswith(tuple(values))
    return any(value in found for value in values) if option == "Contains" else found in values
