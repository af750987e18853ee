"""How Go reads and writes scalars: sops hashes and encrypts these exact texts, so ours must be the same to the byte."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_SPECIAL = frozenset(("nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"))
# Patterns are left to `re` to compile when one is first used: most files need none, and start-up counts.
_INT = r"[+-]?[0-9]{1,4000}"
_DECIMAL = r"[+-]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?"
_HEX = r"[+-]?0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?[pP][+-]?[0-9_]+"
# An underscore must stand between digits; behind 0x it may also stand behind the prefix.
_LONE_UNDERSCORE = r"(?<![0-9])_|_(?![0-9])"
_LONE_UNDERSCORE_HEX = r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])"
_RFC3339 = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def is_int64(value: int) -> bool:
    """Whether Go's int holds it."""
    return -(2**63) <= value < 2**63


def parse_int(text: str) -> int | None:
    """strconv.Atoi on a 64-bit machine; None where it fails."""
    if not re.fullmatch(_INT, text):
        return None
    value = int(text)
    return value if is_int64(value) else None


def parse_bool(text: str) -> bool | None:
    """strconv.ParseBool; None where it fails."""
    return True if text in _TRUE else False if text in _FALSE else None


def parse_float(text: str) -> float | None:
    """strconv.ParseFloat(text, 64); None where it fails, and an overflow is a failure."""
    if text.lower() in _SPECIAL:
        return float(text)
    try:
        if re.fullmatch(_DECIMAL, text) and not re.search(_LONE_UNDERSCORE, text):
            value = float(text.replace("_", ""))
        elif re.fullmatch(_HEX, text) and not re.search(_LONE_UNDERSCORE_HEX, text):
            value = float.fromhex(text.replace("_", ""))
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return None if value in (float("inf"), float("-inf")) else value


def folded(name: str) -> str:
    """A field's name as encoding/json compares it: without case, where a long s is an s, and the Kelvin sign a k."""
    return name.lower().replace("\u017f", "s")


def decode_base64(text: str) -> bytes | None:
    """base64.StdEncoding.DecodeString: padding required, line breaks ignored, nothing else foreign; None on failure."""
    try:
        if len(text) % 4 == 0 and text[-3:] != "===":  # Python takes padding behind a complete group
            return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    plain = text.replace("\r", "").replace("\n", "")
    return decode_base64(plain) if plain != text else None


def float_text(value: float) -> str:
    """strconv.FormatFloat(value, 'f', -1, 64): shortest digits that round-trip, never an exponent."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    mantissa, _, exponent = text.partition("e")
    if exponent:
        return _positional(mantissa, int(exponent))
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)


def _positional(mantissa: str, exponent: int) -> str:
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{whole}{fraction}"
    return f"{sign}{whole}{fraction.ljust(exponent, '0')}"


def json_number(value: float) -> str:
    """encoding/json's text of a finite float: positional from 1e-6 up to, but without, 1e21."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return float_text(value)
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"


def boolean_text(value: bool) -> str:  # noqa: FBT001 - the value is the subject, not a switch
    """How sops spells a bool where it encrypts or hashes it."""
    return "True" if value else "False"


def parse_time(text: str) -> tuple[str, str, str] | None:
    """time.Parse(time.RFC3339, text), as (date and time to the second, fraction digits, zone); None where it fails."""
    match = re.fullmatch(_RFC3339, text)
    return time_of(match.groups()[:6], match.group(7), match.group(8)) if match else None


def time_of(clock: Sequence[str], fraction: str | None, zone: str) -> tuple[str, str, str] | None:
    """Year to second, fraction, zone in Go's canonical form; None where one is out of range. The zone is kept."""
    y, mo, d, h, mi, s = map(int, clock)
    if not (1 <= mo <= 12 and 1 <= d <= _days(y, mo) and h < 24 and mi < 60 and s < 60):
        return None
    offset = 0
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 24 or minutes > 60:  # Go lets 24 hours and 60 minutes pass here
            return None
        offset = hours * 60 + minutes
    name = "Z" if offset == 0 else f"{zone[0]}{offset // 60:02d}:{offset % 60:02d}"
    digits = (fraction or "")[:9].rstrip("0")
    return f"{y:04d}-{mo:02d}-{d:02d}T{h:02d}:{mi:02d}:{s:02d}", digits, name


def time_text(parts: tuple[str, str, str]) -> str | None:
    """time.Time.MarshalText: RFC 3339, nanoseconds without trailing zeros; None for a zone a day or more away."""
    moment, fraction, zone = parts
    if zone != "Z" and zone[1:3] >= "24":
        return None
    return f"{moment}.{fraction}{zone}" if fraction else moment + zone


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
