"""Puts the shares of a data key together again: HashiCorp's Shamir scheme over GF(2⁸), as sops uses it.

Source: `shamir/shamir.go` of sops 3.13. A share is the values of one polynomial for each byte of the secret, all at the
same point x, followed by x itself in one byte. The field is that of AES: polynomials modulo x⁸+x⁴+x³+x+1 (0x11B).
"""

from __future__ import annotations

from collections.abc import Sequence


class ShareError(ValueError):
    """The shares cannot belong to one secret."""


def _tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(powers of the generator 3, logarithms to it); the powers twice over, so that sums of two need no modulus."""
    exp, log, x = [0] * 510, [0] * 256, 1
    for i in range(255):
        exp[i] = exp[i + 255] = x
        log[x] = i
        x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)
    return tuple(exp), tuple(log)


_EXP, _LOG = _tables()


def multiply(a: int, b: int) -> int:
    """a·b in the field; 0 ≤ a, b ≤ 255."""
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def divide(a: int, b: int) -> int:
    """a/b in the field; b is not 0."""
    return _EXP[_LOG[a] + 255 - _LOG[b]] if a else 0


def combine(shares: Sequence[bytes]) -> bytes:
    """The secret, one byte shorter than a share, by Lagrange interpolation at 0 over all shares given.

    Too few honest shares give a wrong secret and no error: the scheme cannot tell. Raises ShareError."""
    if len(shares) < 2:
        raise ShareError("less than two shares")
    if len(shares[0]) < 2:
        raise ShareError("a share is too short")
    if len({len(share) for share in shares}) > 1:
        raise ShareError("the shares differ in length")
    points = [share[-1] for share in shares]
    if len(set(points)) < len(points):
        raise ShareError("two shares are the same one")
    secret = bytearray(len(shares[0]) - 1)
    for share, x in zip(shares, points, strict=True):
        weight = 1
        for other in points:
            if other != x:
                # minus is plus here, so other/(other - x) is other/(other ^ x)
                weight = multiply(weight, divide(other, other ^ x))
        for i in range(len(secret)):
            secret[i] ^= multiply(share[i], weight)
    return bytes(secret)
