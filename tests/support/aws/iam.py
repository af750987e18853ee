"""May this caller do that: AWS's identity-based policies. moto 5.2.5 looks at the action alone, so this is ours.

The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: a deny wins, then an allow,
and without one the answer is no. A part of a policy that is not understood here fails where the user is made: a check
skipped in silence would make any policy look good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tests.support.aws.wire import Caller, Json, Refusal

_PARTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
_OPERATORS = {"StringEquals", "StringLike", "StringNotEquals"}
_OPERATORS |= {"ForAnyValue:StringEquals", "ForAnyValue:StringLike", "ForAllValues:StringEquals"}
_KEYS = (
    "aws:ResourceTag/",
    "aws:RequestTag/",
    "aws:TagKeys",
    "kms:ViaService",
    "kms:EncryptionContext:",
    "kms:ResourceAliases",
)


def check(statements: Iterable[Json]) -> None:
    """Fail on what this file cannot judge."""
    for statement in statements:
        assert statement.keys() <= _PARTS, f"not understood in a policy: {statement.keys() - _PARTS}"
        assert statement["Effect"] in ("Allow", "Deny")
        for operator, wanted in statement.get("Condition", {}).items():
            assert operator in _OPERATORS, f"condition operator not understood: {operator}"
            for key in wanted:
                assert key.startswith(_KEYS), f"condition key not understood: {key}"


def verdict(
    caller: Caller, action: str, resource: str, context: Mapping[str, str | list[str]] | None = None
) -> str | None:
    """None if the caller may; otherwise why not, in AWS's words (the end of its message)."""
    if caller.statements is None:
        return None
    applies = [s["Effect"] for s in caller.statements if _applies(s, action, resource, context or {})]
    if "Deny" in applies:
        return "with an explicit deny in an identity-based policy"
    return None if applies else f"because no identity-based policy allows the {action} action"


def message(caller: Caller, action: str, shown: str | None, why: str) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html; an action that cannot be
    limited to a resource names none in some services."""
    on = f" on resource: {shown}" if shown else ""
    return f"User: {caller.arn} is not authorized to perform: {action}{on} {why}"


def demand(
    caller: Caller,
    action: str,
    resource: str,
    *,
    shown: str | None = None,
    context: Mapping[str, str | list[str]] | None = None,
) -> None:
    """Refusal AccessDeniedException unless the caller may. `shown`: the resource as the message names it."""
    if why := verdict(caller, action, resource, context):
        raise Refusal("AccessDeniedException", message(caller, action, shown, why))


def _applies(statement: Json, action: str, resource: str, context: Mapping[str, str | list[str]]) -> bool:
    return (
        any(_like(one.lower(), action.lower()) for one in _listed(statement["Action"]))
        and any(_like(one, resource) for one in _listed(statement["Resource"]))
        and all(
            _holds(operator, context.get(key), _listed(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, found: str | list[str] | None, wanted: list[str]) -> bool:
    """A key that the request lacks fails every operator but the negated ones and ForAllValues
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html)."""
    if found is None:
        return operator in ("StringNotEquals", "ForAllValues:StringEquals")
    values = found if isinstance(found, list) else [found]
    if operator.endswith("StringLike"):
        return any(_like(one, value) for one in wanted for value in values)
    if operator == "StringNotEquals":
        return not set(values) & set(wanted)
    if operator == "ForAllValues:StringEquals":
        return set(values) <= set(wanted)
    return bool(set(values) & set(wanted))


def _listed(one: Any) -> list[str]:
    return [one] if isinstance(one, str) else list(one)


def _like(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` is any run of characters, slashes and colons too, `?` any one."""
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
