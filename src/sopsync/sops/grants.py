"""What opening SOPS files needs, from what they say in the clear about the keys they are sealed to. Pure.

Calls: `keys/aws.py` (kms:Decrypt, and sts:AssumeRole where a file names a role) and `keys/vault.py` (transit/decrypt).
Any one key of a group opens a file, so whoever holds another of them (an age identity, a key in another region) can do
without these.

A file may come from anybody, and what it names ends up in a policy: what is not the name of one key is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sopsync.grants import Condition, Grant, Holder, Role
from sopsync.sops.metadata import MasterKey

_KEY = re.compile(r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)(?:key/[\w-]+|(alias/[\w/-]+))", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_WORD = re.compile(r"[\w .@/-]+", re.ASCII)
_CONTEXT = re.compile(r"[\w .:/=+@-]+", re.ASCII)


def grants(keys: Iterable[MasterKey]) -> Iterator[Grant]:
    """Each action on all the keys it is needed on; those with an encryption context, or an alias, by themselves."""
    kms: dict[tuple[Holder, tuple[Condition, ...]], set[str]] = defaultdict(set)
    roles: dict[Holder, set[str]] = defaultdict(set)
    transit: dict[Holder, set[str]] = defaultdict(set)
    for key in filter(nameable, keys):
        if key.type == "kms":
            profile, role = key.fields.get("aws_profile", ""), key.fields.get("role", "")
            caller = Holder("iam", f"profile {profile}" if profile else "")
            if role:
                roles[caller].add(role)
            arn, conditions = _limited(key)
            kms[Holder("iam", role) if role else caller, conditions].add(arn)
        elif key.type == "hc_vault":
            path = f"{_engine(key)}/decrypt/{key.fields.get('key_name', '')}"
            transit[Holder("vault", "sops-keys", key.fields.get("vault_address", ""))].add(path)
    for holder, arns in roles.items():
        yield Grant(holder, Role.PLAN, "AssumeSopsRoles", ("sts:AssumeRole",), tuple(sorted(arns)))
    for (holder, conditions), arns in kms.items():
        yield Grant(holder, Role.PLAN, "OpenSopsFiles", ("kms:Decrypt",), tuple(sorted(arns)), conditions)
    for holder, paths in transit.items():
        yield Grant(holder, Role.PLAN, "OpenSopsFiles", ("update",), tuple(sorted(paths)))


def nameable(key: MasterKey) -> bool:
    """Whether a policy can name exactly this key; true of keys that no policy is about."""
    fields = key.fields
    if key.type == "kms":
        texts = [text for pair in key.context.items() for text in pair]
        return (
            bool(_KEY.fullmatch(fields.get("arn", "")))
            and (not fields.get("role") or bool(_ROLE.fullmatch(fields["role"])))
            and (not fields.get("aws_profile") or bool(_WORD.fullmatch(fields["aws_profile"])))
            and all(map(_CONTEXT.fullmatch, texts))
        )
    if key.type == "hc_vault":
        named = (_engine(key), fields.get("key_name", ""), fields.get("vault_address", "").replace(":", ""))
        return all(map(_WORD.fullmatch, named))
    return True


def _engine(key: MasterKey) -> str:
    return key.fields.get("engine_path", "").strip("/")


def _limited(key: MasterKey) -> tuple[str, tuple[Condition, ...]]:
    """(resource, conditions). A policy cannot name an alias as resource: it says what the key must be called.
    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html"""
    arn = key.fields["arn"]
    context = tuple(
        Condition("StringEquals", f"kms:EncryptionContext:{name}", (value,))
        for name, value in sorted(key.context.items())
    )
    match = _KEY.fullmatch(arn)
    if match and match[2]:
        alias = Condition("ForAnyValue:StringEquals", "kms:ResourceAliases", (match[2],))
        return f"{match[1]}key/*", (*context, alias)
    return arn, context
