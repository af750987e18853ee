"""The system as a whole, told from one plan: each store's counts and fences, each value's age. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sopsync.age import later
from sopsync.change import Action, Change, Plan
from sopsync.errors import Problem
from sopsync.git import CommitInfo
from sopsync.lineage import Told
from sopsync.model import Ref, State


@dataclass(frozen=True, slots=True)
class Standing:
    """One entry: what a plan says of it, and how old its live value is."""

    change: Change
    live: bool
    commit: str = ""
    """The commit its live value comes from; "" if no stamp vouches for it."""
    info: CommitInfo | None = None
    """That commit; None where this clone does not have it."""
    since: datetime | None = None
    """Since when the value is what it is: its commit's date, or when the store says somebody else wrote it."""
    rotate_after: str = ""
    """As its manifest says: `90d`, or ""."""
    due: datetime | None = None
    overdue: bool = False

    @property
    def secret(self) -> str:
        """What it is in git (`path:pointer`), the same in every store; the entry itself where no file is known."""
        return str(self.change.origin) if self.change.origin else str(self.change.ref)


@dataclass(frozen=True, slots=True)
class Applied:
    """A fence: which commit an owner last applied. `info` is None where this clone does not have it."""

    owner: str
    commit: str
    info: CommitInfo | None
    ours: bool
    """Applied by this repository."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One store: how many of its entries are in which state. `problem` is set where nothing of it could be seen."""

    name: str
    counts: Mapping[Action, int]
    applied: tuple[Applied, ...] = ()
    """Newest first."""
    problem: Problem | None = None

    @property
    def entries(self) -> int:
        """Entries that git wants or we own."""
        return sum(self.counts.values())

    @property
    def pending(self) -> int:
        """Entries that apply would write."""
        return sum(count for action, count in self.counts.items() if action.writes)


@dataclass(frozen=True, slots=True)
class Recent:
    """A commit that live values come from, and how many."""

    told: Told
    entries: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Estate:
    """All stores at one commit, at one time."""

    plan: Plan
    at: datetime
    shelves: tuple[Shelf, ...]
    standings: tuple[Standing, ...]
    recent: tuple[Recent, ...] = ()
    """Newest first."""

    @property
    def overdue(self) -> tuple[str, ...]:
        """Secrets past their `rotate_after`, each once however many stores hold it."""
        return tuple(dict.fromkeys(one.secret for one in self.standings if one.overdue))

    @property
    def ageless(self) -> tuple[str, ...]:
        """Secrets that are to be rotated and whose age nobody can tell."""
        found = (one.secret for one in self.standings if one.live and one.rotate_after and one.since is None)
        return tuple(dict.fromkeys(found))


def standing(change: Change, info: CommitInfo | None, rotate_after: str, now: datetime) -> Standing:
    """`info`: the commit that the entry's stamp names, if this clone has it."""
    seen = change.seen
    if seen is None or seen.state is not State.PRESENT:
        return Standing(change, live=False, rotate_after=rotate_after)
    vouched = seen.vouched and seen.stamp is not None
    since = _time(info.date if info else "") if vouched else _time(seen.at)
    due = later(since, rotate_after) if since and rotate_after else None
    return Standing(
        change,
        live=True,
        commit=seen.stamp.commit if vouched and seen.stamp else "",
        info=info if vouched else None,
        since=since,
        rotate_after=rotate_after,
        due=due,
        overdue=due is not None and due < now,
    )


def shelf(name: str, changes: Collection[Change], applied: Collection[Applied]) -> Shelf:
    """One store. Nothing seen of it at all: a problem, and no counts but how many are wanted."""
    counts = Counter(change.action for change in changes if change.ref.name)
    problem = None
    if changes and all(change.action is Action.UNKNOWN and change.seen is None for change in changes):
        first = next(iter(changes))
        problem = Problem(name, first.reason.split("\n")[0], first.hint)
    dated = sorted(applied, key=lambda one: one.info.date if one.info else "", reverse=True)
    return Shelf(name, counts, tuple(dated), problem)


def span(of: timedelta) -> str:
    """How long, in one unit that is rounded down: `5m`, `3h`, `12d`, `7mo`, `2y`."""
    seconds = max(0, int(of.total_seconds()))
    days = seconds // 86400
    for size, unit in ((365, "y"), (60, "mo"), (1, "d")):
        if days >= size:
            return f"{days // (30 if unit == 'mo' else size)}{unit}"
    return f"{seconds // 3600}h" if seconds >= 3600 else f"{seconds // 60}m"


AGES = ((30, "under 30 days"), (90, "under 90 days"), (365, "under a year"))
OLDER, UNKNOWN_AGE = "a year or more", "age unknown"


def ages(estate: Estate) -> dict[str, int]:
    """How many live values are how old; every band, also empty ones."""
    bands = {band: 0 for _, band in AGES} | {OLDER: 0, UNKNOWN_AGE: 0}
    for one in estate.standings:
        if one.live:
            days = (estate.at - one.since).days if one.since else None
            found = UNKNOWN_AGE if days is None else next((band for most, band in AGES if days < most), OLDER)
            bands[found] += 1
    return bands


def _time(text: str) -> datetime | None:
    """An RFC 3339 time; None for what is none, or has no time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
