"""What key sources share: the surroundings they may look at, how they say no, and how keys are named in messages."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from sopsync.record import record
from sopsync.sops.metadata import MasterKey

CONNECT_SECONDS = 5
ANSWER_SECONDS = 20
"""Time to wait for a remote service: for the connection, then for each answer."""


class CannotOpen(Exception):
    """Why a source cannot unwrap a key: `why` is one item of the "tried:" line, `hint` what to do about it.

    Neither holds key material or the text of an SDK's error, which may quote what it was given."""

    def __init__(self, why: str, *, hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


class Unreachable(CannotOpen):
    """The place of this key will not answer any other question either: nobody there, or no credentials for it."""


class Source(Protocol):
    """Unwraps keys of one type. Safe for several threads."""

    def place(self, key: MasterKey) -> str:
        """What `Unreachable` speaks of: an endpoint with its credentials, or "" where nothing is remote."""
        ...

    def unwrap(self, key: MasterKey) -> bytes:
        """The data key, or the share of it, inside `key.enc`. Raises CannotOpen."""
        ...


@record(hide=("variables",))
class Surroundings:
    """Where keys may be looked for. `home` None: no default paths. `prompt` asks a person for a passphrase."""

    variables: Mapping[str, str]
    home: Path | None = None
    allow_hosts: frozenset[str] = frozenset()
    prompt: Callable[[str], str] | None = None

    def get(self, name: str) -> str:
        """A variable; "" if it is not set."""
        return self.variables.get(name, "")

    def asks(self) -> Callable[[str], str] | None:
        """The prompt, if there is one and somebody to answer it."""
        return self.prompt if self.prompt and sys.stdin is not None and sys.stdin.isatty() else None

    def shown(self, path: Path) -> str:
        """A path as people write it: below the home directory from `~`."""
        if self.home and path.is_relative_to(self.home):
            return f"~/{path.relative_to(self.home).as_posix()}"
        return str(path)


def clean(text: str, limit: int = 200) -> str:
    """Text of a file as a message may show it: one line, printable, not endless."""
    line = "".join(c if c.isprintable() else "?" for c in text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def short(key: MasterKey) -> str:
    """A key as messages name it: long recipients cut in the middle, everything a person must copy whole."""
    match key.type:
        case "age":
            return short_recipient(key.label) or "(unnamed)"
        case "pgp":
            return f"PGP {clean(key.label)}"
        case "hckms":
            return f"Huawei KMS {clean(key.label)}"
        case _:
            return clean(key.label) or "(unnamed)"


def short_recipient(recipient: str) -> str:
    """`age1ql3…p5` for an age recipient, `ssh-ed25519 …qN4w` for an SSH one."""
    if recipient.startswith("ssh-"):
        kind, _, rest = recipient.partition(" ")
        return clean(f"{kind} …{rest.split(' ')[0][-8:]}")
    return clean(f"{recipient[:7]}…{recipient[-2:]}" if len(recipient) > 12 else recipient)


def decoded(text: str, what: str, *, urlsafe: bool = False) -> bytes:
    """Strict base64; `urlsafe` is the URL alphabet without padding, as Azure's wrappings are written. Line ends are
    skipped, as Go does."""
    text = text.replace("\r", "").replace("\n", "")
    try:
        alphabet = b"-_" if urlsafe else None
        return base64.b64decode(text + "=" * (-len(text) % 4 if urlsafe else 0), alphabet, validate=True)
    except (binascii.Error, ValueError):
        raise CannotOpen(f"{what}: the wrapped key is not base64") from None


def missing_extra(what: str, extra: str) -> CannotOpen:
    """The error for an SDK that is not installed."""
    return CannotOpen(f"{what}: its client library is not installed", hint=f'pip install "sopsync[{extra}]"')


def quieten(*names: str) -> None:
    """Pin SDK loggers to WARNING: at DEBUG some log whole answers, and an answer here holds a data key."""
    import logging  # for those only who use an SDK

    for name in names:
        below = [other for other in logging.root.manager.loggerDict if other.startswith(f"{name}.")]
        for logger in map(logging.getLogger, below):
            if logger.level:
                logger.setLevel(max(logger.level, logging.WARNING))
        logging.getLogger(name).setLevel(max(logging.getLogger(name).level, logging.WARNING))
