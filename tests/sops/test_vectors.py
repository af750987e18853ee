"""Every recorded file gives what sops gave: the same JSON to the byte, the same bytes, or the same reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sopsync.errors import DecryptError, Reason
from sopsync.sops import Keyring, decrypt, format_of, parse
from sopsync.sops.document import DataKeys
from sopsync.sops.tree import Scalar, leaves
from tests.sops.offline import Offline
from tests.sops.vectors import KEYS, Case, cases
from tests.support.leaks import assert_clean
from tests.support.tools import need

CASES = cases()


@pytest.fixture(scope="module")
def gpg_homes() -> Iterator[dict[str, Path]]:
    """A gpg home for each recorded PGP key, made when first asked for. Short paths: an agent's socket must fit."""
    homes: dict[str, Path] = {}
    yield homes
    for home in homes.values():
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


def ring(case: Case, gpg_homes: dict[str, Path]) -> DataKeys:
    """The keys the case may use, and no others."""
    variables = {"PATH": os.environ["PATH"], "SOPS_AGE_KEY": case.age_identities(), "GNUPGHOME": os.devnull}
    for name in case.keys:
        if name.startswith("ssh_"):
            variables["SOPS_AGE_SSH_PRIVATE_KEY_FILE"] = str(KEYS / name)
        if name.startswith("pgp-"):
            variables["GNUPGHOME"] = str(gpg_home(name, gpg_homes))
    if case.keys & {"vault", "aws"}:
        return Offline(case.age_identities())
    return Keyring.from_environment(variables, home=KEYS / "nobody")


def gpg_home(name: str, homes: dict[str, Path]) -> Path:
    program = need("gpg")
    if name not in homes:
        homes[name] = Path(tempfile.mkdtemp(prefix="gpg-"))
        command = [program, "--homedir", str(homes[name]), "--batch", "--quiet", "--import"]
        command.append(str(KEYS / f"{name}.sec.asc"))
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return homes[name]


def test_all_are_here() -> None:
    assert len(CASES) == 209


@pytest.mark.parametrize("case", [c for c in CASES if c.ok and not c.ignores_mac], ids=lambda c: c.name)
def test_reads_as_sops_does(case: Case, gpg_homes: dict[str, Path]) -> None:
    opened = decrypt(case.data, format=case.format, keyring=ring(case, gpg_homes), where=case.name)
    if case.expected_json is not None:
        assert pairs(opened.to_json()) == pairs(case.expected_json)
        assert opened.to_json() == case.expected_json
    elif case.format == "binary":
        assert opened.data == case.expected_native
    else:  # sops cannot print Inf and NaN as JSON, nor do we
        with pytest.raises(DecryptError) as error:
            opened.to_json()
        assert error.value.reason is Reason.UNREPRESENTABLE


@pytest.mark.parametrize("case", [c for c in CASES if not c.ok], ids=lambda c: c.name)
def test_refuses_as_sops_does(case: Case, gpg_homes: dict[str, Path]) -> None:
    with pytest.raises(DecryptError) as error:
        decrypt(case.data, format=case.format, keyring=ring(case, gpg_homes), where="services/api.yaml")
    told = str(error.value)
    assert case.error_class in {error.value.reason, "sops_crashes"}, told
    assert told.startswith("services/api.yaml") or case.error_class in {"data_key_unavailable", "shamir_error"}
    assert "AES256_GCM" not in told
    assert_clean(told)


@pytest.mark.parametrize("case", [c for c in CASES if c.ignores_mac], ids=lambda c: c.name)
def test_has_no_switch_that_ignores_the_mac(case: Case, gpg_homes: dict[str, Path]) -> None:
    """These were recorded with --ignore-mac. sopsync has no such switch, so it refuses them, and says MAC or value."""
    with pytest.raises(DecryptError) as error:
        decrypt(case.data, format=case.format, keyring=ring(case, gpg_homes))
    assert error.value.reason in {Reason.MAC_MISSING, Reason.MAC_MISMATCH, Reason.VALUE_AUTH_FAILED}


@pytest.mark.parametrize("case", [c for c in CASES if c.ok and not c.ignores_mac], ids=lambda c: c.name)
def test_sealed_tree_has_the_shape_of_the_opened_one(case: Case, gpg_homes: dict[str, Path]) -> None:
    """Without keys: the same paths at the same lines, the same clear values, and a ciphertext for every other one."""
    sealed = parse(case.data, format=case.format)
    opened = decrypt(case.data, format=case.format, keyring=ring(case, gpg_homes))
    pairs_ = list(zip(leaves(sealed.root), leaves(opened.root), strict=True))
    assert sealed.documents == len(opened.documents)
    for (path, before, line), (same_path, after, same_line) in pairs_:
        assert (path, line) == (same_path, same_line)
        if isinstance(before, Scalar) and before.cipher:
            assert before.value is None
            assert before.cipher.encode() in case.data or case.format != "yaml"
        else:
            assert repr(before) == repr(after)


def test_formats_are_told_by_suffix_as_sops_does() -> None:
    names = ("a.yaml", "b.yml", "c.json", "d.env", "e.ini", "f.txt", "g", ".env", "yaml", "x.YAML", "y.env.bak")
    assert [format_of(name) for name in names] == [
        *("yaml", "yaml", "json", "dotenv", "ini", "binary", "binary", "dotenv", "binary", "binary", "binary")
    ]


def pairs(text: str) -> Any:
    """JSON as sops means it: objects are ordered pairs, keys may repeat, numbers are doubles."""
    return json.loads(text, object_pairs_hook=list, parse_int=float)
