"""Opens data keys wrapped for PGP keys, by asking gpg: secret keys stay with it and its agent."""

from __future__ import annotations

import re
import subprocess

from sopsync.sops.keys.base import CannotOpen, Surroundings, short
from sopsync.sops.metadata import MasterKey

SECONDS = 120
"""Time for a person to answer gpg-agent's passphrase dialog."""

_MOST = 4096
"""Bytes gpg may give back: a data key has 32, and a message can hold something huge, compressed."""

# What gpg, its agent and pinentry need to find their files and the person; nothing that could be a credential.
_PASSED = re.compile(
    r"PATH|GNUPGHOME|GPG_TTY|GPG_AGENT_INFO|PINENTRY_USER_DATA|TERM|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_RUNTIME_DIR"
    r"|DBUS_SESSION_BUS_ADDRESS|LANG|LC_[A-Z]+|USER|LOGNAME|TMPDIR|USERPROFILE|APPDATA|LOCALAPPDATA|SYSTEMROOT|TEMP|TMP",
    re.IGNORECASE,
)


class PgpSource:
    """PGP through the `gpg` program, or the one that SOPS_GPG_EXEC names."""

    def __init__(self, around: Surroundings) -> None:
        self._program = around.get("SOPS_GPG_EXEC") or "gpg"
        self._variables = {k: v for k, v in around.variables.items() if _PASSED.fullmatch(k)}
        if around.home:
            self._variables["HOME"] = str(around.home)

    def place(self, key: MasterKey) -> str:  # noqa: ARG002 - the protocol
        return ""

    def unwrap(self, key: MasterKey) -> bytes:
        # --disable-dirmngr: a message must not make gpg talk to the network. Not --quiet: it drops NO_SECKEY
        command = [self._program, "--batch", "--status-fd=2", "--disable-dirmngr", "--no-auto-key-retrieve"]
        command += [f"--max-output={_MOST}", "--decrypt"]
        try:
            done = subprocess.run(
                command,
                input=key.enc.encode("utf-8", "surrogatepass"),
                capture_output=True,
                env=self._variables,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotOpen(f"{short(key)}: gpg did not answer within {SECONDS} s") from None
        except (OSError, ValueError):
            raise CannotOpen(
                f"{short(key)}: {self._program} cannot be started", hint="install GnuPG, or set SOPS_GPG_EXEC"
            ) from None
        status = set(re.findall(rb"^\[GNUPG:\] (\w+)", done.stderr, re.MULTILINE))
        if done.returncode or not done.stdout or b"DECRYPTION_OKAY" not in status:
            raise _refusal(key, done.stderr, status)
        return done.stdout


def _refusal(key: MasterKey, stderr: bytes, status: set[bytes]) -> CannotOpen:
    """Why, by gpg's status lines (doc/DETAILS of GnuPG): its messages are localised and quote what they were given."""
    if not status & {b"ENC_TO", b"BEGIN_DECRYPTION"}:
        return CannotOpen(f"{short(key)}: the wrapped key is not a PGP message")
    if b"[GNUPG:] ERROR pkdecrypt_failed" in stderr:
        return CannotOpen(
            f"{short(key)}: gpg has the secret key but could not unlock it",
            hint="unlock it in gpg-agent first, or export GPG_TTY=$(tty)",
        )
    if b"NO_SECKEY" in status:
        return CannotOpen(f"{short(key)}: gpg has no secret key for it", hint="gpg --import the secret key")
    return CannotOpen(f"{short(key)}: gpg cannot decrypt the wrapped key")
