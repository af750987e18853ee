"""Finds age identities where sops does, and reads each place once.

Sources: `age/keysource.go`, `ssh_parse.go` and `encrypted_keys.go` of sops 3.13. All places count, not the first that
exists. A place that cannot be read is no error as long as another one opens the file, so it becomes a trouble: one line
for the report. What a passphrase protects is kept locked until nothing else helps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sopsync.record import record
from sopsync.sops.keys import rage, sshkeys
from sopsync.sops.keys.base import Surroundings, short_recipient
from sopsync.sops.keys.command import Failed, output_of

MOST = 16 << 20
"""Bytes of a key file, as sops limits it."""

Stanza = tuple[str, ...]
"""One recipient line of an age header: type, then arguments."""


@record()
class Opener:
    """An identity that is ready. `name` says which, and where it is from; `plugin`: using it runs a program."""

    identity: rage.Identity
    name: str
    plugin: bool = False


@record()
class Locked:
    """Identities behind a passphrase. `fits`: whether they may open a file with these stanzas.
    `unlock` raises rage.NoMatch if the passphrase is wrong."""

    name: str
    fits: Callable[[Sequence[Stanza]], bool]
    unlock: Callable[[str], Found]


@record()
class Found:
    """What one place, or all of them, came to."""

    openers: tuple[Opener, ...] = ()
    locked: tuple[Locked, ...] = ()
    troubles: tuple[str, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(self.openers + other.openers, self.locked + other.locked, self.troubles + other.troubles)


def at_hand(around: Surroundings) -> Found:
    """Everything in files and variables, in sops' order."""
    found = Found()
    if named := around.get("SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        found += _file(around, Path(named), "SOPS_AGE_SSH_PRIVATE_KEY_FILE", ssh=True)
    for path in _ssh_defaults(around):
        found += _file(around, path, "", ssh=True)
    if text := around.get("SOPS_AGE_KEY"):
        found += _age(around, "SOPS_AGE_KEY", text.encode("utf-8", "surrogateescape"), words=True)
    if named := around.get("SOPS_AGE_KEY_FILE"):
        found += _file(around, Path(named), "SOPS_AGE_KEY_FILE")
    keys = _key_file(around)
    if keys and keys.exists():
        found += _file(around, keys, "")
    return found


def by_command(around: Surroundings, recipient: str) -> Found:
    """What the key commands print for this recipient. One that prints a locked SSH key is refused, as by sops."""
    found = Found()
    variables = {**around.variables, "SOPS_AGE_RECIPIENT": recipient}
    for name, ssh in (("SOPS_AGE_SSH_PRIVATE_KEY_CMD", True), ("SOPS_AGE_KEY_CMD", False)):
        if line := around.get(name):
            try:
                data = output_of(line, variables)
            except Failed as why:
                found += Found(troubles=(f"{name} {why}",))
            else:
                found += _ssh(name, data) if ssh else _age(around, name, data)
    return found


def _ssh_defaults(around: Surroundings) -> list[Path]:
    paths = [around.home / ".ssh" / name for name in ("id_ed25519", "id_rsa")] if around.home else []
    return [path for path in paths if path.exists()]


def _key_file(around: Surroundings, platform: str = sys.platform) -> Path | None:
    """`sops/age/keys.txt` below the user's configuration directory, by Go's `os.UserConfigDir`; sops itself adds that
    XDG_CONFIG_HOME counts on macOS too."""
    if platform == "win32":
        base = Path(around.get("AppData") or around.get("APPDATA"))
    elif xdg := around.get("XDG_CONFIG_HOME"):
        base = Path(xdg)
    elif around.home is None:
        return None
    else:
        base = around.home / ("Library/Application Support" if platform == "darwin" else ".config")
    return base / "sops" / "age" / "keys.txt" if base.is_absolute() else None


def _file(around: Surroundings, path: Path, variable: str, *, ssh: bool = False) -> Found:
    """One key file. `variable`: the variable that names it, or "" for a default path."""
    where = variable or around.shown(path)
    try:
        with path.open("rb") as file:
            data = file.read(MOST)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        return Found(troubles=(f"{where}: cannot read {around.shown(path)}: {why}" if variable else f"{where}: {why}",))
    if len(data) == MOST:
        return Found(troubles=(f"{where}: too long for a key file",))
    return _ssh(where, data, lockable=True) if ssh else _age(around, where, data)


def _ssh(where: str, data: bytes, *, lockable: bool = False) -> Found:
    """An SSH private key."""

    def fits(stanzas: Sequence[Stanza]) -> bool:
        tag = sshkeys.tag(data)
        return any(s[0] in ("ssh-ed25519", "ssh-rsa") and (not tag or tag in s[1:2]) for s in stanzas)

    def unlock(passphrase: str) -> Found:
        return Found((Opener(rage.ssh(sshkeys.unlocked(data, passphrase)), where),))

    try:
        return Found((Opener(_ssh_identity(data), where),))
    except sshkeys.Protected:
        if lockable:
            return Found(locked=(Locked(where, fits, unlock),))
        return Found(troubles=(f"{where} prints a key that is locked by a passphrase",))
    except ValueError:
        return Found(troubles=(f"{where}: not an ed25519 or RSA private key",))


def _ssh_identity(data: bytes) -> rage.Identity:
    """As it is where pyrage can read it: turning an RSA key around costs tens of milliseconds."""
    try:
        return rage.ssh(data)
    except rage.Unparsable:
        return rage.ssh(sshkeys.unlocked(data))


def _age(around: Surroundings, where: str, data: bytes, *, words: bool = False) -> Found:
    """Age identities, one a line; `words`: blanks separate too (sops 3.13). Or a file of them behind a passphrase."""
    if data.startswith((b"age-encryption", b"-----BEGIN AGE")):

        def fits(stanzas: Sequence[Stanza]) -> bool:
            return any(not s[0].startswith("ssh-") for s in stanzas)

        return Found(locked=(Locked(where, fits, lambda p: _age(around, where, rage.open_with(data, p))),))
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if not line.startswith("#")]
    texts = [text for line in lines for text in (line.split() if words else [line]) if text]
    try:
        return sum((_identity(around, where, text) for text in texts), Found())
    except rage.Unparsable:
        # as in sops, one line that is no identity spoils the place it is in
        return Found(troubles=(f"{where}: holds a line that is not an age identity",))


def _identity(around: Surroundings, where: str, text: str) -> Found:
    """One identity; a kind that cannot be used here is a trouble and leaves its neighbours alone."""
    if text.startswith("AGE-SECRET-KEY-PQ-1"):
        return Found(troubles=(f"{where}: a post-quantum identity, which sopsync cannot use yet",))
    if text.startswith("AGE-PLUGIN-"):
        try:
            identity, name = rage.plugin(text, rage.Callbacks(around.asks()))
        except FileNotFoundError as program:
            return Found(troubles=(f"{where}: {program} is not on PATH",))
        return Found((Opener(identity, f"plugin {name} ({where})", plugin=True),))
    identity, recipient = rage.x25519(text)
    return Found((Opener(identity, f"{short_recipient(recipient)} ({where})"),))
