"""age identities are found wherever sops finds them, all places count, and what cannot help never gets in the way."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from sopsync.errors import DecryptError, Reason
from sopsync.sops.keyring import Keyring
from sopsync.sops.keys import identities
from sopsync.sops.keys.base import Surroundings
from sopsync.sops.keys.identities import by_command
from tests.sops.agefiles import (
    PASSPHRASE,
    PLUGIN_IDENTITY,
    PLUGIN_RECIPIENT,
    identity,
    locked,
    plugin,
    private,
    public,
    wrap,
)
from tests.sops.files import group, metadata, opens, sealed, wrapped
from tests.support.leaks import assert_clean

DATA_KEY = b"canary-data-key-of-32-bytes-long"
ALICE, ALICE_RECIPIENT = identity()
MALLORY, MALLORY_RECIPIENT = identity()
ED25519 = Ed25519PrivateKey.generate()


@cache
def rsa() -> RSAPrivateKey:
    return generate_rsa(65537, 2048)


@dataclass(frozen=True)
class Files:
    """Files that sops sealed, each for one recipient."""

    x25519: bytes
    ed25519: bytes
    rsa: bytes


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("sealed")
    return Files(*(sealed(folder, "--age", r) for r in (ALICE_RECIPIENT, public(ED25519), public(rsa()))))


def keyring(home: Path, **options: Any) -> Keyring:
    """A keyring that sees nothing but these variables and this home."""
    prompt = options.pop("prompt", None)
    return Keyring.from_environment({"PATH": os.environ["PATH"], **options}, home=home, prompt=prompt)


def for_alice() -> Any:
    return wrapped("age", wrap(DATA_KEY, ALICE_RECIPIENT), recipient=ALICE_RECIPIENT)


def printing(path: Path) -> str:
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


# -- every place sops looks at

PLACES: dict[str, tuple[str, Callable[[Path], Mapping[str, str]]]] = {}


def place(name: str, opens_file: str = "x25519") -> Any:
    def add(put: Callable[[Path], Mapping[str, str]]) -> Any:
        PLACES[name] = (opens_file, put)
        return put

    return add


def put(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


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


# -- behind a passphrase


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


# -- plugins, and what is beyond us


def test_a_plugin_opens_what_sops_sealed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    data = sealed(tmp_path, "--age", PLUGIN_RECIPIENT)
    ring = keyring(tmp_path, SOPS_AGE_KEY=f"{PLUGIN_IDENTITY} {ALICE}")
    assert opens(ring.data_key(metadata(data)), data)
    told = refused(ring, wrapped("age", wrap(DATA_KEY, MALLORY_RECIPIENT), recipient=MALLORY_RECIPIENT))
    assert "plugin canary (SOPS_AGE_KEY)" in told


def test_a_post_quantum_recipient_is_named(tmp_path: Path) -> None:
    recipient = "age1pq1canary" + "q" * 1900 + "zz"
    told = refused(
        keyring(tmp_path, SOPS_AGE_KEY=ALICE), wrapped("age", wrap(DATA_KEY, MALLORY_RECIPIENT), recipient=recipient)
    )
    assert "age1pq1…zz: post-quantum recipients are not supported" in told


@pytest.mark.parametrize(
    "enc", ["", "junk", "-----BEGIN AGE ENCRYPTED FILE-----\n????\n-----END AGE ENCRYPTED FILE-----\n"]
)
def test_a_damaged_wrapping_is_told_from_a_missing_key(tmp_path: Path, enc: str) -> None:
    told = refused(keyring(tmp_path, SOPS_AGE_KEY=ALICE), wrapped("age", enc, recipient=ALICE_RECIPIENT))
    assert "the wrapped key is" in told


def test_blank_lines_around_the_armor_are_nothing(tmp_path: Path) -> None:
    enc = "\n\n" + wrap(DATA_KEY, ALICE_RECIPIENT) + "\n\n"
    assert keyring(tmp_path, SOPS_AGE_KEY=ALICE).data_key(wrapped("age", enc)) == DATA_KEY


def test_the_recipient_is_only_a_label(tmp_path: Path) -> None:
    mislabelled = wrapped("age", wrap(DATA_KEY, ALICE_RECIPIENT), recipient=MALLORY_RECIPIENT)
    assert keyring(tmp_path, SOPS_AGE_KEY=ALICE).data_key(mislabelled) == DATA_KEY


# -- the report


def test_the_report_names_what_was_tried_and_from_where(tmp_path: Path) -> None:
    told = refused(keyring(tmp_path, SOPS_AGE_KEY=MALLORY), for_alice())
    assert told.splitlines() == [
        "no available key opens this file",
        f"  needs: {ALICE_RECIPIENT[:7]}…{ALICE_RECIPIENT[-2:]}",
        f"  tried: {MALLORY_RECIPIENT[:7]}…{MALLORY_RECIPIENT[-2:]} (SOPS_AGE_KEY)",
        "  hint: set SOPS_AGE_KEY_FILE",
    ]


def test_many_identities_and_recipients_make_a_short_report(tmp_path: Path) -> None:
    keys = group(
        *(wrapped("age", wrap(DATA_KEY, r), recipient=r).groups[0][0] for _, r in (identity() for _ in range(9)))
    )
    told = refused(keyring(tmp_path, SOPS_AGE_KEY="\n".join(identity()[0] for _ in range(30))), keys)
    assert "25 more age identities" in told
    assert "one of 3 more" in told
    assert len(told) < 600


def test_a_label_cannot_forge_lines_of_the_report(tmp_path: Path) -> None:
    told = refused(keyring(tmp_path), wrapped("age", "x", recipient="age1a\n  hint: run\x1b[2Jthis"))
    assert len(told.splitlines()) == 3
    assert "\x1b" not in told


# -- the sealer of the local store


def test_a_value_sealed_is_opened_and_its_bytes_are_not_in_the_seal(tmp_path: Path) -> None:
    sealer = keyring(tmp_path, SOPS_AGE_KEY=ALICE).age_sealer([f" {ALICE_RECIPIENT} ", public(ED25519)])
    for value in (b"", b"canary-" + bytes(range(256)), b"canary-" * 50_000):
        closed = sealer.seal(value)
        assert sealer.open(closed) == value
        assert_clean(closed)
    put(tmp_path / ".ssh/id_ed25519", private(ED25519))
    assert keyring(tmp_path).age_sealer([ALICE_RECIPIENT]).open(sealer.seal(DATA_KEY)) == DATA_KEY


def test_the_sealer_opens_armored_values_too(tmp_path: Path) -> None:
    sealer = keyring(tmp_path, SOPS_AGE_KEY=ALICE).age_sealer([ALICE_RECIPIENT])
    assert sealer.open(wrap(b"canary-x", ALICE_RECIPIENT).encode()) == b"canary-x"


def test_a_thousand_small_values_open_without_looking_for_identities_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Surroundings] = []

    def at_hand(around: Surroundings) -> identities.Found:
        looked.append(around)
        return identities.at_hand(around)

    monkeypatch.setattr("sopsync.sops.keys.age.at_hand", at_hand)
    sealer = keyring(tmp_path, SOPS_AGE_KEY=ALICE).age_sealer([ALICE_RECIPIENT])
    closed = [sealer.seal(b"canary-%d" % i) for i in range(1000)]
    start = threading.Barrier(4)

    def work(part: list[bytes]) -> list[bytes]:
        start.wait()
        return [sealer.open(value) for value in part]

    with ThreadPoolExecutor(4) as pool:
        done = [value for part in pool.map(work, [closed[i::4] for i in range(4)]) for value in part]
    assert sorted(done) == sorted(b"canary-%d" % i for i in range(1000))
    assert len(looked) == 1


def test_a_value_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = keyring(tmp_path).age_sealer([MALLORY_RECIPIENT]).seal(b"canary-theirs")
    with pytest.raises(DecryptError, match="no available age identity opens this value") as error:
        keyring(tmp_path, SOPS_AGE_KEY=ALICE).age_sealer([ALICE_RECIPIENT]).open(theirs)
    assert_clean(str(error.value))
    with pytest.raises(DecryptError, match="damaged"):
        keyring(tmp_path, SOPS_AGE_KEY=ALICE).age_sealer([ALICE_RECIPIENT]).open(b"not age at all")


@pytest.mark.parametrize(
    "wrong",
    [ALICE, "", "age1pq1qqqq", "ssh-dss AAAA", PLUGIN_RECIPIENT],
    ids=["a secret", "empty", "post-quantum", "ssh-dss", "plugin"],
)
def test_what_is_no_recipient_is_refused_and_not_repeated(tmp_path: Path, wrong: str) -> None:
    """Somebody may paste the secret half."""
    from sopsync.errors import ConfigError

    with pytest.raises(ConfigError, match="age recipient 2 cannot be sealed to") as error:
        keyring(tmp_path).age_sealer([ALICE_RECIPIENT, wrong])
    assert not wrong or wrong not in str(error.value)
    with pytest.raises(ConfigError):
        keyring(tmp_path).age_sealer([])
