"""Everything a store shows without a value being read: a listing, and a closer look where it is needed.

What is looked at closer, one call each, because a listing may be five minutes late and shows no replicas:

1. every name asked for that the listing does not show as git wants it, names that it does not show at all included;
2. every entry nobody asked for, of an owner of whom something that was asked for is (of any owner, where nothing was):
   it may be about to be deleted. Where nothing that was asked for is anybody's, it is as listed, and a delete looks;
3. if there was anything of those, the fences that are listed, and those of the owners seen on the way.

So a plan with nothing to do is the listing alone. What it believes was true minutes ago, and it writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sopsync.errors import StoreError, Unavailable
from sopsync.model import Observed, State, Survey, Traits
from sopsync.stores.aws_secrets_calls import Calls
from sopsync.stores.aws_secrets_entry import Entry, observed
from sopsync.stores.aws_secrets_fence import Fences
from sopsync.stores.aws_secrets_settings import FENCES
from sopsync.stores.aws_session import THREADS

_GIVE_UP = 8
"""Looks without an answer after which AWS is down, rather than one entry unreadable."""


def misnamed(name: str, traits: Traits) -> str:
    """Why no entry can have this name here, or ""."""
    if len(name) <= traits.max_name and re.fullmatch(traits.name_pattern, name):
        return ""
    return f"a name is {traits.name_rule}; at most {traits.max_name} characters"


def survey(calls: Calls, fences: Fences, wanted: Mapping[str, str], traits: Traits) -> Survey:
    """See above; errors as of `Store.survey`."""
    listed = {entry.name: entry for entry in calls.listed()}
    raised = {name: entry for name, entry in listed.items() if fences.holds(name)}
    # the fences of stores with another prefix are no entries, either
    seen = {name: observed(entry) for name, entry in listed.items() if FENCES not in name}
    wrong = {name: why for name in wanted if (why := misnamed(name, traits))}
    asked = {name: digest for name, digest in wanted.items() if name not in wrong}
    looks, doubted = _Looks(calls), set[str]()
    # again, because a look may show whose something is
    while closer := [name for name in _doubted(seen, asked) if name not in doubted]:
        # a fence that cannot be looked at is not a fence that is not there
        for name, found in looks.at(closer if doubted else [*raised, *closer]).items():
            if name in raised:
                _replace(raised, name, _sure(found))
            else:
                seen[name] = _shown(name, found)
        doubted.update(closer)
    if doubted:
        owners = {seen[name].owner for name in doubted} - {""}
        for name, found in looks.at(fences.owners(owners) - raised.keys()).items():
            _replace(raised, name, _sure(found))
    seen |= {name: Observed(name, State.UNKNOWN, reason=why) for name, why in wrong.items()}
    entries = (entry for entry in seen.values() if entry.name in wanted or entry.owner or entry.state is State.UNKNOWN)
    return Survey(tuple(entries), fences.learn(raised.values()))


def _doubted(seen: Mapping[str, Observed], wanted: Mapping[str, str]) -> list[str]:
    """Names to look at closer, fences apart."""
    asked = [name for name, digest in wanted.items() if not _settled(seen.get(name), digest)]
    owners = {seen[name].owner for name in wanted if name in seen} - {""}
    return asked + [
        name
        for name, entry in seen.items()
        if name not in wanted and entry.owner and (not wanted or entry.owner in owners)
    ]


def _settled(entry: Observed | None, digest: str) -> bool:
    if entry is None or not entry.vouched or entry.stamp is None:
        return False
    return digest in ("", entry.stamp.digest)


def _shown(name: str, found: Entry | StoreError | None) -> Observed:
    if found is None:
        return Observed(name, State.ABSENT)
    if isinstance(found, StoreError):
        return Observed(name, State.UNKNOWN, reason=found.problems[0].what)
    return observed(found)


def _sure(found: Entry | StoreError | None) -> Entry | None:
    if isinstance(found, StoreError):
        raise found
    return found


def _replace(entries: dict[str, Entry], name: str, found: Entry | None) -> None:
    entries.pop(name, None)
    if found is not None:
        entries[name] = found


class _Looks:
    """Many at once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._silent: list[Unavailable] = []

    def at(self, names: Iterable[str]) -> dict[str, Entry | StoreError | None]:
        """What each shows now, or why it does not. StoreError if AWS does not answer any more."""
        names = list(names)
        with ThreadPoolExecutor(THREADS) as pool:
            found = dict(zip(names, pool.map(self._one, names), strict=True))
        if len(self._silent) >= _GIVE_UP:
            raise self._silent[0]
        return found

    def _one(self, name: str) -> Entry | StoreError | None:
        if len(self._silent) >= _GIVE_UP:
            return self._silent[0]
        try:
            return self._calls.look(name)
        except StoreError as error:
            if isinstance(error, Unavailable):
                self._silent.append(error)
            return error
