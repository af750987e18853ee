"""Shamir's scheme: any enough shares give the secret back, in any order; shares that cannot be shares are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.sops.shamir import ShareError, combine, divide, multiply

BYTE = st.integers(0, 255)


def split(secret: bytes, points: list[int], threshold: int, coefficients: list[int]) -> list[bytes]:
    """One share for each point: the other direction, as sops does it. Multiplies by shifting, not by tables."""

    def times(a: int, b: int) -> int:
        product = 0
        while b:
            product ^= a if b & 1 else 0
            a = (a << 1) ^ (0x11B if a & 0x80 else 0)
            b >>= 1
        return product

    def value(byte: int, index: int, x: int) -> int:
        result = 0
        for coefficient in reversed([byte, *coefficients[index * (threshold - 1) : (index + 1) * (threshold - 1)]]):
            result = times(result, x) ^ coefficient
        return result

    return [bytes([*(value(byte, i, x) for i, byte in enumerate(secret)), x]) for x in points]


@settings(deadline=None)
@given(data=st.data(), secret=st.binary(min_size=1, max_size=32), threshold=st.integers(2, 6))
def test_enough_shares_in_any_order_give_the_secret(data: st.DataObject, secret: bytes, threshold: int) -> None:
    size = (threshold - 1) * len(secret)
    coefficients = data.draw(st.lists(BYTE, min_size=size, max_size=size))
    points = data.draw(st.lists(st.integers(1, 255), min_size=threshold, max_size=threshold + 3, unique=True))
    assert combine(split(secret, points, threshold, coefficients)) == secret


@settings(deadline=None)
@given(data=st.data(), secret=st.binary(min_size=1, max_size=32), change=st.integers(1, 255))
def test_a_changed_byte_of_a_share_changes_that_byte_of_the_secret(
    data: st.DataObject, secret: bytes, change: int
) -> None:
    shares = [bytearray(share) for share in split(secret, [3, 1, 200], 3, [7] * 2 * len(secret))]
    share, at = data.draw(st.sampled_from(range(3))), data.draw(st.sampled_from(range(len(secret))))
    shares[share][at] ^= change
    found = combine([bytes(share) for share in shares])
    assert [i for i in range(len(secret)) if found[i] != secret[i]] == [at]


@settings(deadline=None)
@given(a=BYTE, b=st.integers(1, 255))
def test_division_undoes_multiplication(a: int, b: int) -> None:
    assert divide(multiply(a, b), b) == a


def test_the_field_is_that_of_aes() -> None:
    """FIPS 197, section 4.2: {57} x {83} = {c1}, {57} x {13} = {fe}."""
    assert multiply(0x57, 0x83) == 0xC1
    assert multiply(0x57, 0x13) == 0xFE


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ([], "less than two"),
        ([b"ab\x01"], "less than two"),
        ([b"\x01", b"\x02"], "too short"),
        ([b"ab\x01", b"abc\x02"], "length"),
        ([b"ab\x01", b"cd\x01"], "same"),
    ],
)
def test_what_cannot_be_shares_is_refused(shares: list[bytes], why: str) -> None:
    with pytest.raises(ShareError, match=why):
        combine(shares)
