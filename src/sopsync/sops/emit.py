"""Decrypted trees as text: the JSON sops prints, and a scalar as a string."""

from __future__ import annotations

import math
import re

from sopsync.errors import Reason
from sopsync.sops import golang
from sopsync.sops.raw import problem
from sopsync.sops.tree import Kind, Map, Node, Scalar

# What encoding/json escapes: what JSON must, and what HTML and JavaScript would stumble over.
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STRAY = "[\udc80-\udcff]"


def to_json(root: Map) -> str:
    """One document, as `sops -d --output-type json` prints it. Raises DecryptError (UNREPRESENTABLE)."""
    parts: list[str] = []
    _node(root, "\n", parts)
    return "".join(parts) + "\n"


def _node(node: Node, newline: str, parts: list[str]) -> None:
    """Append a node's text; `newline` is a newline and the indentation of the line the node begins on."""
    if isinstance(node, Scalar):
        parts.append(_scalar(node))
        return
    opening, closing = "{}" if isinstance(node, Map) else "[]"
    parts.append(opening)
    inner, separator = newline + "\t", ""
    if isinstance(node, Map):
        for key, _, child in node.items:
            parts += (separator, inner, _string(key), ": ")
            _node(child, inner, parts)
            separator = ","
    else:
        for child in node.items:
            parts += (separator, inner)
            _node(child, inner, parts)
            separator = ","
    parts.append(newline + closing if separator else closing)


def _scalar(scalar: Scalar) -> str:
    value = scalar.value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            what = "JSON cannot hold Inf or NaN"
            raise problem(Reason.UNREPRESENTABLE, what, line=scalar.line, hint="quote it, so that it is a string")
        return golang.json_number(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):  # one replacement character a byte, as Go does
        return re.sub(_STRAY, r"\\ufffd", _string(value.decode(errors="surrogateescape")))
    return _string(value)


def _string(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"


def text(scalar: Scalar) -> str:
    """An opened scalar as a string: 7, 0.5, true, null is "", a time in RFC 3339. Raises DecryptError for bytes."""
    value = scalar.value
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        raise problem(Reason.UNREPRESENTABLE, "a value that is not UTF-8 is no text", line=scalar.line)
    if scalar.kind is Kind.FLOAT:
        return golang.float_text(float(value))
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
