"""Recovers the data key of a SOPS file with whatever keys this person or machine has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sopsync.errors import ConfigError, DecryptError, Reason
from sopsync.sops import shamir
from sopsync.sops.keys.base import CannotOpen, Source, Surroundings, Unreachable, short
from sopsync.sops.keys.report import Attempt, report
from sopsync.sops.metadata import MasterKey, Metadata

if TYPE_CHECKING:
    from sopsync.model import Sealer

_DEFAULT_ORDER = "age,pgp"
_KEY_BYTES = 32
_Name = tuple[int, tuple[object, ...]]
"""How a wrapped data key is known again."""


class Keyring:
    """Every key source sops has, found where sops finds it. Nothing is read, run or imported until a file needs it.

    Safe for several threads. Data keys are kept in memory for as long as the keyring lives; so is the knowledge that a
    remote service does not answer. Use one keyring for one run.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._data_keys: dict[_Name, bytes] = {}
        self._gone: dict[tuple[str, str], Unreachable] = {}

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        home: Path | None = None,
        allow_hosts: Collection[str] = (),
        prompt: Callable[[str], str] | None = None,
    ) -> Keyring:
        """Finds keys where sops does.

        `environ`: the variables sops reads, instead of the process' own (which the credential chains of the cloud SDKs
        also look at, whatever is given here). `home`: instead of HOME. `allow_hosts`: `host`, `host:port` or URL of
        servers that a file may name and that may be sent our credentials. `prompt`: asks a person for a passphrase,
        as `getpass.getpass` does; called only if standard input is a terminal.
        """
        variables = dict(os.environ if environ is None else environ)
        own = variables.get("HOME") or variables.get("USERPROFILE")
        return cls(Surroundings(variables, home or (Path(own) if own else None), frozenset(allow_hosts), prompt))

    def data_key(self, metadata: Metadata) -> bytes:
        """The 32 bytes that every value of the file is sealed with.

        Raises DecryptError (DATA_KEY_UNAVAILABLE, or SHAMIR where the shares do not fit together) with a report of
        several lines; ConfigError if SOPS_DECRYPTION_ORDER is wrong.
        """
        name = _name(metadata)
        with self._lock:
            known = self._data_keys.get(name)
        if known is not None:
            return known
        key = self._recover(metadata)
        if len(key) != _KEY_BYTES:
            raise DecryptError("what the keys open is not a data key", reason=Reason.DATA_KEY_UNAVAILABLE)
        with self._lock:
            self._data_keys[name] = key
        return key

    def age_sealer(self, recipients: Sequence[str]) -> Sealer:
        """Seals to age recipients (`age1…`, `ssh-…`) and opens with the age identities of this keyring.

        Raises ConfigError for a recipient that is none; its `open` raises DecryptError.
        """
        from sopsync.sops.keys.age import AgeSealer, AgeSource

        source = self._source("age")
        assert isinstance(source, AgeSource)  # noqa: S101 - what _make makes of "age"
        return AgeSealer(source, recipients)

    def _recover(self, metadata: Metadata) -> bytes:
        """As sops does: every group is tried, also when enough have opened, because all shares enter the sum."""
        order = self._order()
        shares: list[bytes] = []
        attempts: list[Attempt] = []
        for group in metadata.groups:
            share, attempt = self._open_group(sorted(group, key=lambda key: order.get(key.type, len(order))))
            attempts.append(attempt)
            if share is not None:
                shares.append(share)
        if len(metadata.groups) <= 1:
            if shares:
                return shares[0]
        elif len(shares) >= metadata.threshold:
            try:
                return shamir.combine(shares)
            except shamir.ShareError as error:
                why, hint = report(attempts, metadata.threshold)
                raise DecryptError(f"{why}\n  but: {error}", reason=Reason.SHAMIR, hint=hint) from None
        why, hint = report(attempts, metadata.threshold)
        raise DecryptError(why, reason=Reason.DATA_KEY_UNAVAILABLE, hint=hint)

    def _open_group(self, keys: Sequence[MasterKey]) -> tuple[bytes | None, Attempt]:
        """The first key that opens wins: all keys of a group wrap the same."""
        refusals: list[CannotOpen] = []
        for key in keys:
            try:
                share = self._ask(key)
            except CannotOpen as refused:
                refusals.append(refused)
            else:
                return share, Attempt(keys, refusals, opened=True)
        return None, Attempt(keys, refusals, opened=False)

    def _ask(self, key: MasterKey) -> bytes:
        """Ask the source of this key, unless it is known that nobody will answer."""
        source = self._source(key.type)
        place = key.type, source.place(key)
        if place in self._gone:
            raise CannotOpen(self._gone[place].why, hint=self._gone[place].hint)
        try:
            return source.unwrap(key)
        except Unreachable as gone:
            self._gone[place] = gone
            raise
        except CannotOpen:
            raise
        except Exception as error:  # noqa: BLE001 - an SDK's surprise must not end the run, nor show what it quotes
            raise CannotOpen(f"{short(key)}: {type(error).__name__}") from None

    def _source(self, kind: str) -> Source:
        with self._lock:
            if kind not in self._sources:
                self._sources[kind] = _make(kind, self._around)
            return self._sources[kind]

    def _order(self) -> dict[str, int]:
        """Key type → rank. Types that are not listed come after all others, in file order."""
        order = (self._around.get("SOPS_DECRYPTION_ORDER") or _DEFAULT_ORDER).split(",")
        if len(set(order)) < len(order):
            raise ConfigError("SOPS_DECRYPTION_ORDER names a key type twice", hint="name each once, as in: age,pgp,kms")
        return {kind: rank for rank, kind in enumerate(order)}


class _Unsupported:
    """Stands in for a key type that sopsync cannot use, so that the report names it."""

    def place(self, key: MasterKey) -> str:  # noqa: ARG002 - the protocol
        return ""

    def unwrap(self, key: MasterKey) -> bytes:
        raise CannotOpen(f"{short(key)}: not supported by sopsync", hint="add a key of another type to the file")


def _make(kind: str, around: Surroundings) -> Source:
    """The source for sops' name of a key type, imported now and not before."""
    match kind:
        case "age":
            from sopsync.sops.keys.age import AgeSource

            return AgeSource(around)
        case "pgp":
            from sopsync.sops.keys.pgp import PgpSource

            return PgpSource(around)
        case "kms":
            from sopsync.sops.keys.aws import AwsSource

            return AwsSource(around)
        case "gcp_kms":
            from sopsync.sops.keys.gcp import GcpSource

            return GcpSource(around)
        case "azure_kv":
            from sopsync.sops.keys.azure import AzureSource

            return AzureSource(around)
        case "hc_vault":
            from sopsync.sops.keys.vault import VaultSource

            return VaultSource(around)
        case _:
            return _Unsupported()


def _name(metadata: Metadata) -> _Name:
    """What is unwrapped, and by what: every key of every group, and the threshold."""
    groups = (
        tuple((key.type, key.enc, frozenset(key.fields.items()), frozenset(key.context.items())) for key in group)
        for group in metadata.groups
    )
    return metadata.threshold, tuple(groups)
