"""The least that a role needs in Parameter Store: which action is for which call of `aws_ssm_calls`. Pure.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256

from sopsync.grants import Condition, Glob, Grant, Role, Route, distinct
from sopsync.stores.aws_policy import Account, key_of, legal, wildcards
from sopsync.stores.aws_ssm_chamber import KEY
from sopsync.stores.aws_ssm_settings import FENCES, MARK, AwsSsmSettings

_MANAGED = frozenset({"alias/aws/ssm", ""})


def grants(_store: str, settings: AwsSsmSettings, routes: Sequence[Route]) -> Iterator[Grant]:
    """What each role needs. Without routes a store is only looked at."""
    at = Account(settings, "ssm")
    routes = [route for route in legal(routes) if _below(settings.paths, wildcards(route.name))]
    entries = [_arn(at, wildcards(route.name)) for route in routes]
    pruned = [_arn(at, wildcards(route.name)) for route in routes if route.prune]
    fences = {fence for route in routes for fence in _fences(route)}
    marks = {MARK} if fences and settings.layout == "plain" else set()
    yield from at.assume()
    yield at.grant(Role.SEALED, "SsmList", ["DescribeParameters"], ["*"])
    # stamps that came later than their version are in tags
    yield Grant(at.holder, Role.SEALED, "SsmListTagged", ("tag:GetResources",), ("*",))
    yield at.grant(Role.SEALED, "SsmReadTags", ["ListTagsForResource"], entries)
    # a history has the values of what is a String
    yield at.grant(Role.PLAN, "SsmRead", ["GetParameter", "GetParameterHistory"], entries)
    yield at.grant(Role.APPLY, "SsmWrite", ["PutParameter", "AddTagsToResource", "RemoveTagsFromResource"], entries)
    yield at.grant(Role.APPLY, "SsmFence", ["PutParameter"], [_arn(at, name) for name in fences | marks])
    yield at.grant(Role.APPLY, "SsmSweepFence", ["DeleteParameters"], [_arn(at, name) for name in fences])
    yield from _keys(at, settings, routes)
    yield at.grant(Role.PRUNE, "SsmDelete", ["DeleteParameters"], pruned)


def _arn(at: Account, name: str) -> str:
    """One slash, whether or not the name begins with one."""
    return at.arn(f"parameter/{name.removeprefix('/')}")


def _below(paths: Sequence[str], name: str) -> bool:
    """Whether a name may be below one of the paths; others the store refuses."""
    clear = name.partition("*")[0]
    return not paths or any(
        clear.startswith(f"{path}/") or ("*" in name and f"{path}/".startswith(clear)) for path in paths
    )


def _fences(route: Route) -> Iterator[str]:
    owners = [sha256(owner.encode()).hexdigest()[:32] for owner in route.owners or ()] or ["*"]
    yield from (f"{FENCES}/{owner}/*" for owner in owners)


def _keys(at: Account, settings: AwsSsmSettings, routes: Sequence[Route]) -> Iterator[Grant]:
    """https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html: a standard parameter is
    encrypted by KMS itself, an advanced one with a data key, and either in the context of its ARN."""
    uses: dict[tuple[Glob, Glob], list[str]] = defaultdict(list)
    for route in routes:
        options = dict(route.options)
        key = key_of(route, _MANAGED, default=(KEY,) if settings.layout == "chamber" else None)
        if key is not None and options.get("type") != ("String",):
            uses[key, options.get("tier", ("standard",))].append(_arn(at, wildcards(route.name)))
    for (key, tier), arns in uses.items():
        within = [Condition("StringLike", "kms:EncryptionContext:PARAMETER_ARN", distinct(arns))]
        encrypt = ["Encrypt"] if tier != ("advanced",) else []
        encrypt += ["GenerateDataKey"] if tier != ("standard",) else []
        yield at.keys(Role.PLAN, "SsmDecrypt", ["Decrypt"], key, within)
        yield at.keys(Role.APPLY, "SsmEncrypt", encrypt, key, within)
