"""A payload as the value of a secret, and back.

A map is one flat JSON object of strings. A text that looks like one may also be a single value that git wants kept
whole (`encode: json`); which it is, the id of a version of ours says. Of others' versions it is a guess: a flat object
of strings is a map. If that guess is wrong the two differ, and what git wants is written once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sopsync.model import Payload, Secret
from sopsync.stores.aws_secrets_token import Token


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a version holds: SecretString or SecretBinary."""

    fields: bool
    data: str | bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes, as AWS counts them."""
        return len(self.data.encode() if isinstance(self.data, str) else self.data)

    def params(self) -> Mapping[str, str | bytes]:
        return {"SecretString" if isinstance(self.data, str) else "SecretBinary": self.data}


def to_value(payload: Payload) -> Value | None:
    """None: a name or value of a map is not UTF-8 text, and JSON has nothing else."""
    if payload.value is not None:
        raw = payload.value.reveal()
        try:
            return Value(fields=False, data=raw.decode())
        except UnicodeError:
            return Value(fields=False, data=raw)
    try:
        data = {name: secret.reveal().decode() for name, secret in payload.as_fields().items()}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except UnicodeError:
        return None
    return Value(fields=True, data=text)


def from_value(answer: Mapping[str, Any]) -> Payload:
    """Of an answer of GetSecretValue."""
    token = Token.decode(str(answer.get("VersionId", "")))
    text, blob = answer.get("SecretString"), answer.get("SecretBinary")
    if isinstance(text, str):
        fields = _fields(text) if token is None or token.fields else None
        return (
            Payload(value=Secret(text.encode("utf-8", "surrogatepass"))) if fields is None else Payload(fields=fields)
        )
    raw = bytes(blob or b"")
    try:
        raw.decode()
    except UnicodeError:
        return Payload(value=Secret(raw))
    # who reads SecretString finds nothing here: not what we would have stored, whatever the bytes
    return Payload(fields={"SecretBinary": Secret(raw)})


def _fields(text: str) -> Mapping[str, Secret] | None:
    """None: it is not a flat object of strings, each named once."""
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
        if not isinstance(pairs, _Pairs) or not all(isinstance(value, str) for _, value in pairs):
            return None
        found = {name: Secret(value.encode()) for name, value in pairs}
        "".join(found).encode()
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        return None
    return found if len(found) == len(pairs) else None


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""
