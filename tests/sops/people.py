"""Alice, whose key opens things, Mallory, whose key does not, and what each age test asks of a keyring."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sopsync.errors import DecryptError, Reason
from sopsync.sops.keyring import Keyring
from tests.sops.agefiles import identity, public, wrap
from tests.sops.files import sealed, wrapped
from tests.support.leaks import assert_clean

DATA_KEY = b"canary-data-key-of-32-bytes-long"
ALICE, ALICE_RECIPIENT = identity()
MALLORY, MALLORY_RECIPIENT = identity()
ED25519 = Ed25519PrivateKey.generate()


@cache
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Files:
    """Files that sops sealed, each for one recipient."""

    x25519: bytes
    ed25519: bytes
    rsa: bytes


def seal_files(folder: Path) -> Files:
    """Seal them in this folder."""
    return Files(*(sealed(folder, "--age", r) for r in (ALICE_RECIPIENT, public(ED25519), public(rsa()))))


def keyring(home: Path, **options: Any) -> Keyring:
    """A keyring that sees nothing but these variables and this home."""
    prompt = options.pop("prompt", None)
    return Keyring.from_environment({"PATH": os.environ["PATH"], **options}, home=home, prompt=prompt)


def for_alice() -> Any:
    """Metadata of a file for Alice alone."""
    return wrapped("age", wrap(DATA_KEY, ALICE_RECIPIENT), recipient=ALICE_RECIPIENT)


def printing(path: Path) -> str:
    """A command line that prints this file."""
    return shlex.join([sys.executable, "-IS", "-c", f"print(open({str(path)!r}).read())"])


def refused(ring: Keyring, wanted: Any) -> str:
    """The report of a file that cannot be opened; it shows no secret."""
    with pytest.raises(DecryptError) as error:
        ring.data_key(wanted)
    assert error.value.reason is Reason.DATA_KEY_UNAVAILABLE
    assert_clean(str(error.value), [ALICE, MALLORY, "canary-"])
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def put(path: Path, data: str | bytes) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path
