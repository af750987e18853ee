"""One encrypted value: the `ENC[…]` grammar and AES-256-GCM."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sopsync.errors import Reason
from sopsync.sops import golang
from sopsync.sops.golang import decode_base64
from sopsync.sops.tree import Kind
from sopsync.sops.yaml_types import string

Value = str | int | float | bool | bytes

HEAD = "ENC[AES256_GCM,data:"
COMMENT = "comment"
_AFTER_HEAD = len(HEAD)
_KINDS = {kind.value: kind for kind in (Kind.STR, Kind.INT, Kind.FLOAT, Kind.BOOL, Kind.TIME)}


class BadValue(Exception):
    """Why a value cannot be opened, without where: whoever walks the tree knows that. Holds nothing of the value."""

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason, self.what = reason, what


def split(text: str) -> tuple[str, str, str, str]:
    """(data, iv, tag, type) of `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`, as sops' greedy regular expression cuts it.

    That is: everything on the first line, each part as long as can be, nothing after the last `]`. Found from the
    right, which takes linear time; a backtracking match of the same pattern may not. Raises BadValue.
    """
    line = text if "\n" not in text else text.partition("\n")[0]
    end = line.rfind("]")
    kind = line.rfind(",type:", 0, end - 1)
    tag = line.rfind(",tag:", 0, kind - 1)
    iv = line.rfind(",iv:", 0, tag - 1)
    if end < 0 or kind < 0 or tag < 0 or iv <= _AFTER_HEAD or not line.startswith(HEAD):
        raise BadValue(Reason.BAD_VALUE_FORMAT, "is not encrypted, or its ENC[…] text is damaged")
    return line[_AFTER_HEAD:iv], line[iv + 4 : tag], line[tag + 5 : kind], line[kind + 6 : end]


def claimed(text: str) -> Kind | None:
    """The kind an `ENC[…]` text claims, None for a comment. Nothing is authenticated yet. Raises BadValue."""
    name = split(text)[3]
    if name == COMMENT:
        return None
    if name not in _KINDS:
        raise BadValue(Reason.UNKNOWN_TYPE, "has an unknown type")
    return _KINDS[name]


class Cipher:
    """Opens values with one data key."""

    def __init__(self, key: bytes) -> None:
        try:
            self._gcm = AESGCM(key)
        except ValueError:
            raise BadValue(Reason.VALUE_AUTH_FAILED, "the data key has the wrong length") from None

    def open(self, text: str, aad: str) -> tuple[Kind, Value, bytes] | None:
        """(kind, value, what sops hashes of it) of an `ENC[…]` text, None for a comment. Raises BadValue."""
        # 1. Cut the text up.
        data, iv, tag, name = split(text)
        sealed, nonce, seal = decode_base64(data), decode_base64(iv), decode_base64(tag)
        if sealed is None or nonce is None or seal is None:
            raise BadValue(Reason.BAD_BASE64, "holds broken base64")
        # 2. Authenticate and decrypt. GCM takes any nonce; a length our library refuses cannot be one sops wrote.
        try:
            plain = self._gcm.decrypt(nonce, sealed + seal, aad.encode())
        except (InvalidTag, ValueError):
            what = "was changed, moved or renamed since it was encrypted"
            raise BadValue(Reason.VALUE_AUTH_FAILED, what) from None
        # 3. Type it. The type is outside the authenticated text: only the file's MAC can tell that it was altered.
        if name == COMMENT:
            return None
        return typed(name, plain)


def typed(name: str, plain: bytes) -> tuple[Kind, Value, bytes]:
    """A decrypted value of the named type. Raises BadValue."""
    if name == "str":
        return *string(plain), plain
    kind = _KINDS.get(name)
    if kind is None:
        raise BadValue(Reason.UNKNOWN_TYPE, "has an unknown type")
    text = plain.decode(errors="replace")
    value: Value | None
    if kind is Kind.INT:
        value = golang.parse_int(text)
    elif kind is Kind.FLOAT:
        value = golang.parse_float(text)
    elif kind is Kind.BOOL:
        value = golang.parse_bool(text)
    else:
        parts = golang.parse_time(text)
        value = golang.time_text(parts) if parts else None
    if value is None:
        raise BadValue(Reason.BAD_PLAINTEXT_OR_TIME, f"claims to be of type {name} and is not")
    return kind, value, hashed(kind, value)


def hashed(kind: Kind, value: Value) -> bytes:
    """What a value adds to the file's MAC."""
    if isinstance(value, bytes):
        return value
    if kind is Kind.INT:
        return str(value).encode()
    if kind is Kind.FLOAT:
        return golang.float_text(float(value)).encode()
    if kind is Kind.BOOL:
        return golang.boolean_text(bool(value)).encode()
    return str(value).encode()
