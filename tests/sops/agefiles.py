"""age files and keys that no library at hand writes: a cheap passphrase file, SSH keys, a plugin made of Python."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from pathlib import Path
from textwrap import dedent

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support.tools import python_head

PASSPHRASE = "canary-passphrase"

# "canary!!" in Bech32, with the prefixes that name a plugin
PLUGIN_IDENTITY = "AGE-PLUGIN-CANARY-1VDSKUCTJ0YSJZFVXEEK"
PLUGIN_RECIPIENT = "age1canary1vdskuctj0ysjz94tnzv"


def identity() -> tuple[str, str]:
    """A new X25519 identity: (secret, recipient)."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def wrap(plaintext: bytes, recipient: str) -> str:
    """An armored age file for one recipient, as sops wraps a data key."""
    kind = pyrage.ssh.Recipient if recipient.startswith("ssh-") else pyrage.x25519.Recipient
    return str(pyrage.encrypt(plaintext, [kind.from_str(recipient)], armored=True).decode())


def private(key: Ed25519PrivateKey | RSAPrivateKey, form: str = "OpenSSH", passphrase: str = "") -> bytes:
    """A private key file; `form` is one of OpenSSH, PKCS8, TraditionalOpenSSL."""
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase.encode())
        if form == "OpenSSH":
            # one round: the default of 16 takes a second here
            how = serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), how)


def public(key: Ed25519PrivateKey | RSAPrivateKey) -> str:
    """The recipient of an SSH key."""
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


def locked(plaintext: bytes, passphrase: str, *, armored: bool = False) -> bytes:
    """An age file behind a passphrase, with a work factor of 2: pyrage's own takes a second to make and to open.

    Form: age-encryption.org/v1, "The scrypt recipient type" and "Payload"."""
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapping = hashlib.scrypt(passphrase.encode(), salt=b"age-encryption.org/v1/scrypt" + salt, n=2, r=8, p=1, dklen=32)
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = b"age-encryption.org/v1\n-> scrypt " + _bare(salt) + b" 1\n" + _bare(body) + b"\n---"
    mac = hmac.new(_derived(file_key, b"", b"header"), header, "sha256").digest()
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(bytes(11) + b"\x01", plaintext, None)
    sealed = header + b" " + _bare(mac) + b"\n" + nonce + payload
    if not armored:
        return sealed
    text = base64.b64encode(sealed)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----", b""])


def _bare(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def plugin(folder: Path) -> None:
    """A program `age-plugin-canary` that wraps a file key by doing nothing to it.

    Protocol: C2SP age-plugin, state machines recipient-v1 and identity-v1."""
    program = folder / "age-plugin-canary"
    program.write_text(
        python_head()
        + dedent(
            r"""
            import base64, sys
            def bare(data): return base64.b64encode(data).decode().rstrip("=")
            def read():
                head = sys.stdin.readline().split()[1:]
                body = ""
                while True:
                    line = sys.stdin.readline().strip()
                    body += line
                    if len(line) < 64:
                        return head, base64.b64decode(body + "=" * (-len(body) % 4))
            def write(*head, body=b""):
                text = bare(body)
                lines = [text[i:i + 64] for i in range(0, len(text) + 1, 64)]
                sys.stdout.write("-> " + " ".join(head) + "\n" + "\n".join(lines) + "\n")
                sys.stdout.flush()
            seen = []
            while True:
                head, body = read()
                if head[0] == "done":
                    break
                seen.append((head, body))
            for head, body in seen:
                if head[0] == "wrap-file-key":
                    write("recipient-stanza", "0", "canary-stanza", body=body)
                    read()
                if head[0] == "recipient-stanza" and head[2] == "canary-stanza":
                    write("file-key", head[1], body=body)
                    read()
            write("done")
            """
        )
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
