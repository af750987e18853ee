"""Who calls: access keys that carry their account, so that a test gets an AWS account of its own without any call.

An access key here is `AKIA` or `ASIA`, the twelve digits of the account, and four characters that tell the user. moto
looks the account of a key up in its own IAM; the server tells it by the header `x-moto-account-id` instead (moto 5.2.5,
core/responses.py, get_current_account).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from tests.support.aws.wire import ACCOUNT, Caller, Json, Refusal

US = "SYNC"
"""The key of sopsync itself: `user/sopsync`, an administrator."""

THEM = "SOME"
"""The key of whoever else writes to the account: `user/somebody`, an administrator."""

_KEY = re.compile(r"A[KS]IA(\d{12})[A-Z0-9]{4}")
_NAMES = {US: "sopsync", THEM: "somebody"}


class Callers:
    """The access keys of one server. Strict: a key that was not handed out is refused, as AWS does."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._known: dict[str, Caller] = {}
        self._tokens: dict[str, str] = {}
        self._roles: dict[str, tuple[Json, ...] | None] = {}

    def add_user(self, name: str, account: str, statements: tuple[Json, ...]) -> str:
        """A new access key of this user."""
        return self._add("AKIA", Caller(f"arn:aws:iam::{account}:user/{name}", account, statements))

    def add_role(self, name: str, account: str, statements: tuple[Json, ...]) -> str:
        """A role that whoever may call sts:AssumeRole on it may take; its ARN."""
        arn = f"arn:aws:iam::{account}:role/{name}"
        self._roles[arn] = statements
        return arn

    def assume(self, role: str, session: str) -> tuple[str, str, str]:
        """(access key, session token, ARN of the session) for this role."""
        account, name = role.split(":")[4], role.rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        key = self._add("ASIA", Caller(arn, account, self._roles.get(role)))
        self._tokens[key] = secrets.token_hex(32)
        return key, self._tokens[key], arn

    def knows_role(self, role: str) -> bool:
        return role in self._roles or not self._strict

    def who(self, key: str, token: str = "") -> Caller:
        """The caller with this key. Refusal: UnrecognizedClientException, as AWS's JSON services say it."""
        if key in self._known and (key not in self._tokens or self._tokens[key] == token):
            return self._known[key]
        match = _KEY.fullmatch(key)
        name = _NAMES.get(key[-4:], "")
        if self._strict and not (match and name and key.startswith("AKIA")):
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        account = match[1] if match else ACCOUNT
        return Caller(f"arn:aws:iam::{account}:user/{name or 'unknown'}", account)

    def _add(self, kind: str, caller: Caller) -> str:
        key = f"{kind}{caller.account}{len(self._known):04d}"
        self._known[key] = caller
        return key


def access_key(account: str, who: str) -> str:
    return f"AKIA{account}{who}"


def statements(policy: Json | Iterable[Json]) -> tuple[Json, ...]:
    """The statements of a policy document, of one statement, or of a list of either."""
    if not isinstance(policy, dict):
        return tuple(one for each in policy for one in statements(each))
    inside = policy.get("Statement", policy)
    return tuple(inside) if isinstance(inside, list) else (inside,)
