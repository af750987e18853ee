"""The error tree: every failure sopsync can name, by what its reader should do about it.

    SopsyncError
    ├─ ConfigError      edit       a file in git says something that cannot be done
    ├─ SourceError      fetch      git cannot give what was asked for
    ├─ DecryptError     stop       a SOPS file cannot be opened, or not be trusted
    ├─ Refused          look       a safety rule stands in the way
    ├─ StalePlan        plan again a saved plan no longer describes what is there
    └─ StoreError       (store, name)
       ├─ Denied        fix access
       ├─ Rejected      change the value
       ├─ Conflict      plan again
       └─ Unavailable   retry

No message ever holds a value: parser and SDK errors quote their input, so where plaintext is near they are replaced
(`raise … from None`) and only the class of the cause is named.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_COMMAND = re.compile(r"^(?=\s*::)|##(?=\w*\[)")
"""What CI runners obey in a log: `::name::` at the start of a line (GitHub), `##[`, `##vso[` and the like anywhere."""


def printable(text: str) -> str:
    """Text from git or a store with everything that could steer a terminal or a CI runner, or begin a line, made
    visible."""
    shown = "".join(c if c.isprintable() else encoded(c).hex(" ").join("<>") for c in text)
    return _COMMAND.sub(lambda found: "<23>#" if found[0] else "<>", shown)


def encoded(text: str) -> bytes:
    """Any text as bytes: git's stray ones as they were, half a surrogate pair (broken JSON may hold one) as it is."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input. `where` is `path`, `path:line` or empty; `hint` is what to do next."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        if not self.hint:
            return head
        # a report of several lines has its hint on one of its own
        return f"{head}\n  hint: {self.hint}" if "\n" in head else f"{head}; hint: {self.hint}"


class SopsyncError(Exception):
    """Base of all errors. `problems` holds at least one; `str()` is one line a problem."""

    def __init__(self, what: str, *, hint: str = "", where: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(where, what, hint),)
        super().__init__(what)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> SopsyncError:
        """One error that reports many problems (at least one)."""
        first = problems[0]
        error = cls(first.what, hint=first.hint, where=first.where)
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class ConfigError(SopsyncError):
    """Edit a file: config or manifest."""


class SourceError(SopsyncError):
    """Fetch: the repository is not there, is shallow, or lacks the commit."""


class Reason(StrEnum):
    """Why a SOPS file could not be opened. The first block is what sops itself tells apart."""

    PARSE = "parse_error"
    NO_METADATA = "no_metadata"
    NO_KEYS = "no_keys"
    CONFLICTING_RULES = "conflicting_rules"
    BAD_VERSION = "bad_version"
    BAD_PLAINTEXT_OR_TIME = "bad_plaintext_or_time"
    BAD_VALUE_FORMAT = "bad_value_format"
    BAD_BASE64 = "bad_base64"
    UNKNOWN_TYPE = "unknown_type"
    VALUE_AUTH_FAILED = "value_auth_failed"
    MAC_MISSING = "mac_missing"
    MAC_MISMATCH = "mac_mismatch"
    MAC_UNDECRYPTABLE = "mac_undecryptable"
    DATA_KEY_UNAVAILABLE = "data_key_unavailable"
    SHAMIR = "shamir_error"
    # ours: stricter than sops on purpose
    BAD_SELECTOR = "bad_selector"
    TOO_LARGE = "too_large"
    UNREPRESENTABLE = "unrepresentable"


class DecryptError(SopsyncError):
    """Stop: the file cannot be opened, or is not what its author sealed."""

    def __init__(self, what: str, *, reason: Reason, hint: str = "", where: str = "") -> None:
        super().__init__(what, hint=hint, where=where)
        self.reason = reason


class Refused(SopsyncError):
    """Look: a safety rule stands in the way; nothing was written."""


class StalePlan(SopsyncError):
    """Plan again: a saved plan does not fit this commit, config or version of sopsync."""


class StoreError(SopsyncError):
    """A store said no, or nothing. `store` is its name in the config, `name` the entry ("": the store as a whole)."""

    def __init__(self, what: str, *, store: str, name: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint, where=f"{store}:{name}" if name else store)
        self.store = store
        self.name = name


class Denied(StoreError):
    """Fix access: credentials are missing, expired, or lack a permission."""


class Rejected(StoreError):
    """Change the value or the configuration: the store will never take this."""


class Conflict(StoreError):
    """Plan again: what is live is not what was expected; nothing was changed."""


class Unavailable(StoreError):
    """Retry: no answer, or an answer that may differ next time. Whether a write took place is unknown."""


def unforeseen(error: Exception, store: str) -> Unavailable:
    """A fault of ours or of a library, where one store must not take the others along. Its text may quote anything."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return Unavailable(f"{type(error).__name__}{place}: a fault in sopsync", store=store, hint="please report it")
