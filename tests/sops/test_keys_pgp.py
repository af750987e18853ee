"""PGP through the real gpg: what its keyring holds opens, what it says stays inside, and it gets no credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sopsync.errors import DecryptError
from sopsync.sops.keyring import Keyring
from tests.sops.files import metadata, opens, run, sealed, wrapped
from tests.sops.vectors import KEYS, cases
from tests.support.leaks import assert_clean
from tests.support.tools import need, python_head

PGP_CASES = [c.name for c in cases() if c.format in ("yaml", "json", "binary") and any("pgp" in k for k in c.keys)]


@dataclass(frozen=True)
class Gpg:
    """A gpg home that holds some of the recorded secret keys."""

    home: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "GNUPGHOME": str(self.home)}

    def __call__(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run([need("gpg"), "--batch", "--quiet", *arguments], self.variables, stdin)

    def ring(self, **variables: str) -> Keyring:
        """A keyring with this gpg, and an age identity for mixed groups."""
        return Keyring.from_environment({**self.variables, **variables}, home=self.home)


@pytest.fixture(scope="module")
def gpgs() -> Iterator[dict[str, Gpg]]:
    """Homes by the key they hold: `pgp-one`, `pgp-two`, `none`. Paths are short: an agent's socket must fit."""
    need("gpg")
    made: dict[str, Gpg] = {}
    try:
        for name in ("pgp-one", "pgp-two", "none"):
            made[name] = Gpg(Path(tempfile.mkdtemp(prefix="gpg-")))
            if name != "none":
                made[name]("--import", str(KEYS / f"{name}.sec.asc"))
        yield made
    finally:
        for gpg in made.values():
            subprocess.run(["gpgconf", "--homedir", str(gpg.home), "--kill", "all"], check=False, capture_output=True)
            shutil.rmtree(gpg.home, ignore_errors=True)


@pytest.mark.parametrize("name", PGP_CASES)
def test_recorded_files_open_with_the_keys_they_were_recorded_with(name: str, gpgs: dict[str, Gpg]) -> None:
    case = next(c for c in cases() if c.name == name)
    gpg = gpgs[next(key for key in case.keys if key.startswith("pgp-"))]
    ring = gpg.ring(SOPS_AGE_KEY=case.age_identities())
    if case.ok:
        assert opens(ring.data_key(metadata(case.data)), case.data)
    else:
        with pytest.raises(DecryptError) as error:
            ring.data_key(metadata(case.data))
        assert error.value.reason == case.error_class
        assert "gpg has no secret key for it" in str(error.value)


def test_what_sops_seals_for_a_pgp_key_opens(gpgs: dict[str, Gpg], tmp_path: Path) -> None:
    gpg = gpgs["pgp-one"]
    fingerprint = (KEYS / "pgp-one.fp").read_text().strip()
    data = sealed(tmp_path, "--pgp", fingerprint, variables=gpg.variables)
    assert opens(gpg.ring().data_key(metadata(data)), data)
    with pytest.raises(DecryptError, match=f"needs: PGP {fingerprint}"):
        gpgs["none"].ring().data_key(metadata(data))


def test_a_key_locked_by_a_passphrase_is_told_from_a_missing_one(gpgs: dict[str, Gpg]) -> None:
    gpg = Gpg(Path(tempfile.mkdtemp(prefix="gpg-")))
    try:
        (gpg.home / "gpg-agent.conf").write_text("pinentry-program /bin/false\ns2k-count 65536\n")
        made = ["--quick-gen-key", "x <x@example.com>", "future-default", "default", "never"]
        gpg("--passphrase=canary-pass", "--pinentry-mode=loopback", *made)
        enc = gpg("--encrypt", "--armor", "--trust-model=always", "-r", "x@example.com", stdin=bytes(32)).decode()
        # the agent forgets the passphrase it was just given
        run(["gpgconf", "--homedir", str(gpg.home), "--reload", "gpg-agent"], gpg.variables)
        with pytest.raises(DecryptError, match="could not unlock it"):
            gpg.ring().data_key(wrapped("pgp", enc, fp="A" * 40))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(gpg.home), "--kill", "all"], check=False, env=gpg.variables)
        shutil.rmtree(gpg.home, ignore_errors=True)


@pytest.mark.parametrize(
    ("enc", "why"),
    [
        ("canary-junk", "not a PGP message"),
        ("", "not a PGP message"),
        ("-----BEGIN PGP MESSAGE-----\n\ncanary\n-----END PGP MESSAGE-----\n", "not a PGP message"),
    ],
)
def test_what_gpg_quotes_of_a_broken_message_stays_inside(gpgs: dict[str, Gpg], enc: str, why: str) -> None:
    with pytest.raises(DecryptError, match=why) as error:
        gpgs["none"].ring().data_key(wrapped("pgp", enc, fp="B" * 40))
    assert_clean(str(error.value))


def test_a_message_that_was_never_sealed_is_refused(gpgs: dict[str, Gpg]) -> None:
    """`gpg --decrypt` prints one as if it had decrypted it."""
    enc = gpgs["none"]("--store", "--armor", stdin=bytes(32)).decode()
    with pytest.raises(DecryptError):
        gpgs["none"].ring().data_key(wrapped("pgp", enc, fp="C" * 40))


def test_a_message_that_swells_is_cut_off(gpgs: dict[str, Gpg]) -> None:
    fingerprint = (KEYS / "pgp-one.fp").read_text().strip()
    seal = ["--encrypt", "--armor", "--trust-model=always", "-r", fingerprint]
    enc = gpgs["pgp-one"](*seal, stdin=bytes(1 << 24)).decode()
    assert len(enc) < 1 << 18
    with pytest.raises(DecryptError, match="gpg cannot decrypt"):
        gpgs["pgp-one"].ring().data_key(wrapped("pgp", enc, fp=fingerprint))


def test_the_program_can_be_named_and_gets_no_credentials(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "my gpg"
    program.write_text(
        f"{python_head()}import os, sys\n"
        f"open({str(seen)!r}, 'w').write(repr((sys.argv[1:], dict(os.environ))))\n"
        "print('canary-said', file=sys.stderr)\nsys.exit(2)\n"
    )
    program.chmod(0o700)
    variables = {
        "SOPS_GPG_EXEC": str(program),
        "GNUPGHOME": "/ring",
        "LC_ALL": "C",
        "AWS_SECRET_ACCESS_KEY": "canary-aws",
        "SOPS_AGE_KEY": "canary-age",
        "VAULT_TOKEN": "canary-vault",
    }
    ring = Keyring.from_environment(variables, home=tmp_path)
    with pytest.raises(DecryptError) as error:
        ring.data_key(wrapped("pgp", "canary-wrapped", fp="D" * 40))
    assert_clean(str(error.value))
    assert_clean(seen)
    assert "'GNUPGHOME': '/ring'" in seen.read_text()


def test_without_gpg_the_error_says_what_to_install(tmp_path: Path) -> None:
    ring = Keyring.from_environment({"SOPS_GPG_EXEC": str(tmp_path / "none")}, home=tmp_path)
    with pytest.raises(DecryptError, match="cannot be started\n  hint: install GnuPG, or set SOPS_GPG_EXEC"):
        ring.data_key(wrapped("pgp", "x", fp="E" * 40))
