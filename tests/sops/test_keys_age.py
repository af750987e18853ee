"""age identities are found wherever sops finds them, all places count, and key commands are kept on a lead."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from sopsync.sops.keys import identities
from sopsync.sops.keys.base import Surroundings
from sopsync.sops.keys.identities import by_command
from tests.sops.agefiles import (
    PASSPHRASE,
    PLUGIN_IDENTITY,
    locked,
    private,
    wrap,
)
from tests.sops.files import metadata, opens, wrapped
from tests.sops.people import (
    ALICE,
    ALICE_RECIPIENT,
    DATA_KEY,
    ED25519,
    MALLORY,
    MALLORY_RECIPIENT,
    Files,
    for_alice,
    keyring,
    printing,
    put,
    refused,
    rsa,
    seal_files,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return seal_files(tmp_path_factory.mktemp("sealed"))


# -- every place sops looks at

PLACES: dict[str, tuple[str, Callable[[Path], Mapping[str, str]]]] = {}


def place(name: str, opens_file: str = "x25519") -> Any:
    def add(put: Callable[[Path], Mapping[str, str]]) -> Any:
        PLACES[name] = (opens_file, put)
        return put

    return add


def there(path: Path, data: str | bytes, variables: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Put a file where it is found, by itself or by these variables."""
    put(path, data)
    return variables or {}


place("SOPS_AGE_KEY")(lambda home: {"SOPS_AGE_KEY": ALICE})
place("SOPS_AGE_KEY, several, by lines")(lambda home: {"SOPS_AGE_KEY": f"# note\n{MALLORY}\n\n{ALICE}\n"})
place("SOPS_AGE_KEY, several, by blanks")(lambda home: {"SOPS_AGE_KEY": f"{MALLORY} {ALICE}"})
place("SOPS_AGE_KEY_FILE")(lambda home: {"SOPS_AGE_KEY_FILE": str(put(home / "k", f"# c\r\n{ALICE}\r\n"))})
place("SOPS_AGE_KEY_CMD")(lambda home: {"SOPS_AGE_KEY_CMD": printing(put(home / "a b", ALICE))})
place("~/.config")(lambda home: there(home / ".config/sops/age/keys.txt", ALICE))
place("XDG_CONFIG_HOME")(lambda home: there(home / "x/sops/age/keys.txt", ALICE, {"XDG_CONFIG_HOME": str(home / "x")}))
place("SSH file", "ed25519")(lambda home: {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(put(home / "k", private(ED25519)))})
place("SSH command", "ed25519")(
    lambda home: {"SOPS_AGE_SSH_PRIVATE_KEY_CMD": printing(put(home / "k", private(ED25519)))}
)
place("~/.ssh/id_ed25519", "ed25519")(lambda home: there(home / ".ssh/id_ed25519", private(ED25519), {}))
place("~/.ssh/id_rsa", "rsa")(lambda home: there(home / ".ssh/id_rsa", private(rsa()), {}))
place("~/.ssh/id_rsa as PKCS 1", "rsa")(
    lambda home: there(home / ".ssh/id_rsa", private(rsa(), "TraditionalOpenSSL"), {})
)
place("SSH file as PKCS 8", "ed25519")(
    lambda home: {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(put(home / "k", private(ED25519, "PKCS8")))}
)


@pytest.mark.parametrize("name", PLACES)
def test_each_place_opens_what_sops_sealed(name: str, tmp_path: Path, files: Files) -> None:
    which, put_there = PLACES[name]
    data: bytes = getattr(files, which)
    assert opens(keyring(tmp_path, **put_there(tmp_path)).data_key(metadata(data)), data)
    assert "no available key" in refused(keyring(tmp_path / "elsewhere"), metadata(data))


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "/h/.config/sops/age/keys.txt"),
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/sops/age/keys.txt"),
        ("linux", {"XDG_CONFIG_HOME": "x"}, None),
        ("darwin", {}, "/h/Library/Application Support/sops/age/keys.txt"),
        ("darwin", {"XDG_CONFIG_HOME": "/x"}, "/x/sops/age/keys.txt"),
        ("win32", {"APPDATA": "/a"}, "/a/sops/age/keys.txt"),
        ("win32", {}, None),
    ],
)
def test_the_default_key_file_is_where_go_and_sops_put_it(
    platform: str, variables: dict[str, str], expected: str | None
) -> None:
    found = identities._key_file(Surroundings(variables, Path("/h")), platform)
    assert found == (Path(expected) if expected else None)


def test_without_a_home_no_default_path_is_looked_at() -> None:
    with pytest.raises(DecryptError, match="no age identity found"):
        Keyring.from_environment({}).data_key(for_alice())


# -- all places count, and trouble in one is no trouble for another

