"""The witness: a version id that says which ciphertext and which commit its value came from. Pure.

AWS lets the writer choose the id of a version (`ClientRequestToken`, 32 to 64 characters,
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html). A version never changes, and no
other can have its id: what the id says is said with the value, in one step, and stays true.

    s1 · kind · digest (128 bits, 25 digits) · commit (160 bits, 31) · nonce (5)      64 characters, digits in base 36

The nonce is there for A → B → A: an id made of content alone would be one that exists, and putting it again "succeeds
but does nothing".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_DIGEST, _COMMIT, _NONCE = 25, 31, 5
NONCES = 36**_NONCE
_KINDS = {"t": (False, True), "m": (True, True), "u": (False, False), "n": (True, False)}
_TOKEN = re.compile(rf"s1([{''.join(_KINDS)}])([0-9a-z]{{{_DIGEST}}})([0-9a-z]{{{_COMMIT}}})[0-9a-z]{{{_NONCE}}}")


@dataclass(frozen=True, slots=True)
class Token:
    """What a version id says."""

    fields: bool
    """The text is a map of fields. Otherwise it is one value, even where it looks like a map."""
    alone: bool
    """The id vouches by itself. Otherwise only together with the stamp in the tags, which is written after it."""
    digest: str
    """32 hex digits."""
    commit: str
    """40 hex digits: all of a SHA-1, the beginning of a SHA-256."""

    def encode(self, nonce: int) -> str:
        """The version id. `nonce`: below NONCES."""
        kind = next(letter for letter, said in _KINDS.items() if said == (self.fields, self.alone))
        parts = (int(self.digest, 16), _DIGEST), (int(self.commit, 16), _COMMIT), (nonce, _NONCE)
        return f"s1{kind}{''.join(_digits(number, width) for number, width in parts)}"

    @classmethod
    def decode(cls, version: str) -> Token | None:
        """What `encode` wrote, or None: somebody else's id."""
        found = _TOKEN.fullmatch(version)
        if not found:
            return None
        digest, commit = int(found[2], 36), int(found[3], 36)
        if digest >= 1 << 128 or commit >= 1 << 160:
            return None
        return cls(*_KINDS[found[1]], f"{digest:032x}", f"{commit:040x}")


def _digits(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
