"""The keyring gives the data key where sops would find one, in sops' order, and otherwise says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sopsync.errors import ConfigError, DecryptError
from sopsync.sops.keyring import Keyring
from sopsync.sops.keys.base import CannotOpen, Unreachable
from sopsync.sops.metadata import MasterKey, Metadata
from tests.sops.agefiles import wrap
from tests.sops.files import group, metadata, opens
from tests.sops.people import ALICE, ALICE_RECIPIENT, DATA_KEY, keyring
from tests.sops.vectors import KEYS, Case, cases
from tests.support.leaks import assert_clean


def judged(case: Case) -> bool:
    """A case about keys, that needs no server, in a format that is read without the code under test."""
    servers = case.keys & {"aws", "vault"} or any(key.startswith("pgp") for key in case.keys)
    about = case.name.startswith(("age-", "shamir-", "group-", "cfg-", "vault-", "binary-text", "json-types"))
    return about and not servers and case.format != "dotenv"


def ring(case: Case, home: Path) -> Keyring:
    """A keyring with the keys that the case was recorded with."""
    for name in case.keys & {"ssh_ed25519", "ssh_rsa"}:
        target = home / ".ssh" / name.replace("ssh_", "id_")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((KEYS / name).read_bytes())
    return Keyring.from_environment({"SOPS_AGE_KEY": case.age_identities()}, home=home)


@pytest.mark.parametrize("case", [c for c in cases() if judged(c)], ids=lambda c: c.name)
def test_recorded_files_give_their_data_key_or_the_recorded_class_of_error(case: Case, tmp_path: Path) -> None:
    keys = ring(case, tmp_path)
    if case.ok:
        assert opens(keys.data_key(metadata(case.data)), case.data)
    else:
        with pytest.raises(DecryptError) as error:
            keys.data_key(metadata(case.data))
        assert error.value.reason == case.error_class
        assert "AGE-SECRET-KEY" not in str(error.value)


# -- the order of keys


class Asked:
    """Stands in for every source; writes down what it is asked, and opens keys whose wrapping says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        monkeypatch.setattr("sopsync.sops.keyring._make", lambda kind, around: self)

    def place(self, key: MasterKey) -> str:
        return key.fields.get("place", "")

    def unwrap(self, key: MasterKey) -> bytes:
        self.log.append(key.type + key.fields.get("n", ""))
        match key.enc:
            case "opens":
                return DATA_KEY
            case "gone":
                raise Unreachable(f"{key.type}: nobody there", hint="wait")
            case "bug":
                raise RuntimeError("canary-in-an-exception")
            case short if short.startswith("short"):
                return b"canary-short"
        raise CannotOpen(f"{key.type}: no")


ORDERS = [
    ("", ["age1", "age2", "pgp", "kms1", "kms2", "hc_vault"]),
    ("kms", ["kms1", "kms2", "hc_vault", "pgp", "age1", "age2"]),
    ("hc_vault,pgp,x", ["hc_vault", "pgp", "kms1", "kms2", "age1", "age2"]),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS)
def test_keys_are_tried_in_the_order_sops_would(
    monkeypatch: pytest.MonkeyPatch, order: str, expected: list[str]
) -> None:
    asked = Asked(monkeypatch)
    kinds = [("kms", "1"), ("kms", "2"), ("hc_vault", ""), ("pgp", ""), ("age", "1"), ("age", "2")]
    with pytest.raises(DecryptError):
        Keyring.from_environment({"SOPS_DECRYPTION_ORDER": order}).data_key(
            group(*(MasterKey(kind, "no", {"n": n}) for kind, n in kinds))
        )
    assert asked.log == expected


def test_the_first_key_that_opens_is_the_last_that_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    keys = group(MasterKey("kms", "opens"), MasterKey("pgp", "opens"), MasterKey("age", "no"))
    assert Keyring.from_environment({}).data_key(keys) == DATA_KEY
    assert asked.log == ["age", "pgp"]


def test_an_order_that_names_a_type_twice_is_an_error_as_in_sops() -> None:
    with pytest.raises(ConfigError, match="SOPS_DECRYPTION_ORDER names a key type twice"):
        Keyring.from_environment({"SOPS_DECRYPTION_ORDER": "age,pgp,age"}).data_key(group())


# -- memory


def test_a_data_key_is_recovered_once_and_never_for_other_wrappings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    keys = Keyring.from_environment({})
    one = MasterKey("kms", "opens", {"arn": "a"}, {"env": "prod"})
    others = [
        MasterKey("kms", "opens", {"arn": "b"}, {"env": "prod"}),
        MasterKey("kms", "opens", {"arn": "a"}, {"env": "dev"}),
        MasterKey("pgp", "opens", {"arn": "a"}, {"env": "prod"}),
    ]
    for _ in range(3):
        keys.data_key(group(one))
    assert asked.log == ["kms"]
    for other in others:
        keys.data_key(group(other))
    keys.data_key(group(one, others[0]))
    assert len(asked.log) == 1 + len(others) + 1


