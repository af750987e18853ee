"""A signature is good if somebody on the list made it, and in no other case."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.git import Repository, Signature
from tests.support.repo import Repo
from tests.support.tools import need

BOTH_HASHES = pytest.mark.parametrize("repo", ["sha1", "sha256"], indirect=True)


@pytest.fixture
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "r", object_format=getattr(request, "param", "sha1"))
    made.write("f", "1")
    made.commit("Not signed")
    return made


def check(repo: Repo, allowed: Path | None, at: str = "HEAD") -> Signature:
    with Repository.open(repo.path) as opened:
        return opened.signature(opened.resolve(at), allowed)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Name → public key; the private one is beside it."""
    need("ssh-keygen")
    made = {}
    for name in ("ana", "kim"):
        path = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
        made[name] = (tmp_path / f"{name}.pub").read_text().strip()
    return made


def signed(repo: Repo, key: str, content: str = "2") -> str:
    repo.write("f", content)
    repo.git("add", "f")
    key_file = repo.path.parent / key
    repo.git("-c", "gpg.format=ssh", "-c", f"user.signingKey={key_file}", "commit", "-q", "-S", "-m", f"By {key}")
    return repo.head()


def listed(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "allowed signers"
    path.write_text("# who may sign\n" + "".join(f"{line}\n" for line in lines))
    return path


@BOTH_HASHES
def test_ssh(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    signed(repo, "ana")
    ana, kim = f"ana@acme.example {keys['ana']}", f"kim@acme.example {keys['kim']}"
    assert check(repo, listed(tmp_path, kim, ana)) == Signature(good=True, signer="ana@acme.example")
    gpg = f"bob@acme.example openpgp {'A' * 40}"
    assert check(repo, listed(tmp_path, gpg, ana, kim)).good  # lines of the other kind are no hindrance
    # somebody's own config must not add anybody
    repo.git("config", "gpg.ssh.allowedSignersFile", str(listed(tmp_path, ana)))
    other = tmp_path / "other"
    other.write_text(kim + "\n")
    stranger = check(repo, other)
    assert not stranger.good
    assert "not (or no longer) an allowed signer" in stranger.reason
    assert not check(repo, None).good
    assert not check(repo, Path(os.devnull)).good


def test_a_config_that_asks_for_more_is_obeyed(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    signed(repo, "ana")
    repo.git("config", "gpg.minTrustLevel", "ultimate")  # ssh-keygen gives no more than "fully"
    assert not check(repo, listed(tmp_path, f"ana@acme.example {keys['ana']}")).good


def test_ssh_lines_that_do_not_apply(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    signed(repo, "ana")
    key = keys["ana"]
    for line in (
        f"# ana@acme.example {key}",
        f'ana@acme.example valid-before="20200101" {key}',
        f'ana@acme.example namespaces="file" {key}',
    ):
        assert not check(repo, listed(tmp_path, line)).good, line
    assert check(repo, listed(tmp_path, f'ana@acme.example valid-after="20200101",namespaces="git" {key}')).good


@BOTH_HASHES
def test_a_commit_altered_after_signing(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    commit = signed(repo, "ana")
    data = repo.git("cat-file", "commit", commit).encode() + b"\n"
    forged = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=data.replace(b"By ana", b"By eve"))
    assert forged != commit
    found = check(repo, listed(tmp_path, f"ana@acme.example {keys['ana']}"), forged)
    assert found == Signature(good=False, reason="its signature is bad")


def test_a_signature_on_the_parent_is_not_on_the_child(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    signed(repo, "ana")
    repo.commit("On top, not signed")
    allowed = listed(tmp_path, f"ana@acme.example {keys['ana']}")
    assert check(repo, allowed) == Signature(good=False, reason="not signed")
    assert check(repo, allowed, "HEAD~1").good
    # a merge by the forge carries the forge's signature or none, whatever its second parent has
    repo.git("checkout", "-q", "--detach", "HEAD~2")
    repo.merge("main")
    assert not check(repo, allowed).good


def test_a_list_that_cannot_be_read_is_an_error_not_a_no(repo: Repo, keys: dict[str, str], tmp_path: Path) -> None:
    signed(repo, "ana")
    with pytest.raises(SourceError) as error:
        check(repo, tmp_path / "missing")
    assert error.value.problems[0].hint
    assert str(tmp_path / "missing") in str(error.value)


def test_a_missing_program_is_said(
    repo: Repo, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(repo, "ana")
    git = shutil.which("git")
    assert git
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = check(repo, listed(tmp_path, f"ana@acme.example {keys['ana']}"))
    assert not found.good
    assert "cannot be checked" in found.reason
    assert "ssh-keygen" in found.reason


@pytest.fixture
def gpg(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A keyring of its own with two keys; name → fingerprint. Short path: agent sockets allow about 100 characters."""
    need("gpg")
    home = tempfile.mkdtemp()
    monkeypatch.setenv("GNUPGHOME", home)
    run = ["gpg", "--batch", "--quiet", "--passphrase", ""]
    made = {}
    try:
        for name in ("ana", "kim"):
            subprocess.run([*run, "--quick-gen-key", name, "ed25519", "sign"], check=True, capture_output=True)
            shown = subprocess.run([*run, "--with-colons", "-k", name], check=True, capture_output=True, text=True)
            made[name] = next(line.split(":")[9] for line in shown.stdout.splitlines() if line.startswith("fpr"))
        yield made
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)


def test_gpg(gpg: dict[str, str], tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "r")
    repo.env["GNUPGHOME"] = os.environ["GNUPGHOME"]
    repo.git("commit", "-q", "--allow-empty", f"-S{gpg['ana']}", "-m", "By ana")
    ana, kim = (f"{name}@acme.example openpgp {key}" for name, key in gpg.items())
    assert check(repo, listed(tmp_path, kim, ana)) == Signature(good=True, signer="ana@acme.example")
    assert check(repo, listed(tmp_path, ana.lower())).good
    for lines in ([kim], [f"# {ana}"], [ana[:-1]], [f"ana@acme.example openpgp {gpg['ana'][-16:]}"], []):
        found = check(repo, listed(tmp_path, *lines))
        assert found == Signature(good=False, reason=f"its key {gpg['ana']} is not an allowed signer's"), lines
    # a subkey speaks for its primary key
    run = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-key", gpg["ana"], "ed25519", "sign"]
    subprocess.run(run, check=True, capture_output=True)
    repo.git("commit", "-q", "--allow-empty", f"-S{gpg['ana']}", "-m", "By a subkey")
    assert check(repo, listed(tmp_path, ana)).good
    # a commit altered after it was signed
    data = repo.git("cat-file", "commit", "HEAD").encode() + b"\n"
    forged = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=data.replace(b"By a subkey", b"By nobody"))
    assert check(repo, listed(tmp_path, ana), forged) == Signature(good=False, reason="its signature is bad")
    # a key nobody has
    subprocess.run(["gpg", "--batch", "--yes", "--delete-secret-and-public-key", gpg["ana"]], check=True)
    assert check(repo, listed(tmp_path, ana)) == Signature(good=False, reason="its key is not in the gpg keyring")


def test_an_expired_gpg_key(gpg: dict[str, str], tmp_path: Path) -> None:
    """gpg still calls such a signature valid; git does not, and we go by both."""
    repo = Repo.init(tmp_path / "r")
    repo.env["GNUPGHOME"] = os.environ["GNUPGHOME"]
    past = tmp_path / "past"
    past.write_text('#!/bin/sh\nexec gpg --batch --quiet --faked-system-time "20200101T000000!" "$@"\n')
    past.chmod(0o755)
    subprocess.run([past, "--passphrase", "", "--quick-gen-key", "old", "ed25519", "sign", "1d"], check=True)
    shown = subprocess.run(["gpg", "--with-colons", "-k", "old"], check=True, capture_output=True, text=True).stdout
    old = next(line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr"))
    repo.git("-c", f"gpg.program={past}", "commit", "-q", "--allow-empty", f"-S{old}", "-m", "Long ago")
    found = check(repo, listed(tmp_path, f"old@acme.example openpgp {old}"))
    assert found == Signature(good=False, reason="its key has expired")
