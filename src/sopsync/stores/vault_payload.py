"""A payload as the data of a KV entry, and back: a map of strings, where others may have put any JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sopsync.model import Payload, Secret


def to_data(payload: Payload) -> dict[str, str] | None:
    """Field name → text. None: a name or value is not UTF-8 text, and JSON has nothing else."""
    try:
        data = {name: secret.reveal().decode() for name, secret in payload.as_fields().items()}
        for name in data:
            name.encode()
    except UnicodeError:
        return None
    return data


def from_data(data: Mapping[str, Any]) -> Payload:
    """Every field as text; what is not a string becomes compact JSON with sorted keys, so that it compares."""
    return Payload(fields={name: Secret(_text(value).encode("utf-8", "surrogatepass")) for name, value in data.items()})


def size(payload: Payload) -> int:
    """Bytes of a value, or of all names and values of a map."""
    if payload.value is not None:
        return len(payload.value.reveal())
    return sum(
        len(name.encode("utf-8", "surrogatepass")) + len(secret.reveal())
        for name, secret in payload.as_fields().items()
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
