"""What travels: one call as the server saw it, a refusal as AWS words it, and the switches a test can set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ACCOUNT = "123456789012"
REGION = "eu-west-1"


class Refusal(Exception):
    """AWS's no. `code` is what botocore shows as `Error.Code`; the message never quotes a value that is a secret."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose access key signed a call. `statements`: what IAM allows or denies it; none means it may do everything."""

    arn: str
    account: str
    statements: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the JSON protocol (or of STS's query protocol, as the same shape), by whom and where."""

    service: str
    operation: str
    region: str
    caller: Caller
    body: Mapping[str, Any]

    @property
    def account(self) -> str:
        return self.caller.account

    def arn(self, rest: str, service: str = "") -> str:
        """`arn:aws:SERVICE:REGION:ACCOUNT:rest`."""
        return f"arn:aws:{service or self.service}:{self.region}:{self.account}:{rest}"


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that a test wants instead of the right one. `happens`: the call takes effect, its answer is lost."""

    code: str
    message: str = ""
    status: int = 400
    happens: bool = False


TOO_MANY_UPDATES = Fault("TooManyUpdates", "There are concurrent updates for a resource that supports one at a time.")
"""https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html#API_PutParameter_Errors"""

ANSWER_LOST = Fault("InternalServerError", "An error occurred on the server side.", status=500, happens=True)
"""The write happened; its answer did not arrive. What a crash window or a broken connection looks like to a client."""


@dataclass
class Switches:
    """What a test can turn; every one is off, or as AWS documents it, at first.

    calls: (service, operation) of each call that reached the server, refused ones too, in order.
    throttle: operation -> how many of its next calls are answered ThrottlingException, without effect.
    faults: operation -> answers for its next calls, used up one by one.
    before: operation -> what happens just before its next calls, one each: another writer, between two calls of ours.
    short_pages: lists come in short pages, some of them empty, as AWS says they may
        (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html, "best-effort").
    description_kept: PutParameter that overwrites and gives no Description keeps the old one (not documented).
    tier_kept: PutParameter that overwrites an advanced parameter and gives no Tier leaves it advanced (not documented);
        off: it counts as Standard, and is refused as a downgrade.
    """

    calls: list[tuple[str, str]] = field(default_factory=list)
    throttle: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    before: dict[str, list[Callable[[], object]]] = field(default_factory=dict)
    short_pages: bool = False
    description_kept: bool = True
    tier_kept: bool = True
    lagging: Any = None  # lag.Snapshot, while the lag is on


def constraint(member: str, must: str, value: str | None = None) -> str:
    """AWS's words for an input out of bounds; `value` only where the model does not call it sensitive."""
    shown = f"Value '{value}' at" if value is not None else "Value at"
    return f"1 validation error detected: {shown} '{member}' failed to satisfy constraint: Member must {must}"
