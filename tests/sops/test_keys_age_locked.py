"""What a passphrase protects is unlocked by a person, once, and only where it can help."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sops.agefiles import (
    PASSPHRASE,
    locked,
    private,
)
from tests.sops.files import metadata, opens
from tests.sops.people import (
    ALICE,
    DATA_KEY,
    ED25519,
    Files,
    for_alice,
    keyring,
    put,
    refused,
    rsa,
    seal_files,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return seal_files(tmp_path_factory.mktemp("sealed"))


class Person:
    """Somebody at a terminal who knows one passphrase."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, passphrase: str = PASSPHRASE, *, terminal: bool = True) -> None:
        monkeypatch.setattr("sys.stdin", self)
        self.passphrase = passphrase
        self.terminal = terminal
        self.asked: list[str] = []

    def isatty(self) -> bool:
        return self.terminal

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        return self.passphrase


@pytest.mark.parametrize("armored", [False, True])
def test_a_locked_identity_file_is_unlocked_by_who_sits_there_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, armored: bool
) -> None:
    person = Person(monkeypatch)
    keys = put(tmp_path / "k", locked(f"# c\n{ALICE}\n".encode(), PASSPHRASE, armored=armored))
    ring = keyring(tmp_path, SOPS_AGE_KEY_FILE=str(keys), prompt=person)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: ring.data_key(for_alice()), range(4))) == {DATA_KEY}
    assert person.asked == ["Passphrase of SOPS_AGE_KEY_FILE: "]


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "rsa in PKCS 8"])
def test_a_locked_ssh_key_is_unlocked_by_who_sits_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files, kind: str
) -> None:
    person = Person(monkeypatch)
    which = kind.partition(" ")[0]
    key = ED25519 if which == "ed25519" else rsa()
    form = "PKCS8" if "PKCS" in kind else "OpenSSH"
    put(tmp_path / ".ssh" / f"id_{which}", private(key, form, PASSPHRASE))
    data: bytes = getattr(files, which)
    assert opens(keyring(tmp_path, prompt=person).data_key(metadata(data)), data)
    assert len(person.asked) == 1


def test_nobody_is_asked_where_it_cannot_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    """Not for a file that another identity opens, and not for one that was sealed to another key."""
    person = Person(monkeypatch)
    put(tmp_path / ".ssh/id_ed25519", private(Ed25519PrivateKey.generate(), passphrase=PASSPHRASE))
    ring = keyring(tmp_path, SOPS_AGE_KEY=ALICE, prompt=person)
    assert ring.data_key(for_alice()) == DATA_KEY
    refused(ring, metadata(files.ed25519))
    refused(ring, metadata(files.rsa))
    assert person.asked == []


def test_without_a_terminal_the_error_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(monkeypatch, terminal=False)
    keys = put(tmp_path / "k", locked(ALICE.encode(), PASSPHRASE))
    told = refused(keyring(tmp_path, SOPS_AGE_KEY_FILE=str(keys), prompt=person), for_alice())
    assert "tried: SOPS_AGE_KEY_FILE is locked by a passphrase" in told
    assert "hint: unlock SOPS_AGE_KEY_FILE: run sopsync in a terminal" in told
    assert person.asked == []


def test_a_wrong_passphrase_is_said_and_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(monkeypatch, "canary-wrong")
    keys = put(tmp_path / "k", locked(ALICE.encode(), PASSPHRASE))
    ring = keyring(tmp_path, SOPS_AGE_KEY_FILE=str(keys), prompt=person)
    assert "SOPS_AGE_KEY_FILE: wrong passphrase" in refused(ring, for_alice())
    assert "SOPS_AGE_KEY_FILE: wrong passphrase" in refused(ring, for_alice())
    assert len(person.asked) == 1


def test_a_person_may_decline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Person(monkeypatch)

    def decline(question: str) -> str:
        raise EOFError

    keys = put(tmp_path / "k", locked(ALICE.encode(), PASSPHRASE))
    told = refused(keyring(tmp_path, SOPS_AGE_KEY_FILE=str(keys), prompt=decline), for_alice())
    assert "SOPS_AGE_KEY_FILE: not unlocked" in told
