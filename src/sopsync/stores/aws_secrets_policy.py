"""The least that a role needs in Secrets Manager: which action is for which call of the store. Pure.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from sopsync.grants import Grant, Role, Route
from sopsync.stores.aws_policy import Account, key_of, legal, wildcards
from sopsync.stores.aws_secrets_options import DEFAULT_KEY, KMS_KEY, REPLICAS
from sopsync.stores.aws_secrets_settings import FENCES, AwsSecretsSettings

_WRITE = ("CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "TagResource")
_REPLICATE = ("ReplicateSecretToRegions", "RemoveRegionsFromReplication")


def grants(_store: str, settings: AwsSecretsSettings, routes: Sequence[Route]) -> Iterator[Grant]:
    """What each role needs. Without routes a store is only looked at."""
    at = Account(settings, "secretsmanager")
    routes = [route for route in legal(routes) if _below(settings.prefix, wildcards(route.name))]
    entries = [_arn(at, wildcards(route.name)) for route in routes]
    pruned = [_arn(at, wildcards(route.name)) for route in routes if route.prune]
    fences = sorted({_arn(at, f"{settings.prefix}{fence}") for route in routes for fence in _fences(route)})
    yield from at.assume()
    yield at.grant(Role.SEALED, "SecretsList", ["ListSecrets"], ["*"])
    # a closer look, also at what a rule that is no more has left; it tells what the listing tells, only sooner
    looks = ["DescribeSecret", "ListSecretVersionIds"]
    yield at.grant(Role.SEALED, "SecretsLook", looks, [_arn(at, f"{settings.prefix}*")])
    # the value of a fence decides when its mirror in the tags is late; of any fence, because a survey shows them all
    yield at.grant(Role.SEALED, "SecretsReadFence", ["GetSecretValue"], [_arn(at, f"{settings.prefix}{FENCES}*")])
    yield at.grant(Role.PLAN, "SecretsRead", ["GetSecretValue"], entries)
    yield at.grant(Role.APPLY, "SecretsWrite", [*_WRITE, "RestoreSecret", "UntagResource"], entries)
    yield at.grant(Role.APPLY, "SecretsFence", _WRITE, fences)
    yield at.grant(Role.APPLY, "SecretsReplicate", _REPLICATE, _with(at, routes, REPLICAS))
    yield at.grant(Role.APPLY, "SecretsSetKey", ["UpdateSecret"], _with(at, routes, KMS_KEY))
    for key in dict.fromkeys(key_of(route, DEFAULT_KEY) for route in routes):
        if key is not None:
            yield at.keys(Role.PLAN, "SecretsDecrypt", ["Decrypt"], key, [])
            yield at.keys(Role.APPLY, "SecretsEncrypt", ["GenerateDataKey", "Encrypt"], key, [])
    yield at.grant(Role.PRUNE, "SecretsDelete", ["DeleteSecret"], pruned)


def _arn(at: Account, name: str) -> str:
    """AWS ends it in a dash and six characters
    (https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html)."""
    return at.arn(f"secret:{name}-??????")


def _with(at: Account, routes: Sequence[Route], option: str) -> list[str]:
    return [_arn(at, wildcards(route.name)) for route in routes if option in dict(route.options)]


def _below(prefix: str, name: str) -> bool:
    """Whether a name may begin with the prefix; others the store refuses."""
    clear = name.partition("*")[0]
    return clear.startswith(prefix) or ("*" in name and prefix.startswith(clear))


def _fences(route: Route) -> Iterator[str]:
    owners = [sha256(owner.encode()).hexdigest()[:32] for owner in route.owners or ()] or ["*"]
    yield from (f"{FENCES}{owner}" for owner in owners)
