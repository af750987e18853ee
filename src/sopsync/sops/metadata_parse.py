"""Reads the `sops` block of any format into Metadata, in the order and with the leniency sops has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from sopsync.errors import DecryptError, Reason
from sopsync.sops import golang
from sopsync.sops.metadata import MasterKey, Metadata
from sopsync.sops.raw import RawComment, RawList, RawMap, RawNode, problem, shown
from sopsync.sops.tree import Kind

Typing = Literal["yaml", "json", "flat"]
"""How fields are typed: go-yaml converts scalars, encoding/json does not, flat files hold nothing but strings."""

SELECTORS = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)
DEFAULT_SELECTOR = ("unencrypted_suffix", "_unencrypted")

# In the order sops tries them within a group. Each: the strings a key of that type holds beside `enc`.
_KEY_TYPES: dict[str, tuple[str, ...]] = {
    "kms": ("arn", "role", "aws_profile", "created_at"),
    "gcp_kms": ("resource_id", "created_at"),
    "hckms": ("key_id", "created_at"),
    "azure_kv": ("vault_url", "name", "version", "created_at"),
    "hc_vault": ("vault_address", "engine_path", "key_name", "created_at"),
    "pgp": ("fp", "created_at"),
    "age": ("recipient",),
}
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"  # fits 64 bits, as it must
_IDENTIFIERS = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = (
    rf"v?(?:{_NUMBER}\.){{2}}{_NUMBER}(?:-{_IDENTIFIERS}(?:\.{_IDENTIFIERS})*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def metadata(block: RawNode, typing: Typing) -> Metadata:
    """Metadata of a `sops` block. Raises DecryptError: NO_METADATA, PARSE, BAD_PLAINTEXT_OR_TIME, NO_KEYS, …"""
    if isinstance(block, tuple) and block[0] is Kind.NULL:
        raise missing()
    if not isinstance(block, RawMap):
        raise problem(Reason.PARSE, "`sops` is not a mapping", line=_line(block))
    return _Reader(typing).metadata(block)


def missing() -> DecryptError:
    hint = "encrypt it with sops, or leave it out"
    return problem(Reason.NO_METADATA, "not a SOPS file: it has no sops metadata", hint=hint)


class _Reader:
    def __init__(self, typing: Typing) -> None:
        self._typing = typing

    def metadata(self, block: RawMap) -> Metadata:
        fields = self._fields(block)
        texts = {name: self._text(fields, name) for name in ("lastmodified", "mac", "version", *SELECTORS)}
        threshold, mac_only = self._threshold(fields), self._flag(fields, "mac_only_encrypted")
        flat = self._group(fields)
        nested = tuple(self._group(self._fields(group)) for group in self._maps(fields, "key_groups"))
        # From here on in sops' order, which decides what is reported of a file with several faults.
        modified = _moment(texts["lastmodified"], "lastmodified", block.line)
        groups = (flat,) if flat else nested
        for key in (key for group in groups for key in group if "created_at" in key.fields):
            _moment(key.fields["created_at"], "created_at", block.line)
        if not groups:
            raise problem(Reason.NO_KEYS, "the sops metadata names no key", line=block.line)
        selectors = [(name, texts[name]) for name in SELECTORS if texts[name]]
        if len(selectors) > 1:
            both = " and ".join(name for name, _ in selectors)
            raise problem(Reason.CONFLICTING_RULES, f"the sops metadata has {both}: one at most", line=block.line)
        if not (texts["version"].startswith("1.") or re.fullmatch(_SEMVER, texts["version"])):
            raise problem(Reason.BAD_VERSION, "the sops metadata has no usable version", line=block.line)
        return Metadata(
            groups=groups,
            lastmodified=modified,
            mac=texts["mac"],
            version=texts["version"],
            threshold=threshold,
            selector=selectors[0] if selectors else DEFAULT_SELECTOR,
            mac_only_encrypted=mac_only,
        )

    def _group(self, fields: Mapping[str, RawNode]) -> tuple[MasterKey, ...]:
        return tuple(
            self._key(type_, names, self._fields(entry))
            for type_, names in _KEY_TYPES.items()
            if type_ in fields
            for entry in self._maps(fields, type_)
        )

    def _key(self, type_: str, names: tuple[str, ...], fields: Mapping[str, RawNode]) -> MasterKey:
        context: dict[str, str] = {}
        node = fields.get("context")
        if type_ == "kms" and node is not None and not _is_null(node):
            if not isinstance(node, RawMap):
                raise _mistyped("context", node)
            inner = self._fields(node, fold=False)
            context = {name: self._text(inner, name) for name in inner}
        texts = {name: self._text(fields, name) for name in names}
        return MasterKey(type_, self._text(fields, "enc"), texts, context)

    def _fields(self, node: RawMap, *, fold: bool = True) -> dict[str, RawNode]:
        """A map's fields by name. encoding/json ignores case and lets the last of a name win; go-yaml does neither."""
        fields: dict[str, RawNode] = {}
        for key, line, child in node.items:
            if key is None or isinstance(child, RawComment):
                continue
            if self._typing == "yaml" and (key in fields or key == "<<"):
                fault = "appears twice" if key in fields else "would be merged by sops; sops never writes it"
                raise problem(Reason.PARSE, f"metadata field {shown(key)} {fault}", line=line)
            fields[golang.folded(key) if fold and self._typing != "yaml" else key] = child
        return fields

    def _maps(self, fields: Mapping[str, RawNode], name: str) -> list[RawMap]:
        node = fields.get(name)
        if node is None or _is_null(node):
            return []
        if not isinstance(node, RawList):
            raise _mistyped(name, node)
        items: list[RawMap] = []
        for item in node.items:
            if isinstance(item, RawMap):
                items.append(item)
            elif _is_null(item):  # an empty entry to encoding/json, none at all to go-yaml
                items.extend([] if self._typing == "yaml" else [RawMap(_line(item))])
            elif not isinstance(item, RawComment):
                raise _mistyped(name, item)
        return items

    def _text(self, fields: Mapping[str, RawNode], name: str) -> str:
        node = fields.get(name)
        if node is None:
            return ""
        if isinstance(node, tuple):
            kind, value, _, text = node
            if kind is Kind.STR:
                return str(value).replace("\\n", "\n") if self._typing == "flat" else str(value)
            if kind is Kind.NULL:
                return ""
            if self._typing == "yaml" and kind is not Kind.BYTES:
                return text
        raise _mistyped(name, node)

    def _threshold(self, fields: Mapping[str, RawNode]) -> int:
        name = "shamir_threshold"
        node = fields.get(name)
        if node is None or _is_null(node):
            return 0
        if isinstance(node, tuple):
            kind, value, _, text = node
            if self._typing == "json":
                whole = golang.parse_int(text) if kind in (Kind.FLOAT, Kind.INT) else None
            elif self._typing == "flat":  # sops before 3.8 wrote 2.000000
                whole, number = golang.parse_int(text), golang.parse_float(text)
                if whole is None and number is not None and number % 1 == 0:
                    whole = int(number)
                if whole is None:
                    what = f"metadata field {name} is no integer"
                    raise problem(Reason.BAD_PLAINTEXT_OR_TIME, what, line=_line(node))
            else:
                whole = int(value) if isinstance(value, int | float) and value - value == 0 else None
            if whole is not None and golang.is_int64(whole) and kind is not Kind.BOOL:
                return whole
        raise _mistyped(name, node)

    def _flag(self, fields: Mapping[str, RawNode], name: str) -> bool:
        node = fields.get(name)
        if node is None or _is_null(node):
            return False
        if isinstance(node, tuple):
            if self._typing == "flat":
                return node[1] == "true"
            if node[0] is Kind.BOOL:
                return node[1] is True
            if self._typing == "yaml" and node[1] in _YAML_BOOLS:
                return _YAML_BOOLS[str(node[1])]
        raise _mistyped(name, node)


# What go-yaml takes for a bool only where a bool is wanted.
_YAML_BOOLS = dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True)
_YAML_BOOLS |= dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False)


def _is_null(node: RawNode) -> bool:
    return isinstance(node, tuple) and node[0] is Kind.NULL


def _line(node: RawNode) -> int:
    return node[2] if isinstance(node, tuple) else getattr(node, "line", 0)


def _mistyped(name: str, node: RawNode) -> DecryptError:
    return problem(Reason.PARSE, f"metadata field {name} has the wrong type", line=_line(node))


def _moment(text: str, name: str, line: int) -> str:
    """A time as sops authenticates it: to the second, `Z` for a zero offset."""
    parts = golang.parse_time(text)
    if parts is None:
        raise problem(Reason.BAD_PLAINTEXT_OR_TIME, f"metadata field {name} is not an RFC 3339 time", line=line)
    return parts[0] + parts[2]
