"""SOPS files made by the real binary, and just enough reading of them to judge a data key."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sopsync.sops.metadata import MasterKey, Metadata
from tests.support import leaks
from tests.support.servers import tool

SECRET = "canary-value"
_TYPES = ("kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp", "age")
_CIPHER = re.compile(r"ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:str\]")


def sealed(folder: Path, *keys: str, config: str = "", variables: Mapping[str, str] | None = None) -> bytes:
    """A YAML file `a: <SECRET>` sealed by sops, for the keys that its arguments name, or by a `.sops.yaml`."""
    (folder / "plain.yaml").write_text(f"a: {SECRET}\n")
    command = [tool("sops"), "encrypt", *keys, "plain.yaml"]
    if config:
        (folder / ".sops.yaml").write_text(config)
        command[1:1] = ["--config", ".sops.yaml"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **(variables or {})}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=60, check=False)
    (folder / "plain.yaml").unlink()
    leaks.watch("standard error of sops", done.stderr)
    assert not done.returncode, done.stderr.decode()
    return done.stdout


def metadata(data: bytes) -> Metadata:
    """The metadata of a YAML or JSON file, read without any of the code under test."""
    # strings only, as MasterKey holds them: YAML would make a time of `created_at`. Document 1 is the one that counts
    loaded = json.loads(data) if data.startswith(b"{") else next(yaml.load_all(data, yaml.CBaseLoader))
    block: dict[str, Any] = loaded["sops"]
    flat = _group(block)
    groups = [flat] if flat else [_group(group) for group in block.get("key_groups") or ()]
    return Metadata(
        groups=tuple(groups),
        lastmodified=block.get("lastmodified", ""),
        mac=block.get("mac", ""),
        threshold=int(float(block.get("shamir_threshold", 0))),
    )


def _group(block: Mapping[str, Any]) -> tuple[MasterKey, ...]:
    return tuple(_key(kind, entry) for kind in _TYPES for entry in block.get(kind) or ())


def _key(kind: str, entry: Mapping[str, Any]) -> MasterKey:
    fields = {name: value for name, value in entry.items() if isinstance(value, str) and name != "enc"}
    return MasterKey(kind, entry["enc"], fields, entry.get("context") or {})


def wrapped(kind: str, enc: str, **fields: str) -> Metadata:
    """Metadata of one master key."""
    return group(MasterKey(kind, enc, fields))


def group(*keys: MasterKey) -> Metadata:
    """Metadata of one group."""
    return Metadata((keys,), lastmodified="2026-01-01T00:00:00Z", mac="")


def opens(key: bytes, data: bytes) -> bool:
    """Whether this data key opens the file: its MAC decrypts."""
    block = metadata(data)
    match = _CIPHER.fullmatch(block.mac)
    assert match
    cipher, iv, tag = (base64.b64decode(part) for part in match.groups())
    try:
        AESGCM(key).decrypt(iv, cipher + tag, block.lastmodified.encode())
    except InvalidTag:
        return False
    return True


def run(command: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> bytes:
    """Standard output of a helper program that must succeed."""
    done = subprocess.run(command, input=stdin, env=env, capture_output=True, timeout=60, check=False)
    leaks.watch(f"output of {command[0]}", done.stdout + done.stderr)
    assert not done.returncode, done.stderr.decode()
    return done.stdout


@contextmanager
def turned_up(logger: str) -> Iterator[None]:
    """Somebody debugs this SDK, which logs whole answers then; when a data key was asked for, it is quiet again."""
    noisy = logging.getLogger(logger)
    before = noisy.level
    noisy.setLevel(logging.DEBUG)
    try:
        yield
        assert not noisy.isEnabledFor(logging.INFO)
    finally:
        noisy.setLevel(before)
