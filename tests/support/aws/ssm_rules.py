"""What Parameter Store refuses before it does anything: pure functions of the request and of what is there.

Sources, unless a function names another: botocore's ssm model (the text of PutParameter) and
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html#sysman-parameter-name-constraints.
Each raises Refusal with AWS's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.aws import tags
from tests.support.aws.wire import Call, Refusal, constraint

STANDARD, ADVANCED, INTELLIGENT = "Standard", "Advanced", "Intelligent-Tiering"
LIMITS = {STANDARD: 4096, ADVANCED: 8192}
"""Bytes of a value (parameter-store-advanced-parameters.html of the same guide)."""

_PARTS = (
    'Parameter name: can\'t be prefixed with "ssm" (case-insensitive). If formed as a path, it can consist of '
    "sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 "
    "symbols .-_"
)


def name(call: Call, given: str) -> str:
    """The name as it is stored: without spaces around it."""
    given = given.strip()
    if not re.fullmatch(r"/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*", given):
        raise Refusal("ValidationException", _PARTS)
    if "/" in given and not given.startswith("/"):
        raise Refusal("ValidationException", "Parameter name must be a fully qualified name.")
    first, rest = given.lstrip("/").split("/", 1)[0].lower(), given.lstrip("/")
    if first == "aws" and "/" in rest:
        raise Refusal("AccessDeniedException", f"No access to reserved parameter name: {given}.")
    if first.startswith(("aws", "ssm")):
        raise Refusal(
            "ValidationException", 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
        )
    if rest.count("/") >= 15:
        raise Refusal(
            "HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels, the name included."
        )
    # "This count of 1011 characters includes the characters in the ARN that precede the name you specify"
    if len(call.arn(f"parameter/{rest}")) > 1011:
        raise Refusal("ValidationException", constraint("name", "have length less than or equal to 1011", given))
    return given


def value(text: str, tier: str) -> None:
    if not text:
        raise Refusal("ValidationException", constraint("value", "have length greater than or equal to 1"))
    if re.search(r"\{\{.*\}\}", text, re.DOTALL):
        raise Refusal(
            "ValidationException", 'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.'
        )
    if len(text.encode()) > LIMITS[tier]:
        hint = " To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
        raise Refusal(
            "ValidationException",
            f"{tier} tier parameters support a maximum parameter value of {LIMITS[tier]} characters."
            + (hint if tier == STANDARD else ""),
        )


def tier(asked: str | None, now: str | None, text: str, *, kept: bool) -> str:
    """The tier a put ends in. `now`: that of the parameter that is overwritten; `kept`: see Switches.tier_kept.

    Intelligent-Tiering is decided at each request and never comes back
    (https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-default-tier.html)."""
    if asked is None and now == ADVANCED and kept:
        return ADVANCED
    if asked not in (None, STANDARD, ADVANCED, INTELLIGENT):
        enum = "satisfy enum value set: [Advanced, Intelligent-Tiering, Standard]"
        raise Refusal("ValidationException", constraint("tier", enum, asked))
    if asked == INTELLIGENT:
        return ADVANCED if now == ADVANCED or len(text.encode()) > LIMITS[STANDARD] else STANDARD
    if asked != ADVANCED and now == ADVANCED:
        raise Refusal(
            "ValidationException",
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
            "advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced "
            "parameter and recreate it as a standard parameter.",
        )
    return asked or STANDARD


def kind(asked: str | None, now: str | None) -> str:
    """The type a put ends in: needed to create, fixed from then on."""
    if asked is None and now is None:
        raise Refusal("ValidationException", "A parameter type is required when you create a parameter.")
    if asked not in (None, "String", "StringList", "SecureString"):
        enum = "satisfy enum value set: [SecureString, StringList, String]"
        raise Refusal("ValidationException", constraint("type", enum, asked))
    if now is not None and asked not in (None, now):
        raise Refusal(
            "HierarchyTypeMismatchException",
            "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a "
            "parameter from a String type to a SecureString type. You must create a new, unique parameter.",
        )
    return asked or str(now)


def put(body: Mapping[str, Any], now: Any) -> None:
    """What is left of PutParameter. `now`: the newest version (moto's Parameter) or None."""
    if len(body.get("Description") or "") > 1024:
        must = "have length less than or equal to 1024"
        raise Refusal("ValidationException", constraint("description", must, body["Description"]))
    if body.get("Overwrite") and body.get("Tags"):
        raise Refusal(
            "ValidationException",
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
            "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
            "RemoveTagsFromResource.",
        )
    if now is not None and not body.get("Overwrite"):
        raise Refusal(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        )
    pattern = body.get("AllowedPattern") or (now.allowed_pattern if now is not None else None)
    if pattern and not re.search(pattern, body["Value"]):
        raise Refusal(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def tagging(now: Mapping[str, str], more: Sequence[Mapping[str, str]]) -> None:
    if told := tags.fault(more):
        raise Refusal("ValidationException", told)
    if tags.too_many(now, more):
        raise Refusal("TooManyTagsError", "The Targets parameter includes too many tags. The limit is 50.")


def at_most(member: str, names: Sequence[str], most: int) -> None:
    """GetParameters and DeleteParameters take 1 to 10 names."""
    if not 1 <= len(names) <= most:
        must = f"have length less than or equal to {most}" if names else "have length greater than or equal to 1"
        raise Refusal("ValidationException", constraint(member, must, f"[{', '.join(names)}]"))


def page_size(body: Mapping[str, Any], most: int) -> int:
    """MaxResults: the default is what the operation gives at most."""
    size = body.get("MaxResults") or most
    if not 1 <= size <= most:
        raise Refusal(
            "ValidationException", constraint("maxResults", f"have value less than or equal to {most}", str(size))
        )
    return int(size)


def labels(asked: Sequence[str]) -> tuple[list[str], list[str]]:
    """(good, invalid) ones: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html"""
    at_most("labels", asked, 10)
    if any(len(label) > 100 for label in asked):
        must = "satisfy constraint: [Member must have length less than or equal to 100]"
        raise Refusal("ValidationException", constraint("labels", must, f"[{', '.join(asked)}]"))
    bad = [one for one in asked if not re.fullmatch(r"(?!\d)(?i:(?!aws|ssm))[a-zA-Z0-9_.-]+", one)]
    return [one for one in asked if one not in bad], bad
