"""Opens data keys wrapped for age recipients, and seals and opens values for the local store."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Iterator, Sequence

from sopsync.errors import ConfigError, DecryptError, Reason
from sopsync.sops.keys import rage, sshkeys
from sopsync.sops.keys.base import CannotOpen, Surroundings, short, short_recipient
from sopsync.sops.keys.identities import Found, Locked, Stanza, at_hand, by_command
from sopsync.sops.metadata import MasterKey

_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_LISTED = 5


class AgeSource:
    """age, with every identity sops would find. Each place is read, and each passphrase asked for, at most once."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.RLock()
        self._at_hand: Found | None = None
        self._by_command: dict[str, Found] = {}
        self._unlocked: dict[str, Found] = {}

    def place(self, key: MasterKey) -> str:  # noqa: ARG002 - the protocol
        return ""

    def unwrap(self, key: MasterKey) -> bytes:
        sealed = key.enc.strip().encode("utf-8", "surrogatepass")
        if not sealed.startswith(_ARMOR):
            raise CannotOpen(f"{short(key)}: the wrapped key is not an armored age file")
        return self.open(sealed, key.fields.get("recipient", ""))

    def open(self, sealed: bytes, recipient: str = "") -> bytes:
        """What an age file holds. `recipient` is what key commands are told. Raises CannotOpen."""
        damaged = False
        tried = Found()
        for found in self._steps(sealed, recipient):
            tried += found
            plain = [opener.identity for opener in found.openers if not opener.plugin]
            try:
                return rage.open_(sealed, plain)
            except rage.NoMatch:
                pass
            except rage.Damaged:
                damaged = True
            # plugins one by one, so that one that fails spoils nothing
            for opener in found.openers:
                if opener.plugin:
                    try:
                        return rage.open_(sealed, [opener.identity])
                    except (rage.NoMatch, rage.Damaged):
                        pass
        raise _refusal(tried, recipient, _stanzas(sealed), damaged=damaged)

    def _steps(self, sealed: bytes, recipient: str) -> Iterator[Found]:
        """Identities by what they cost: at hand, printed by a command, behind a passphrase that a person must type."""
        with self._lock:
            if self._at_hand is None:
                self._at_hand = at_hand(self._around)
        yield self._at_hand
        with self._lock:
            if recipient not in self._by_command:
                self._by_command[recipient] = by_command(self._around, recipient)
        printed = self._by_command[recipient]
        yield printed
        prompt = self._around.asks()
        for locked in (*self._at_hand.locked, *printed.locked):
            if prompt and locked.fits(_stanzas(sealed)):
                with self._lock:
                    if locked.name not in self._unlocked:
                        self._unlocked[locked.name] = _ask(locked, prompt)
                yield self._unlocked[locked.name]


class AgeSealer:
    """model.Sealer over age: seals to `recipients`, opens with whatever identities the source finds."""

    def __init__(self, source: AgeSource, recipients: Sequence[str]) -> None:
        self._source = source
        if not recipients:
            raise ConfigError("no age recipient to seal to", hint="name at least one age1… or ssh-… recipient")
        self._recipients = [_recipient(text, number) for number, text in enumerate(recipients, 1)]
        self._first = recipients[0]

    def seal(self, plaintext: bytes) -> bytes:
        """A binary age file."""
        return rage.seal(plaintext, self._recipients)

    def open(self, ciphertext: bytes) -> bytes:
        """The plaintext of an age file, armored or binary. Raises DecryptError."""
        try:
            return self._source.open(ciphertext, self._first)
        except CannotOpen as refused:
            why = f"no available age identity opens this value\n  tried: {refused.why}"
            raise DecryptError(why, reason=Reason.DATA_KEY_UNAVAILABLE, hint=refused.hint) from None


def _ask(locked: Locked, prompt: Callable[[str], str]) -> Found:
    try:
        return locked.unlock(prompt(f"Passphrase of {locked.name}: "))
    except (rage.NoMatch, sshkeys.WrongPassphrase):
        return Found(troubles=(f"{locked.name}: wrong passphrase",))
    except sshkeys.NeedsBcrypt:
        return Found(troubles=(f'{locked.name}: its passphrase needs another package: pip install "sopsync[ssh]"',))
    except (ValueError, EOFError, KeyboardInterrupt):
        return Found(troubles=(f"{locked.name}: not unlocked",))


def _refusal(found: Found, recipient: str, stanzas: Sequence[Stanza], *, damaged: bool) -> CannotOpen:
    """Why none of these opened it, and what would."""
    wanted = short_recipient(recipient) if recipient else "age"
    if damaged:
        return CannotOpen(f"{wanted}: the wrapped key is damaged")
    if recipient.startswith(("age1pq1", "age1tagpq1")):
        return CannotOpen(f"{wanted}: post-quantum recipients are not supported yet", hint="add another recipient")
    names = [opener.name for opener in found.openers]
    listed = names[:_LISTED] + ([f"{len(names) - _LISTED} more age identities"] if len(names) > _LISTED else [])
    fitting = [locked.name for locked in found.locked if locked.fits(stanzas)]
    unlocked = {trouble.partition(":")[0] for trouble in found.troubles} | set(names)
    closed = [name for name in fitting if name not in unlocked]
    items = [*listed, *found.troubles, *(f"{name} is locked by a passphrase" for name in closed)]
    if closed:
        hint = f"unlock {closed[0]}: run sopsync in a terminal, or put the unlocked identity in SOPS_AGE_KEY"
    else:
        hint = "set SOPS_AGE_KEY_FILE"
    return CannotOpen("; ".join(items) or "no age identity found", hint=hint)


def _recipient(text: str, number: int) -> rage.Recipient:
    try:
        return rage.recipient(text.strip())
    except rage.Unparsable:
        # never the text itself: somebody may have pasted the secret half
        raise ConfigError(
            f"age recipient {number} cannot be sealed to",
            hint="give a recipient as age-keygen -y prints it (age1…), or an ssh-ed25519 or ssh-rsa public key",
        ) from None


def _stanzas(sealed: bytes) -> tuple[Stanza, ...]:
    """The recipient lines of an age header (age-encryption.org/v1), armored or not; () if there are none to see."""
    if sealed.startswith(_ARMOR):
        try:
            sealed = base64.b64decode(b"".join(sealed.split(b"-----")[2].split()))
        except (binascii.Error, IndexError):
            return ()
    header = sealed.partition(b"\n--- ")[0].decode("ascii", "replace")
    return tuple(tuple(line[3:].split(" ")) for line in header.split("\n") if line.startswith("-> "))