TROUBLES = {
    "a file that is not there": lambda home: {"SOPS_AGE_KEY_FILE": str(home / "missing")},
    "a directory": lambda home: {"SOPS_AGE_KEY_FILE": str(home)},
    "no path at all": lambda home: {"SOPS_AGE_KEY_FILE": "a\0b"},
    "a file of something else": lambda home: {"SOPS_AGE_KEY_FILE": str(put(home / "k", "canary-garbage\n"))},
    "a damaged identity": lambda home: {"SOPS_AGE_KEY": MALLORY[:-1]},
    "an SSH key of another kind": lambda home: {
        "SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(put(home / "k", private(generate_private_key(SECP256R1()))))  # type: ignore[arg-type]
    },
    "a command that fails after all": lambda home: {
        "SOPS_AGE_KEY_CMD": f"sh -c 'echo {ALICE}; echo canary-cried >&2; exit 3'"
    },
    "a command that is not there": lambda home: {"SOPS_AGE_KEY_CMD": "no-such-program canary-argument"},
    "a command with an open quote": lambda home: {"SOPS_AGE_SSH_PRIVATE_KEY_CMD": "echo 'canary-quote"},
    "a command of blanks": lambda home: {"SOPS_AGE_KEY_CMD": "  "},
    "a command that prints a locked key": lambda home: {
        "SOPS_AGE_SSH_PRIVATE_KEY_CMD": printing(put(home / "l", private(ED25519, passphrase=PASSPHRASE)))
    },
    "a post-quantum identity": lambda home: {"SOPS_AGE_KEY": "AGE-SECRET-KEY-PQ-1CANARY"},
    "a plugin that is not installed": lambda home: {"SOPS_AGE_KEY": PLUGIN_IDENTITY},
    "a locked identity file": lambda home: {"SOPS_AGE_KEY_FILE": str(put(home / "k", locked(b"x", PASSPHRASE)))},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_in_one_place_matters_only_if_no_other_opens_the_file(trouble: str, tmp_path: Path) -> None:
    variables = TROUBLES[trouble](tmp_path)
    told = refused(keyring(tmp_path, **variables), for_alice())
    assert next(iter(variables)) in told, "the report says which place is in trouble"
    put(tmp_path / ".config/sops/age/keys.txt", ALICE)
    assert keyring(tmp_path, **variables).data_key(for_alice()) == DATA_KEY


def test_a_usable_identity_beside_one_that_is_not_supported_still_counts(tmp_path: Path) -> None:
    lines = f"AGE-SECRET-KEY-PQ-1CANARY\n{PLUGIN_IDENTITY}\n{ALICE}"
    assert keyring(tmp_path, SOPS_AGE_KEY=lines).data_key(for_alice()) == DATA_KEY


def test_one_bad_line_spoils_its_place_as_in_sops(tmp_path: Path, files: Files) -> None:
    told = refused(keyring(tmp_path, SOPS_AGE_KEY=f"{ALICE}\nwhat"), for_alice())
    assert "SOPS_AGE_KEY: holds a line that is not an age identity" in told


def test_identities_are_read_once(tmp_path: Path) -> None:
    keys = put(tmp_path / "k", ALICE)
    ring = keyring(tmp_path, SOPS_AGE_KEY_FILE=str(keys))
    assert ring.data_key(for_alice()) == DATA_KEY
    keys.unlink()
    assert ring.data_key(for_alice()) == DATA_KEY


def test_nothing_is_read_before_a_file_needs_it(tmp_path: Path) -> None:
    ring = keyring(tmp_path, SOPS_AGE_KEY_FILE=str(tmp_path / "k"))
    put(tmp_path / "k", ALICE)
    assert ring.data_key(for_alice()) == DATA_KEY


# -- key commands


def test_a_key_command_is_told_the_recipient_and_runs_once_for_each(tmp_path: Path) -> None:
    script = put(
        tmp_path / "s.sh", f'echo "$SOPS_AGE_RECIPIENT" >> {tmp_path}/log\n[ "$1" = "a b" ] && cat {tmp_path}/k\n'
    )
    put(tmp_path / "k", ALICE)
    ring = keyring(tmp_path, SOPS_AGE_KEY_CMD=f"sh {script} 'a b'")
    both = [MALLORY_RECIPIENT, ALICE_RECIPIENT]
    assert ring.data_key(for_alice()) == DATA_KEY
    assert ring.data_key(for_alice()) == DATA_KEY
    refused(ring, wrapped("age", wrap(DATA_KEY, both[0]), recipient=both[0]))
    assert (tmp_path / "log").read_text().split() == both[::-1]


def test_no_shell_reads_a_key_command(tmp_path: Path) -> None:
    refused(keyring(tmp_path, SOPS_AGE_KEY_CMD=f"true; touch {tmp_path}/proof"), for_alice())
    assert not (tmp_path / "proof").exists()


def test_a_key_command_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a grandchild keeps the pipe open."""
    monkeypatch.setattr("sopsync.sops.keys.identities.output_of", _in_a_moment)
    for line in ("sleep 60", "sh -c 'sleep 2 & sleep 60'"):
        found = by_command(Surroundings({"PATH": os.environ["PATH"], "SOPS_AGE_KEY_CMD": line}), "")
        assert found.troubles == ("SOPS_AGE_KEY_CMD did not end within 0.1 s",)


def _in_a_moment(line: str, variables: Mapping[str, str]) -> bytes:
    from sopsync.sops.keys.command import output_of

    return output_of(line, variables, seconds=0.1)


def test_a_key_command_that_never_stops_printing_is_ended() -> None:
    found = by_command(Surroundings({"PATH": os.environ["PATH"], "SOPS_AGE_KEY_CMD": "yes canary-endless"}), "")
    assert found.troubles == ("SOPS_AGE_KEY_CMD printed too much",)
