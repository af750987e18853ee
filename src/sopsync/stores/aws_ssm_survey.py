"""Everything a Parameter Store shows without a value being read: the listing, and tags where it does not say enough.

A listing tells what came with each version. A stamp that came later is in a tag, which costs a call an entry, so tags
are looked up only where the Description does not already vouch for the digest that git wants:

* for the first few of them, one by one;
* where there are more, or where tags alone say whose entries are (`layout: chamber`, the mark in `aws_ssm_fence`),
  in one listing of all that have a stamp in a tag, 100 a call. It may be minutes old. What it vouches for is true all
  the same, since a stamp names its version by number and time; what it leaves open is looked up one by one, up to a
  bound, those first that nothing says are ours. Beyond it, what was stamped while the listing was late costs opening a
  value, or passes for nobody's until the listing has it: a conflict, or where git says `adopt` one more adoption.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from sopsync.errors import Denied, StoreError
from sopsync.model import Observed
from sopsync.stores.aws_session import THREADS
from sopsync.stores.aws_ssm_calls import Calls
from sopsync.stores.aws_ssm_entry import Listed, Tags, observed
from sopsync.stores.aws_ssm_settings import FENCES

_HANDFUL = 5
"""Entries whose tags are looked up before it is worth a listing of tags."""
_MOST = 100
"""Entries looked up one by one: more than that are rarely stamped in the minutes that a listing may be old."""
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(slots=True)
class Listing:
    """What is there. `unknown`: a path ending in a slash, or a name, and why it could not be looked at."""

    entries: dict[str, Listed] = field(default_factory=dict)
    fences: list[Listed] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    tags: dict[str, Tags | None] = field(default_factory=dict)
    """Looked up one by one, so not old; None: it was gone by then."""
    labelled: Mapping[str, Tags] = field(default_factory=dict)
    """Listed, so perhaps old."""

    def observed(self, name: str, *, told: bool) -> Observed:
        tags = self.tags[name] if name in self.tags else self.labelled.get(name)
        return observed(self.entries[name], tags or {}, told=told)


def list_all(calls: Calls, paths: Collection[str]) -> Listing:
    """Every path in a thread of its own. One that is refused is unknown; StoreError where that is the fences' path, or
    nothing could be looked at."""
    found = Listing()
    shards = [*paths, FENCES] if paths else [""]
    seen, failed = side_by_side(shards, lambda path: list(calls.below(path)))
    if FENCES in failed or len(failed) == len(shards) or len(failed) == len(paths) > 0:
        raise failed.get(FENCES) or next(iter(failed.values()))
    found.unknown = {f"{path}/": error.problems[0].what for path, error in failed.items()}
    for listed in (one for rows in seen.values() for one in rows):
        if listed.name.startswith(f"{FENCES}/"):
            found.fences.append(listed)
        elif listed.name.startswith("/"):
            found.entries[listed.name] = listed
    return found


def look_closer(calls: Calls, found: Listing, wanted: Mapping[str, str], *, told: bool, listed: bool) -> None:
    """Add tags to a listing. `told`: Descriptions have stamps; `listed`: tags are to be listed whatever is wanted."""
    open_ = list(_open(found, wanted, told=told))
    if listed or len(open_) > _HANDFUL:
        found.labelled = calls.labelled()
        open_ = list(_open(found, wanted, told=told))
    unowned = [name for name in open_ if not found.observed(name, told=told).owner]
    ours = [name for name in open_ if found.observed(name, told=told).owner]
    found.tags, failed = side_by_side([*unowned, *ours][:_MOST], calls.tags)
    for name, error in failed.items():
        if not isinstance(error, Denied):
            raise error
        found.unknown[name] = error.problems[0].what
    for name, tags in found.tags.items():
        if tags is None:
            del found.entries[name]


def _open(found: Listing, wanted: Mapping[str, str], *, told: bool) -> Iterator[str]:
    """What is asked for, is there, and is not known to be just as git wants it."""
    for name, digest in wanted.items():
        if name in found.entries:
            seen = found.observed(name, told=told)
            if not (seen.vouched and seen.stamp and seen.stamp.digest == digest):
                yield name


def side_by_side(items: Collection[_T], look: Callable[[_T], _R]) -> tuple[dict[_T, _R], dict[_T, StoreError]]:
    """What `look` gives for each, and what it raises; several at a time."""
    failed: dict[_T, StoreError] = {}

    def one(item: _T) -> list[tuple[_T, _R]]:
        try:
            return [(item, look(item))]
        except StoreError as error:
            failed[item] = error
            return []

    if not items:
        return {}, {}
    with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
        return dict(pair for pairs in pool.map(one, items) for pair in pairs), failed
