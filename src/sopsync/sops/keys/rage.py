"""The one place that knows pyrage (age, in Rust): parse identities and recipients, seal, open. No I/O, no environment.

What pyrage 1.4 cannot do: the post-quantum recipients of age 1.3 (`age1pq1…`) and SSH keys in PKCS 8 or with a
passphrase; the callers say so. Its errors may quote what it was given, so only their kind leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NewType

import pyrage

Identity = NewType("Identity", object)
Recipient = NewType("Recipient", object)


class Unparsable(ValueError):
    """Not what it was taken for."""


class NoMatch(Exception):
    """None of the identities is one the file was sealed to."""


class Damaged(Exception):
    """Not an age file, or one that was changed."""


class Callbacks:
    """What a plugin may ask of a person, in the words of pyrage. None is a refusal."""

    def __init__(self, prompt: Callable[[str], str] | None) -> None:
        self._prompt = prompt

    def display_message(self, message: str) -> None:
        """Nowhere to show it: standard output and error belong to the program that uses us."""

    def confirm(self, message: str, yes_string: str, no_string: str | None) -> bool | None:  # noqa: ARG002 - pyrage's
        return None

    def request_public_string(self, description: str) -> str | None:  # noqa: ARG002 - pyrage's signature
        return None

    def request_passphrase(self, description: str) -> str | None:
        return self._prompt(description) if self._prompt else None


def x25519(text: str) -> tuple[Identity, str]:
    """An `AGE-SECRET-KEY-1…` identity and its recipient."""
    try:
        identity = pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise Unparsable from None
    return Identity(identity), str(identity.to_public())


def plugin(text: str, callbacks: Callbacks) -> tuple[Identity, str]:
    """An `AGE-PLUGIN-NAME-1…` identity and the plugin's name. FileNotFoundError: `age-plugin-NAME` is not on PATH."""
    try:
        identity = pyrage.plugin.Identity.from_str(text)
    except pyrage.IdentityError:
        raise Unparsable from None
    name: str = identity.plugin()
    try:
        return Identity(pyrage.plugin.IdentityPluginV1(name, [identity], callbacks)), name
    except Exception:  # noqa: BLE001 - pyrage has no class for it
        raise FileNotFoundError(f"age-plugin-{name}") from None


def ssh(data: bytes) -> Identity:
    """An unlocked SSH private key in OpenSSH's or PKCS 1 form."""
    try:
        return Identity(pyrage.ssh.Identity.from_buffer(data))
    except pyrage.IdentityError:
        raise Unparsable from None


def recipient(text: str) -> Recipient:
    """An `age1…` or `ssh-…` recipient."""
    kind: Any = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return Recipient(kind.from_str(text))
    except pyrage.RecipientError:
        raise Unparsable from None


def seal(plaintext: bytes, recipients: Sequence[Recipient]) -> bytes:
    """A binary age file."""
    sealed: bytes = pyrage.encrypt(plaintext, list(recipients))
    return sealed


def open_(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """What an age file, armored or binary, holds. Raises NoMatch or Damaged."""
    try:
        plaintext: bytes = pyrage.decrypt(sealed, list(identities))
    except pyrage.DecryptError as error:
        if str(error) == "No matching keys found":
            raise NoMatch from None
        raise Damaged from None
    return plaintext


def open_with(sealed: bytes, passphrase: str) -> bytes:
    """What an age file sealed with a passphrase holds. Raises NoMatch: the passphrase is wrong, or the file damaged."""
    try:
        plaintext: bytes = pyrage.passphrase.decrypt(sealed, passphrase)
    except pyrage.DecryptError:
        raise NoMatch from None
    return plaintext
