"""What is sealed for an embedded store: a payload of any bytes as one run of bytes, and back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

from sopsync.errors import SopsyncError
from sopsync.model import Payload, Secret


def pack(payload: Payload) -> bytes:
    """JSON, values in base64: a string is a single value, an object is a map."""
    if payload.value is not None:
        return json.dumps(_text(payload.value)).encode()
    return json.dumps({name: _text(secret) for name, secret in payload.as_fields().items()}).encode()


def unpack(data: bytes) -> Payload:
    """What `pack` made. SopsyncError for anything else, without a word of it."""
    try:
        match json.loads(data):
            case str(text):
                return Payload(value=_secret(text))
            case dict(fields):
                return Payload(fields={name: _secret(text) for name, text in fields.items()})
    except (ValueError, TypeError):  # TypeError: a field that is not text
        pass
    raise SopsyncError("what is sealed here is not a payload", hint="it was not written by sopsync")


def size(payload: Payload) -> int:
    """Bytes of a value, or of all names and values of a map."""
    if payload.value is not None:
        return len(payload.value.reveal())
    return sum(
        len(name.encode("utf-8", "surrogatepass")) + len(secret.reveal())
        for name, secret in payload.as_fields().items()
    )


def _text(secret: Secret) -> str:
    return b64encode(secret.reveal()).decode()


def _secret(text: str) -> Secret:
    return Secret(b64decode(text, validate=True))
