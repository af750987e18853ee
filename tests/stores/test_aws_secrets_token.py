"""A version id says what was put into it, and nobody else's id is taken for one of ours."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sopsync.stores.aws_secrets_options import Regions, impossible, spellings
from sopsync.stores.aws_secrets_token import NONCES, Token


def hexadecimal(digits: int) -> some.SearchStrategy[str]:
    return some.integers(0, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


TOKENS = some.builds(Token, some.booleans(), some.booleans(), hexadecimal(32), hexadecimal(40))


@given(TOKENS, some.integers(0, NONCES - 1))
def test_what_an_id_says_is_what_was_said(token: Token, nonce: int) -> None:
    version = token.encode(nonce)
    assert re.fullmatch(r"[a-z0-9]{64}", version)
    assert Token.decode(version) == token


@given(TOKENS, TOKENS, some.integers(0, NONCES - 1), some.integers(0, NONCES - 1))
def test_two_ids_are_the_same_only_if_all_is(one: Token, other: Token, first: int, second: int) -> None:
    assert (one.encode(first) == other.encode(second)) is ((one, first) == (other, second))


@pytest.mark.parametrize(
    "version",
    [
        "c6184789-0bee-4465-970d-2fab051659c4",
        sha256(b"x").hexdigest(),
        "terraform-20240101120000000000000001",
        "",
        f"s1t{'z' * 61}",  # larger than what it would be a number of
        f"s1x{'0' * 61}",
        f"s2t{'0' * 61}",
        f"S1T{'0' * 61}",
        f"s1t{'0' * 60}",
        f"s1t{'0' * 62}",
    ],
)
def test_others_ids_are_not_ours(version: str) -> None:
    assert Token.decode(version) is None


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-abcdef"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234"
ALIAS = "arn:aws:kms:eu-west-1:123456789012:alias/app"


@pytest.mark.parametrize(
    ("shown", "asked", "yes", "no"),
    [
        ("", None, ["", "alias/aws/secretsmanager"], [KEY, "alias/app"]),
        ("", "alias/app", [""], ["alias/app"]),
        ("alias/aws/secretsmanager", None, [""], [KEY]),
        (KEY, None, [KEY, "1234"], ["", "alias/app", "12345"]),
        ("1234", None, [KEY, "1234"], [""]),
        (ALIAS, None, [ALIAS, "alias/app"], ["1234", "alias/application"]),
        (KEY, "alias/app", [KEY, "1234", "alias/app"], ["alias/other"]),
        (KEY, "5678", [KEY], ["5678"]),
        (KEY, "", [KEY], [""]),
        (ALIAS, "alias/other", [ALIAS], ["alias/other"]),
        (ALIAS, "1234", [ALIAS, "1234"], [""]),
    ],
)
def test_a_key_is_what_its_spellings_say(shown: str, asked: str | None, yes: list[str], no: list[str]) -> None:
    found = spellings(shown, ARN, asked)
    assert [text for text in yes if text not in found] == []
    assert [text for text in no if text in found] == []


def test_regions_are_a_set() -> None:
    two = Regions(frozenset({"us-east-1", "eu-west-1"}))
    assert all(text in two for text in ("us-east-1,eu-west-1", " eu-west-1 , us-east-1,", *two))
    assert not any(text in two for text in ("", "us-east-1", "us-east-1 eu-west-1", 1))
    assert "" in Regions(frozenset())
    assert not impossible({"replicas": "us-gov-west-1, ap-southeast-4"})
    assert impossible({"replicas": "us-east"})
