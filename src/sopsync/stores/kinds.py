"""The list of store kinds: what each can do, what the config may say of it, and how to open one. Imports no SDK."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sopsync.errors import Rejected
from sopsync.grants import Grant, Route
from sopsync.model import Sealer, Traits
from sopsync.stores.aws_secrets_policy import grants as secrets_grants
from sopsync.stores.aws_secrets_settings import AWS_SECRETS, AwsSecretsSettings
from sopsync.stores.aws_secrets_settings import traits as secrets_traits
from sopsync.stores.aws_ssm_policy import grants as ssm_grants
from sopsync.stores.aws_ssm_settings import AWS_SSM, AwsSsmSettings
from sopsync.stores.aws_ssm_settings import traits as ssm_traits
from sopsync.stores.base import Store
from sopsync.stores.local_settings import LOCAL, LocalSettings
from sopsync.stores.vault_policy import grants as vault_grants
from sopsync.stores.vault_settings import VAULT, VaultSettings


@dataclass(frozen=True, slots=True)
class Context:
    """What a store may be given from outside its settings."""

    sealer: Callable[[Sequence[str]], Sealer]
    """Encrypts to these age recipients and opens with the identities at hand. May raise SopsyncError."""
    environ: Mapping[str, str]
    base: Path
    """Where relative paths start."""
    commit: str = ""
    """The commit that is being planned or applied, for the logs of whoever runs the store."""
    shared: MutableMapping[Hashable, Any] = field(default_factory=dict)
    """What the stores of one run keep together, by whatever they agree on."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of store. `open` takes (name in the config, settings, context), makes no call, and raises StoreError."""

    traits: Traits
    """Of all stores of this kind; those of one store: `traits_of`."""
    settings: type[BaseModel]
    open: Callable[[str, Any, Context], Store]
    places: Callable[[Any], Collection[tuple[str, ...]]] = lambda _settings: ()
    """settings → where entries are, each place with its widest part first: of two stores neither may be within the
    other, or one would take the other's entries for unwanted ones. Empty: nothing is known."""
    grants: Callable[[str, Any, Sequence[Route]], Iterable[Grant]] = lambda _name, _settings, _routes: ()
    """(name, settings, what may be written) → what each role must be allowed to do. Empty: nobody can be asked."""
    narrowed: Callable[[Any], Traits] | None = None
    """settings → the traits of one store; None: they do not depend on settings."""

    def traits_of(self, settings: Any) -> Traits:
        """What one store can do, and takes."""
        return self.narrowed(settings) if self.narrowed else self.traits


@contextmanager
def _library(extra: str, store: str) -> Iterator[None]:
    """Around an import that needs an extra."""
    try:
        yield
    except ModuleNotFoundError:
        hint = f'pip install "sopsync[{extra}]"'
        raise Rejected("its client library is not installed", store=store, hint=hint) from None


def _local(name: str, settings: LocalSettings, context: Context) -> Store:
    from sopsync.stores.local import LocalStore

    return LocalStore(name, context.base / settings.path, context.sealer(settings.recipients))


def _vault(name: str, settings: VaultSettings, context: Context) -> Store:
    with _library("vault", name):
        from sopsync.stores.vault import open_vault
    return open_vault(name, settings, context)


def _ssm(name: str, settings: AwsSsmSettings, context: Context) -> Store:
    with _library("aws", name):
        from sopsync.stores.aws_ssm import open_ssm
    return open_ssm(name, settings, context)


def _secrets(name: str, settings: AwsSecretsSettings, context: Context) -> Store:
    with _library("aws", name):
        from sopsync.stores.aws_secrets import open_secrets
    return open_secrets(name, settings, context)


def _file(settings: LocalSettings) -> Collection[tuple[str, ...]]:
    return [(posixpath.normpath(settings.path),)]


def _subtree(settings: VaultSettings) -> Collection[tuple[str, ...]]:
    prefix = settings.prefix.split("/") if settings.prefix else []
    return [(settings.address.rstrip("/").lower(), settings.namespace or "", settings.mount, *prefix)]


def _paths(settings: AwsSsmSettings) -> Collection[tuple[str, ...]]:
    return [(*settings.where(), *path.split("/")[1:]) for path in settings.paths] or [settings.where()]


def _names(settings: AwsSecretsSettings) -> Collection[tuple[str, ...]]:
    """A prefix is any number of characters, so each of them is a part of the place."""
    return [("secretsmanager", *settings.where(), *settings.prefix)]


KINDS: Mapping[str, Kind] = {
    "aws-secretsmanager": Kind(AWS_SECRETS, AwsSecretsSettings, _secrets, _names, secrets_grants, secrets_traits),
    "local": Kind(LOCAL, LocalSettings, _local, _file),
    "aws-ssm": Kind(AWS_SSM, AwsSsmSettings, _ssm, _paths, ssm_grants, ssm_traits),
    "vault": Kind(VAULT, VaultSettings, _vault, _subtree, vault_grants),
}