def test_many_threads_get_the_same_key(tmp_path: Path) -> None:
    keys = keyring(tmp_path, SOPS_AGE_KEY=ALICE)
    wanted = [group(MasterKey("age", wrap(bytes([i]) * 32, ALICE_RECIPIENT))) for i in range(20)]
    start = threading.Barrier(8)

    def work(_: int) -> list[bytes]:
        start.wait()
        return [keys.data_key(each) for each in wanted]

    with ThreadPoolExecutor(8) as pool:
        assert all(got == [bytes([i]) * 32 for i in range(20)] for got in pool.map(work, range(8)))


def test_nobody_waits_again_for_a_place_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    keys = Keyring.from_environment({})
    for number in range(3):
        with pytest.raises(DecryptError, match="nobody there\n  hint: wait"):
            keys.data_key(group(MasterKey("kms", "gone", {"place": "here", "n": str(number)})))
    assert asked.log == ["kms0"]
    assert keys.data_key(group(MasterKey("kms", "opens", {"place": "elsewhere"}))) == DATA_KEY
    assert keys.data_key(group(MasterKey("pgp", "opens", {"place": "here"}))) == DATA_KEY


# -- what must not get out


def test_a_surprise_in_an_sdk_is_one_line_and_the_next_key_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch)
    broken = MasterKey("kms", "bug", {"arn": "arn:x"})
    assert Keyring.from_environment({}).data_key(group(broken, MasterKey("gcp_kms", "opens"))) == DATA_KEY
    with pytest.raises(DecryptError, match="tried: arn:x: RuntimeError") as error:
        Keyring.from_environment({}).data_key(group(broken))
    assert_clean(str(error.value))
    assert error.value.__cause__ is None


def test_what_is_opened_but_no_data_key_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch)
    with pytest.raises(DecryptError, match="not a data key") as error:
        Keyring.from_environment({}).data_key(group(MasterKey("kms", "short")))
    assert_clean(str(error.value))


def test_a_keyring_shows_nothing_of_what_it_holds() -> None:
    keys = Keyring.from_environment({"SOPS_AGE_KEY": "canary-key", "VAULT_TOKEN": "canary-token"})
    assert_clean(f"{keys!r} {keys} {keys._around!r}")


# -- the rest of the contract


def test_huawei_keys_are_named_as_not_supported() -> None:
    with pytest.raises(DecryptError, match="Huawei KMS tenant/key: not supported by sopsync\n  hint: add a key of"):
        Keyring.from_environment({}).data_key(group(MasterKey("hckms", "x", {"key_id": "tenant/key"})))


def test_a_file_without_keys_is_an_error() -> None:
    for nothing in (group(), Metadata((), "", "")):
        with pytest.raises(DecryptError):
            Keyring.from_environment({}).data_key(nothing)


@pytest.mark.parametrize(
    ("kind", "extra", "fields"),
    [
        ("kms", "aws", {"arn": "arn:aws:kms:eu-west-1:123456789012:key/k"}),
        ("gcp_kms", "gcp", {"resource_id": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}),
        ("azure_kv", "azure", {"vault_url": "https://v.vault.azure.net", "name": "n", "version": "1"}),
        ("hc_vault", "vault", {"vault_address": "https://v", "engine_path": "transit", "key_name": "k"}),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: str, extra: str, fields: dict[str, str]
) -> None:
    for module in ("botocore.exceptions", "google.api_core.exceptions", "azure.core.exceptions", "hvac.exceptions"):
        monkeypatch.setitem(sys.modules, module, None)
    keys = Keyring.from_environment({"VAULT_ADDR": "https://v", "VAULT_TOKEN": "canary-token"})
    with pytest.raises(DecryptError) as error:
        keys.data_key(group(MasterKey(kind, "AAAA", fields)))
    assert f'client library is not installed\n  hint: pip install "sopsync[{extra}]"' in str(error.value)


def test_no_sdk_is_imported_before_a_file_needs_it() -> None:
    """Not even pyrage; and a file for age imports none of the clouds."""
    secret, recipient = ALICE, ALICE_RECIPIENT
    code = f"""
import sys
from sopsync.sops.keyring import Keyring
from sopsync.sops.metadata import MasterKey, Metadata
sdks = ["pyrage", "boto3", "botocore", "hvac", "requests", "google", "azure", "msal", "grpc", "cryptography"]
ring = Keyring.from_environment({{"SOPS_AGE_KEY": {secret!r}}})
print(*[sdk for sdk in sdks if sdk in sys.modules])
ring.data_key(Metadata(((MasterKey("age", {wrap(DATA_KEY, recipient)!r}),),), "", ""))
print(*[sdk for sdk in sdks if sdk in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines() == ["", "pyrage"]


def test_by_default_the_process_own_environment_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret, recipient = ALICE, ALICE_RECIPIENT
    wanted = group(MasterKey("age", wrap(DATA_KEY, recipient)))
    keys = tmp_path / ".config/sops/age/keys.txt"
    keys.parent.mkdir(parents=True)
    keys.write_text(secret)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Keyring.from_environment().data_key(wanted) == DATA_KEY
    with pytest.raises(DecryptError):
        Keyring.from_environment({}).data_key(wanted)
