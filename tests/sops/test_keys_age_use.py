"""What age identities are for: data keys, also by plugins; values of the local store; and what is told of failure."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sopsync.errors import ConfigError, DecryptError
from sopsync.sops.keys import identities
from sopsync.sops.keys.base import Surroundings
from tests.sops.agefiles import (
    PLUGIN_IDENTITY,
    PLUGIN_RECIPIENT,
    identity,
    plugin,
    private,
    public,
    wrap,
)
from tests.sops.files import group, metadata, opens, sealed, wrapped
from tests.sops.people import (
    ALICE,
    ALICE_RECIPIENT,
    DATA_KEY,
    ED25519,
    MALLORY,
    MALLORY_RECIPIENT,
    for_alice,
    keyring,
    put,
    refused,
)
from tests.support.leaks import assert_clean

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
    with pytest.raises(ConfigError, match="age recipient 2 cannot be sealed to") as error:
        keyring(tmp_path).age_sealer([ALICE_RECIPIENT, wrong])
    assert not wrong or wrong not in str(error.value)
    with pytest.raises(ConfigError):
        keyring(tmp_path).age_sealer([])
