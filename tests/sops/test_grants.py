"""What opening files needs: named exactly, and never what a hostile file would like to be granted."""

from __future__ import annotations

import pytest

from sopsync.grants import Grant, Holder, Role
from sopsync.sops.grants import grants, nameable
from sopsync.sops.metadata import MasterKey

ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::123456789012:role/sops"


def kms(arn: str = ARN, context: dict[str, str] | None = None, **fields: str) -> MasterKey:
    return MasterKey("kms", "", {"arn": arn, **fields}, context or {})


def transit(engine: str = "transit", name: str = "sops", address: str = "https://vault.example:8200") -> MasterKey:
    return MasterKey("hc_vault", "", {"vault_address": address, "engine_path": engine, "key_name": name})


def test_keys_are_named_once() -> None:
    assert list(grants([kms(), kms(), MasterKey("age", "", {"recipient": "age1x"})])) == [
        Grant(Holder("iam"), Role.PLAN, "OpenSopsFiles", ("kms:Decrypt",), (ARN,))
    ]


def test_a_role_in_the_file_is_assumed_and_holds_the_key() -> None:
    """`keys/aws.py` calls STS with its own credentials, and KMS with the role's."""
    assume, decrypt = grants([kms(role=ROLE, aws_profile="ops")])
    assert (assume.holder.name, assume.actions, assume.resources) == ("profile ops", ("sts:AssumeRole",), (ROLE,))
    assert (decrypt.holder.name, decrypt.actions, decrypt.resources) == (ROLE, ("kms:Decrypt",), (ARN,))


def test_transit_keys_of_vault() -> None:
    (grant,) = grants([transit("a/transit/")])
    assert (grant.holder.language, grant.holder.address) == ("vault", "https://vault.example:8200")
    assert (grant.actions, grant.resources) == (("update",), ("a/transit/decrypt/sops",))


HOSTILE = [
    kms("arn:aws:kms:*:*:key/*"),
    kms("*"),
    kms("arn:aws:kms:eu-west-1:123456789012:key/*"),
    kms(ARN + '", "*'),
    kms("arn:aws:kms:eu-west-1:123456789012:alias/a?"),
    kms(role="arn:aws:iam::123456789012:role/*"),
    kms(role="*"),
    kms(aws_profile="x\n}"),
    kms(context={"a": "${aws:username}"}),
    kms(context={"a\nb": "c"}),
    transit(name="*"),
    transit(name="+"),
    transit(engine='x" { capabilities = ["sudo"] } path "'),
    transit(engine="sys/{{x}}"),
    transit(address="https://x\n# "),
]


@pytest.mark.parametrize("key", HOSTILE)
def test_what_is_not_the_name_of_one_key_is_left_out(key: MasterKey) -> None:
    assert not nameable(key)
    assert list(grants([key])) == []
