"""What the policies of all stores in AWS share: whose they are, and how names, keys and regions are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sopsync.grants import Condition, Glob, Grant, Holder, Role, Route, distinct, spelt
from sopsync.stores.aws_settings import AwsSettings

_ARN = re.compile(r"(arn:[^:]+:kms:[^:]*:[^:]*:)(?:key/[\w*-]+|(alias/[\w/*-]+))", re.ASCII)
_CLEAR = re.compile(r"[\w/+=.,@ :-]*", re.ASCII)
"""What a name or key may hold that means nothing else in a policy."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account and region of a store, `*` where the config leaves them open, and the service in them."""

    settings: AwsSettings
    service: str

    @property
    def region(self) -> str:
        return self.settings.region or "*"

    @property
    def holder(self) -> Holder:
        """The role that the store assumes, or who runs sopsync."""
        return Holder("iam", self.settings.role_arn) if self.settings.role_arn else self._caller

    @property
    def _caller(self) -> Holder:
        return Holder("iam", f"profile {self.settings.profile}" if self.settings.profile else "")

    def grant(
        self, role: Role, what: str, actions: Sequence[str], resources: Iterable[str], *conditions: Condition
    ) -> Grant:
        """`actions` without the service."""
        full = tuple(f"{self.service}:{action}" for action in actions)
        return Grant(self.holder, role, what, full, distinct(resources), conditions)

    def assume(self) -> Iterator[Grant]:
        """For whoever runs sopsync, where the store has a role of its own."""
        if self.settings.role_arn:
            yield Grant(self._caller, Role.SEALED, "AssumeStoreRoles", ("sts:AssumeRole",), (self.settings.role_arn,))

    def arn(self, rest: str, service: str = "") -> str:
        return f"arn:{self._partition}:{service or self.service}:{self.region}:{self._account}:{rest}"

    def keys(self, role: Role, what: str, actions: Sequence[str], key: Glob, within: Sequence[Condition]) -> Grant:
        """A KMS key as the config names it, for this service only."""
        name = wildcards(key)
        if match := _ARN.fullmatch(name):
            arn, alias = (f"{match[1]}key/*", match[2]) if match[2] else (name, "")
        else:
            alias = name if name.startswith("alias/") else ""
            arn = self.arn("key/*" if alias else f"key/{name}", "kms")
        # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html: an alias is no resource
        called = [Condition("ForAnyValue:StringLike", "kms:ResourceAliases", (alias,))] if alias else []
        full = tuple(f"kms:{action}" for action in actions)
        return Grant(self.holder, role, what, full, (arn,), (self._via, *called, *within))

    @property
    def _via(self) -> Condition:
        """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service"""
        ends = ("amazonaws.com", "amazonaws.com.cn") if self._partition == "aws-cn" else ("amazonaws.com",)
        values = tuple(f"{self.service}.{self.region}.{end}" for end in ends)
        return Condition("StringLike" if self.region == "*" else "StringEquals", "kms:ViaService", values)

    @property
    def _account(self) -> str:
        return self.settings.role_arn.split(":")[4] if self.settings.role_arn else "*"

    @property
    def _partition(self) -> str:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""
        if self.settings.role_arn:
            return self.settings.role_arn.split(":")[1]
        kind = self.settings.region.split("-")[:2]
        return "aws-cn" if kind[:1] == ["cn"] else "aws-us-gov" if kind == ["us", "gov"] else "aws"


def wildcards(glob: Glob) -> str:
    """IAM has one for all: `*` is any run of characters."""
    return spelt(glob, lambda _wild: "*")


def legal(routes: Iterable[Route]) -> list[Route]:
    """Without names that AWS would never take: what they hold may mean something in a policy."""
    return [route for route in routes if _clear(route.name)]


def key_of(route: Route, managed: Collection[str], default: Glob | None = None) -> Glob | None:
    """The KMS key that a target names; None: AWS's own for the service, which asks for no permission."""
    key = dict(route.options).get("kms_key", default)
    return key if key and _clear(key) and key not in {(name,) for name in managed} else None


def _clear(glob: Glob) -> bool:
    return all(_CLEAR.fullmatch(part) for part in glob if isinstance(part, str))
