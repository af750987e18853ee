"""Shamir's scheme: any enough shares give the secret back, in any order; shares that cannot be shares are refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.errors import DecryptError, Reason
from sopsync.sops.keyring import Keyring
from sopsync.sops.metadata import MasterKey, Metadata
from sopsync.sops.shamir import ShareError, combine, divide, multiply
from tests.sops.agefiles import identity, wrap
from tests.sops.files import metadata, opens, sealed

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


# -- groups, with files that sops sealed

PEOPLE = [identity() for _ in range(4)]


def groups_of(*people: int, threshold: int) -> str:
    """A `.sops.yaml` with one key group for each person."""
    lines = ["creation_rules:", f"  - shamir_threshold: {threshold}", "    key_groups:"]
    return "\n".join([*lines, *(f"      - age: [{PEOPLE[i][1]}]" for i in people), ""])


def having(*people: int) -> Keyring:
    return Keyring.from_environment({"SOPS_AGE_KEY": "\n".join(PEOPLE[i][0] for i in people)})


def test_exactly_those_who_reach_the_threshold_open_a_file(tmp_path: Path) -> None:
    data = sealed(tmp_path, config=groups_of(0, 1, 2, threshold=2))
    wanted = metadata(data)
    assert wanted.threshold == 2
    for count in range(4):
        for people in itertools.combinations(range(3), count):
            if count >= 2:
                assert opens(having(*people).data_key(wanted), data)
            else:
                with pytest.raises(DecryptError) as error:
                    having(*people, 3).data_key(wanted)
                assert error.value.reason is Reason.DATA_KEY_UNAVAILABLE
                assert f"2 of 3 key groups must open this file, {count} did" in str(error.value)


def test_the_report_lists_the_groups_that_did_not_open(tmp_path: Path) -> None:
    wanted = metadata(sealed(tmp_path, config=groups_of(0, 1, 2, threshold=3)))
    with pytest.raises(DecryptError) as error:
        having(1).data_key(wanted)
    first, second, third = (f"{recipient[:7]}…{recipient[-2:]}" for _, recipient in PEOPLE[:3])
    assert str(error.value).splitlines() == [
        "3 of 3 key groups must open this file, 1 did",
        f"  group 1 needs: {first}",
        f"  group 3 needs: {third}",
        f"  tried: {second} (SOPS_AGE_KEY)",
        "  hint: set SOPS_AGE_KEY_FILE",
    ]


def test_a_lowered_threshold_opens_nothing_more(tmp_path: Path) -> None:
    """One share is no sum; two of three needed ones are a wrong key, which nothing but the file itself can tell."""
    data = sealed(tmp_path, config=groups_of(0, 1, 2, threshold=3))
    lowered = Metadata(metadata(data).groups, "", "", threshold=1)
    with pytest.raises(DecryptError, match="less than two") as error:
        having(0).data_key(lowered)
    assert error.value.reason is Reason.SHAMIR
    with pytest.raises(DecryptError) as error:
        having(3).data_key(Metadata(lowered.groups, "", "", threshold=0))
    assert error.value.reason is Reason.SHAMIR
    assert not opens(having(0, 1).data_key(lowered), data)
    assert opens(having(0, 1, 2).data_key(lowered), data)


def test_the_same_share_twice_is_no_second_share() -> None:
    share = bytes(32) + b"\x01"
    both = [MasterKey("age", wrap(share, recipient), {"recipient": recipient}) for _, recipient in PEOPLE[:2]]
    with pytest.raises(DecryptError, match="same one") as error:
        having(0, 1).data_key(Metadata(((both[0],), (both[1],)), "", "", threshold=2))
    assert error.value.reason is Reason.SHAMIR
