"""Who signed a commit, as far as a list of allowed signers vouches for the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sopsync.errors import SourceError
from sopsync.git.process import Answer, Git, shown

_SSH = re.compile(r'Good "git" signature for (?P<who>.+) with \S+ key \S+')
_SSH_STRANGER = re.compile(r'Good "git" signature with \S+ key (?P<key>\S+)')
_GPG_VALID = re.compile(r"\[GNUPG:\] VALIDSIG (?P<key>[0-9A-F]{40,64})(?: \S+){8} (?P<primary>[0-9A-F]{40,64})")
_GPG_LINE = re.compile(r"(?P<who>[^\s#]\S*)\s+openpgp\s+(?P<key>[0-9A-Fa-f]{40,64})\s*(?:#.*)?")
_GPG_REASONS = {
    "EXPKEYSIG": "its key has expired",
    "EXPSIG": "its signature has expired",
    "NO_PUBKEY": "its key is not in the gpg keyring",
    "REVKEYSIG": "its key was revoked",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """`good`: the commit is what the holder of a listed key signed. `signer` is who the list says that is.
    `reason` says why it is not good, or ""."""

    good: bool
    signer: str = ""
    reason: str = ""


def verify(git: Git, commit: str, armor: str, allowed_signers: Path | None) -> Signature:
    """Check a commit whose signature begins with the line `armor` ("" if it has none).

    1. Not signed, or nobody is allowed: not good.
    2. git checks the signature with ssh-keygen or gpg, found on PATH: never with a program the repository names.
    3. Good only if git says so, and the key it says so of is in the list: an SSH key as ssh-keygen(1) has it, an
       OpenPGP key by a line `<principal> openpgp <fingerprint>`, which ssh-keygen skips. Being in somebody's gpg
       keyring is not enough.
    """
    # 1
    if not armor:
        return Signature(good=False, reason="not signed")
    if allowed_signers is None:
        return Signature(good=False, reason="signed, but no allowed signers are named")
    try:
        listed = allowed_signers.read_text("utf-8", "replace")
    except OSError as error:
        hint = "--allowed-signers names a file as in ssh-keygen(1), ALLOWED SIGNERS"
        raise SourceError(f"cannot be read: {error.strerror}", where=shown(str(allowed_signers)), hint=hint) from None
    # 2
    checked = git.run(
        "verify-commit", "--raw", commit, config=(f"gpg.ssh.allowedSignersFile={allowed_signers.absolute()}",)
    )
    # 3
    if armor == "-----BEGIN SSH SIGNATURE-----":
        return _ssh(checked)
    if armor == "-----BEGIN PGP SIGNATURE-----":
        return _gpg(checked, listed)
    return Signature(good=False, reason="signed neither with SSH nor with OpenPGP")


def _ssh(checked: Answer) -> Signature:
    """What `ssh-keygen -Y verify` said, one line a finding."""
    good = [found["who"] for found in map(_SSH.fullmatch, checked.err) if found]
    if checked.code == 0 and len(good) == 1:
        return Signature(good=True, signer=shown(good[0]))
    strangers = [found["key"] for found in map(_SSH_STRANGER.fullmatch, checked.err) if found]
    if strangers:
        return Signature(good=False, reason=f"its key {strangers[0]} is not (or no longer) an allowed signer's")
    return Signature(good=False, reason=_bad(checked))


def _gpg(checked: Answer, listed: str) -> Signature:
    """What gpg said, in its status lines (doc/DETAILS of GnuPG): two fingerprints, of the key and of its primary."""
    allowed = {found["key"].upper(): found["who"] for found in map(_GPG_LINE.fullmatch, listed.splitlines()) if found}
    valid = [found for found in map(_GPG_VALID.match, checked.err) if found]
    if checked.code != 0 or len(valid) != 1:
        return Signature(good=False, reason=_bad(checked))
    for key in (valid[0]["key"], valid[0]["primary"]):
        if key in allowed:
            return Signature(good=True, signer=shown(allowed[key]))
    return Signature(good=False, reason=f"its key {valid[0]['primary']} is not an allowed signer's")


def _bad(checked: Answer) -> str:
    """What is wrong with a signature that git did not accept."""
    for line in checked.err:
        if line.startswith("error: cannot run"):
            return f"cannot be checked: {line.removeprefix('error: ')}"
        words = line.split(" ")
        if words[0] == "[GNUPG:]" and words[1] in _GPG_REASONS:
            return _GPG_REASONS[words[1]]
    return "its signature is bad"
