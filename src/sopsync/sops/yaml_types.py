"""Which value a YAML scalar stands for, by go-yaml v3's rules, which are neither YAML 1.1's nor 1.2's."""

from __future__ import annotations

import re

from sopsync.sops import golang
from sopsync.sops.tree import Kind

Typed = tuple[Kind, str | int | float | bool | bytes | None]

NULL: Typed = (Kind.NULL, None)
_LONG = "tag:yaml.org,2002:"
_WORDS: dict[str, Typed] = {
    **dict.fromkeys(("true", "True", "TRUE"), (Kind.BOOL, True)),
    **dict.fromkeys(("false", "False", "FALSE"), (Kind.BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), NULL),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (Kind.FLOAT, float("nan"))),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (Kind.FLOAT, float("inf"))),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (Kind.FLOAT, float("-inf"))),
}
_NUMERIC = frozenset("+-0123456789")
NOT_JUST_STRINGS = frozenset("+-0123456789.~tTfFnN")
"""What an untagged plain scalar that is no string can begin with; an empty one is null."""
_BASES = {"0x": 16, "0X": 16, "0b": 2, "0B": 2, "0o": 8, "0O": 8}
_DIGITS = {16: "[0-9a-fA-F]+", 10: "[0-9]+", 8: "[0-7]+", 2: "[01]+"}  # compiled when first used, as all here
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_ZONED = (
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})"
    r"(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_LOCAL = r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?: +([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,]([0-9]+))?)?"
_TAG_KINDS = {"!!bool": Kind.BOOL, "!!int": Kind.INT, "!!float": Kind.FLOAT, "!!null": Kind.NULL}
_TAG_KINDS |= {"!!timestamp": Kind.TIME}


def resolve(text: str, tag: str | None, *, plain: bool) -> Typed:
    """The kind and value of a scalar. Null where its tag contradicts its text: sops ignores go-yaml's error."""
    if tag is None or tag == "!":
        return resolve_plain(text) if plain else (Kind.STR, text)
    short = "!!" + tag[len(_LONG) :] if tag.startswith(_LONG) else tag
    if short == "!!binary":
        return _binary(text)
    if short not in _TAG_KINDS:  # !!str, and tags go-yaml does not know, which it drops
        return Kind.STR, text
    wanted = _TAG_KINDS[short]
    kind, value = resolve_plain(text, times=wanted is Kind.TIME)
    if wanted is Kind.FLOAT and isinstance(value, int) and kind is Kind.INT and golang.is_int64(value):
        return Kind.FLOAT, float(value)
    return (kind, value) if kind is wanted else NULL


def resolve_plain(text: str, *, times: bool = True) -> Typed:
    """The type of an untagged plain scalar. The first character decides what it can be at all."""
    word = _WORDS.get(text)
    if word is not None:
        return word
    first = text[0]
    if first in _NUMERIC:
        return _number(text, times=times)
    if first == "." and (value := golang.parse_float(text)) is not None:
        return Kind.FLOAT, value
    return Kind.STR, text


def _number(text: str, *, times: bool) -> Typed:
    if times and text[4:5] == "-" and (moment := _timestamp(text)) is not None:
        return Kind.TIME, moment
    plain = text.replace("_", "")
    whole = _integer(plain)
    if whole is not None:
        return Kind.INT, whole
    if re.fullmatch(_FLOAT, plain) and (value := golang.parse_float(plain)) is not None:
        return Kind.FLOAT, value
    return Kind.STR, text


def _integer(text: str) -> int | None:
    """strconv.ParseInt(text, 0, 64), then ParseUint: up to 2**64-1, which sops then refuses to walk."""
    if text[:2] in ("0b", "0o") and text[2:3] in ("+", "-"):  # go-yaml takes 0b-1 for -1
        text = text[2] + text[:2] + text[3:]
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    base = _BASES.get(unsigned[:2], 0)
    digits = unsigned[2:] if base else unsigned
    if not base:
        base = 8 if len(digits) > 1 and digits[0] == "0" else 10
    if len(digits) > 4000 or not re.fullmatch(_DIGITS[base], digits):  # Python limits how long a text int() takes
        return None
    value = int(digits, base)
    if text[:1] == "-":
        value = -value
    return value if golang.is_int64(value) or (unsigned is text and value < 2**64) else None


def _timestamp(text: str) -> str | None:
    """The canonical text of a time; "" for one that Go parses but cannot write; None for what is no time."""
    if match := re.fullmatch(_ZONED, text):
        parts = golang.time_of(match.groups()[:6], match.group(7), match.group(8))
    elif match := re.fullmatch(_LOCAL, text):
        parts = golang.time_of([part or "0" for part in match.groups()[:6]], match.group(7), "Z")
    else:
        return None
    return (golang.time_text(parts) or "") if parts else None


def _binary(text: str) -> Typed:
    raw = golang.decode_base64(text)
    return NULL if raw is None else string(raw)


def string(raw: bytes) -> tuple[Kind, str | bytes]:
    """A Go string: text where it is UTF-8, bytes where it is not."""
    try:
        return Kind.STR, raw.decode()
    except UnicodeDecodeError:
        return Kind.BYTES, raw
