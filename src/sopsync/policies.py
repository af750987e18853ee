"""From the config and the manifests' metadata to the least policy of each role and holder of credentials. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sopsync.config import Config
from sopsync.grants import Grant, Holder, Role, Route
from sopsync.sops.grants import grants as key_grants
from sopsync.sops.metadata import Metadata
from sopsync.stores.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Policy:
    """What one holder of credentials needs for one role."""

    holder: Holder
    role: Role
    grants: tuple[Grant, ...]
    stores: tuple[str, ...]
    """Names in the config; none: it is for opening manifests alone."""


def policies(
    config: Config,
    routes: Mapping[str, Sequence[Route]],
    files: Iterable[Metadata],
    *,
    stores: Collection[str],
    roles: Collection[Role],
) -> tuple[Policy, ...]:
    """One for each role and holder, in the order of the roles. `files`: the manifests that are to be opened."""
    found: dict[Holder, list[Grant]] = defaultdict(list)
    named: dict[Holder, dict[str, None]] = defaultdict(dict)
    for store, grant in _all(config, routes, files, stores):
        found[grant.holder].append(grant)
        if store:
            named[grant.holder][store] = None
    made = (
        Policy(holder, role, tuple(grant for grant in each if role.covers(grant.role)), tuple(named[holder]))
        for role in Role
        if role in roles
        for holder, each in found.items()
    )
    return tuple(policy for policy in made if policy.grants)


def _all(
    config: Config, routes: Mapping[str, Sequence[Route]], files: Iterable[Metadata], stores: Collection[str]
) -> Iterator[tuple[str, Grant]]:
    """Each grant that names a resource, with the store it is for."""
    for store, settings in config.stores.items():
        if store in stores:
            for grant in KINDS[settings.type].grants(store, settings, routes[store]):
                if grant.resources:
                    yield store, grant
    for grant in key_grants(key for metadata in files for key in metadata.keys()):  # noqa: SIM118 - no mapping
        yield "", grant
