"""What Secrets Manager refuses before it does anything: pure functions of the request and of the secret.

Sources, unless a function names another: botocore's secretsmanager model (the operation's text, and the `min`, `max`
and `pattern` of its shapes) and https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.aws import tags
from tests.support.aws.wire import Refusal, constraint

SIZE = 65_536
LABELS = 20
VERSIONS = 100

_FILTERS = ["all", "description", "name", "owning-service", "primary-region", "tag-key", "tag-value"]


def name(given: str) -> None:
    if not 1 <= len(given) <= 512:
        raise _bad("Invalid name. Must be a valid name with a length of 1 to 512 characters.")
    if not re.fullmatch(r"[a-zA-Z0-9/_+=.@-]+", given):
        raise _bad(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
        )


def value(body: Mapping[str, Any], *, needed: bool = False) -> tuple[str | None, str | None]:
    """(SecretString, SecretBinary): one of them, or none if no value is needed. 1 to 65,536 bytes."""
    text, blob = body.get("SecretString"), body.get("SecretBinary")
    if text is not None and blob is not None:
        raise _bad("You can't specify both a binary secret value and a string secret value in the same secret.")
    if needed and text is None and blob is None:
        raise Refusal("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    for member, size in (
        ("secretString", None if text is None else len(text.encode())),
        ("secretBinary", None if blob is None else len(base64.b64decode(blob))),
    ):
        if size is not None and not 1 <= size <= SIZE:
            must = f"have length less than or equal to {SIZE}" if size else "have length greater than or equal to 1"
            raise Refusal("ValidationException", constraint(member, must))
    return text, blob


def description(text: str | None) -> None:
    if len(text or "") > 2048:
        raise Refusal("ValidationException", constraint("description", "have length less than or equal to 2048"))


def token(given: str | None) -> None:
    if given is not None and not 32 <= len(given) <= 64:
        raise _bad("ClientRequestToken must be 32-64 characters long.")


def tagging(now: Mapping[str, str], more: Sequence[Mapping[str, str]]) -> None:
    if told := tags.fault(more):
        raise _bad(told)
    if tags.too_many(now, more):
        raise _bad("The number of tags must not exceed 50.")


def labels(given: Sequence[str]) -> None:
    """VersionStages: 1 to 20 labels of 1 to 256 characters."""
    if not 1 <= len(given) <= LABELS or not all(1 <= len(label) <= 256 for label in given):
        raise Refusal("ValidationException", constraint("versionStages", "have 1 to 20 members of 1 to 256 characters"))


def label_count(stages: Mapping[str, Sequence[str]]) -> None:
    """ "Staging labels attached to a secret, across all versions: 20" """
    if len({label for each in stages.values() for label in each}) > LABELS:
        raise Refusal("LimitExceededException", f"You can't have more than {LABELS} staging labels for a secret.")


def alive(secret: Any, *, change: bool = True) -> None:
    """Not scheduled for deletion, and for a change not in the hands of another service or of another region."""
    if secret.is_deleted():
        raise Refusal(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    if change:
        own(secret)


def own(secret: Any) -> None:
    """https://docs.aws.amazon.com/secretsmanager/latest/userguide/service-linked-secrets.html; replicas: read-only."""
    if secret.owning_service:
        raise Refusal(
            "InvalidRequestException",
            "The secret is managed by another service, and you must use that service to update it.",
        )
    if hasattr(secret, "source"):
        raise _bad("Operation not permitted on a replica secret. Call must be made in primary secret's region.")


def page_size(body: Mapping[str, Any]) -> int:
    size = body.get("MaxResults") or 100
    if not 1 <= size <= 100:
        raise Refusal(
            "ValidationException", constraint("maxResults", "have value less than or equal to 100", str(size))
        )
    return int(size)


def filters(given: Sequence[Mapping[str, Any]]) -> None:
    """At most 10 filters of 1 to 10 values."""
    if len(given) > 10:
        raise Refusal("ValidationException", constraint("filters", "have length less than or equal to 10"))
    for number, each in enumerate(given, 1):
        values = each.get("Values") or []
        if each.get("Key") not in _FILTERS:
            must = f"satisfy enum value set: [{', '.join(_FILTERS)}]"
            raise Refusal("ValidationException", constraint(f"filters.{number}.member.key", must, str(each.get("Key"))))
        if not 1 <= len(values) <= 10:
            must = "have 1 to 10 members"
            raise Refusal("ValidationException", constraint(f"filters.{number}.member.values", must))
        if not all(re.fullmatch(r"!?[a-zA-Z0-9 :_@/+=.!-]*", one) and len(one) <= 512 for one in values):
            must = r"satisfy regular expression pattern: ^\!?[a-zA-Z0-9 :_@\/\+\=\.\-\!]*$"
            raise Refusal("ValidationException", constraint(f"filters.{number}.member.values", must))


def window(body: Mapping[str, Any]) -> int:
    """Days until a deletion is final; 0 for at once."""
    days, force = body.get("RecoveryWindowInDays"), bool(body.get("ForceDeleteWithoutRecovery"))
    if days is not None and force:
        raise _bad("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
    if days is not None and not 7 <= days <= 30:
        raise _bad("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
    return 0 if force else days or 30


def _bad(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)
