"""SSH private keys in the forms ssh-keygen and OpenSSL write, brought to the one form pyrage takes. Only in memory."""

from __future__ import annotations

import base64
import hashlib
import re

_MAGIC = b"openssh-key-v1\0"


class Protected(Exception):
    """A passphrase is needed."""


class WrongPassphrase(Exception):
    """The passphrase does not open it."""


class NeedsBcrypt(Exception):
    """OpenSSH's own encryption needs a package that is not installed."""


def unlocked(data: bytes, passphrase: str | None = None) -> bytes:
    """The key in OpenSSH's unencrypted form. Raises Protected, WrongPassphrase, NeedsBcrypt, or ValueError for anything
    that is not an ed25519 or RSA private key."""
    from cryptography.exceptions import UnsupportedAlgorithm  # a tenth of our start, and few have SSH keys
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    secret = None if passphrase is None else passphrase.encode("utf-8", "surrogateescape")
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(data, secret)
    except TypeError:
        # cryptography's way to say that a passphrase is missing, or given where none is needed
        if passphrase is None:
            raise Protected from None
        raise ValueError("no passphrase is needed") from None
    except UnsupportedAlgorithm:
        if passphrase is None:
            raise ValueError("unknown kind of key") from None
        raise NeedsBcrypt from None
    except ValueError:
        if passphrase is None:
            raise
        raise WrongPassphrase from None
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise ValueError("neither ed25519 nor RSA")  # noqa: TRY004 - no caller passed a wrong type
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def tag(data: bytes) -> str:
    """How an age header names this key (age's `ssh-ed25519` and `ssh-rsa` stanzas): the first four bytes of SHA-256 of
    the public key, in base64 without padding. "" where the file does not show its public key while it is locked.

    Form of the file: OpenSSH's PROTOCOL.key (magic, cipher, kdf, kdf options, count, public key)."""
    body = re.search(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", data, re.DOTALL)
    try:
        rest = base64.b64decode(body[1]) if body else b""
        if not rest.startswith(_MAGIC):
            return ""
        rest = rest[len(_MAGIC) :]
        for _ in range(3):
            rest = rest[4 + int.from_bytes(rest[:4]) :]
        size = int.from_bytes(rest[4:8])
        public = rest[8 : 8 + size]
    except ValueError:
        return ""
    return base64.b64encode(hashlib.sha256(public).digest()[:4]).decode().rstrip("=") if public else ""
