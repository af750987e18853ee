"""From an opened document to the payload a store will hold. One of the few places that hold bare plaintext.

Nothing here says a value: errors name keys, and whatever an encoder raises is replaced.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Protocol

from sopsync.errors import DecryptError, Reason
from sopsync.model import KeyPath, Payload, Recipe, Secret
from sopsync.sops.emit import text as text_of
from sopsync.sops.golang import json_number
from sopsync.sops.tree import List, Map, Node, Scalar, pointer
from sopsync.templates import VALUE_FILTERS, parse_template
from sopsync.yamlpos import quoted

REVISION = 1
"""Raise it when an encoder's output changes for any input: it enters the digest of what is encoded."""
DOTENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Fields = list[tuple[str, KeyPath, Node]]


class Document(Protocol):
    """An opened file: its tree, and, if it is a binary file, its bytes (DecryptError otherwise)."""

    @property
    def root(self) -> Map: ...
    @property
    def data(self) -> bytes: ...


def build(recipe: Recipe, document: Document) -> Payload:
    """The payload of one entry. DecryptError, naming the key, for a value that cannot be written that way."""
    if recipe.whole:
        return _single(document.data, recipe.encode)
    fields = [(name, path, _find(document.root, path)) for name, path in recipe.fields]
    if recipe.template:
        return _single(_filled(recipe.template, fields), recipe.encode)
    match recipe.encode, fields:
        case "json", [("", path, node)]:
            return _single(_json(node, path))
        case "json", _:
            return _single(_object(fields))
        case "dotenv", _:
            return _single("".join(f"{name}={_dotenv(node, path)}\n" for name, path, node in fields).encode())
        case _, [("", path, node)]:
            return _single(_bytes(node, path), recipe.encode)
        case _:
            return Payload(fields={name: Secret(_bytes(node, path)) for name, path, node in fields})


def _single(value: bytes, encode: str = "") -> Payload:
    return Payload(value=Secret(b64encode(value) if encode == "base64" else value))


def _find(root: Node, path: KeyPath) -> Node:
    """The node at a path of keys."""
    node = root
    for part in path:
        items = node.items if isinstance(node, Map) else ()
        found = next((child for key, _, child in items if key == part), None)
        if found is None:
            raise _unrepresentable(path, "is not in the file", "plan again: the file has changed")
        node = found
    return node


def _bytes(node: Node, path: KeyPath) -> bytes:
    """One value as it is: text as UTF-8, numbers and dates as the file would spell them."""
    if isinstance(node, Scalar) and isinstance(node.value, bytes):
        return node.value
    return _utf8(_text(node, path), path)


def _text(node: Node, path: KeyPath) -> str:
    if not isinstance(node, Scalar) or node.value is None:
        raise _unrepresentable(path, "is not one value", "encode: json keeps maps, lists and null")
    if isinstance(node.value, bytes):
        try:
            return node.value.decode()
        except UnicodeDecodeError:
            raise _unrepresentable(path, "is not text", "encode: base64 takes any bytes") from None
    return text_of(node)


def _utf8(text: str, path: KeyPath) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _unrepresentable(path, "holds half a surrogate pair, which is not text", "mend it: sops edit") from None


def _filled(template: str, fields: _Fields) -> bytes:
    """The template with its keys filled in; one pass, so braces in a value are only text."""
    values: dict[str, str] = {}
    for name, path, node in fields:
        values[name] = _text(node, path)
        _utf8(values[name], path)
    return parse_template(template, VALUE_FILTERS).fill(values, VALUE_FILTERS).encode()


def _object(fields: _Fields) -> bytes:
    """A JSON object of these fields, in their order."""
    return b"{" + b",".join(_quoted(name, path) + b":" + _json(node, path) for name, path, node in fields) + b"}"


def _json(node: Node, path: KeyPath) -> bytes:
    """Compact JSON, keys in file order, text as UTF-8. No recursion: a file may be deep."""
    done: list[bytes] = []
    todo: list[bytes | tuple[Node, KeyPath]] = [(node, path)]
    while todo:
        match todo.pop():
            case bytes(punctuation):
                done.append(punctuation)
            case Map(items), at:
                done.append(b"{")
                todo.append(b"}")
                for i, (key, _, child) in reversed(list(enumerate(items))):
                    todo += [(child, (*at, key)), (b"," if i else b"") + _quoted(key, (*at, key)) + b":"]
            case List(items), at:
                done.append(b"[")
                todo.append(b"]")
                for i, child in reversed(list(enumerate(items))):
                    todo += [(child, (*at, i)), b"," if i else b""]
            case scalar, at:
                done.append(_json_scalar(scalar, at))
    return b"".join(done)


def _json_scalar(node: Scalar, path: KeyPath) -> bytes:
    match node.value:
        case None:
            return b"null"
        case bool(truth):
            return b"true" if truth else b"false"
        case int(number):
            return str(number).encode()
        case float(number):
            if not math.isfinite(number):
                raise _unrepresentable(path, "is infinite or not a number, which JSON does not know", "make it a text")
            return json_number(number).encode()
        case _:
            return _quoted(_text(node, path), path)


def _quoted(text: str, path: KeyPath) -> bytes:
    return _utf8(json.dumps(text, ensure_ascii=False), path)


_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SINGLE: tuple[Callable[[str], object], ...] = (
    lambda text: "'" in text,
    lambda text: "${" in text,  # python-dotenv fills these in whatever the quotes
    lambda text: "\\\\" in text or text.endswith("\\"),  # and takes \\ for one, and \' for a quote
)


def _dotenv(node: Node, path: KeyPath) -> str:
    """The value so that a POSIX shell, Python's dotenv and Node's (the package, and --env-file) read it back the same.

    They agree on little: bare for the plainest characters; in single quotes, where hardly anything has a meaning; in
    double quotes only if nothing in it could have one. What no spelling carries to all of them is refused.
    """
    text = _text(node, path)
    _utf8(text, path)
    if _BARE.fullmatch(text):
        return text
    if _CONTROL.search(text):
        raise _unrepresentable(path, "holds control characters, which dotenv files cannot carry", _ELSE)
    if not any(test(text) for test in _SINGLE):
        return f"'{text}'"
    if not re.search(r"[\"$`\\!\n]", text):
        return f'"{text}"'
    raise _unrepresentable(path, "cannot be quoted so that every reader of dotenv files understands it", _ELSE)


_ELSE = "encode: json carries it, or base64 by itself"


def _unrepresentable(path: KeyPath, what: str, hint: str) -> DecryptError:
    """Names the key, and nothing of its value."""
    return DecryptError(
        f"{quoted(pointer(path))} {what}", reason=Reason.UNREPRESENTABLE, hint=hint, where=pointer(path)
    )
