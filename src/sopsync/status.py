"""The system as a whole: one sealed plan, and what git tells of the commits that live values come from."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sopsync.change import Change
from sopsync.estate import Applied, Estate, Recent, Standing, shelf, standing
from sopsync.git import CommitInfo
from sopsync.model import Ref
from sopsync.provenance import told
from sopsync.session import Session

_RECENT = 10


def status(session: Session, now: datetime, *, recent: bool) -> Estate:
    """Every store that the session looks at. No keys, no values; a store that is down is told as such.

    `recent`: find out about the newest commits too; in a long history each costs git a walk.
    """
    plan = session.plan(sealed=True, verify=lambda _change: False)
    infos = _Infos(session)
    files = session.manifests.files
    standings = []
    for change in plan.changes:
        if not change.ref.name:
            continue
        stamp = change.seen.stamp if change.seen else None
        file = files.get(change.origin.path) if change.origin else None
        rotate_after = file.rotate_after if file else ""
        standings.append(standing(change, infos[stamp.commit] if stamp else None, rotate_after, now))
    by_store: dict[str, list[Change]] = {name: [] for name in session.ask.stores or session.config.stores}
    for change in plan.changes:
        by_store[change.ref.store].append(change)
    shelves = []
    for name, changes in by_store.items():
        owners = {change.owner for change in changes}
        applied = [
            Applied(fence.owner, fence.commit, infos[fence.commit], fence.root == plan.root)
            for whose, fence in plan.fences.items()
            if whose.store == name and fence.owner in owners
        ]
        shelves.append(shelf(name, changes, applied))
    return Estate(plan, now, tuple(shelves), tuple(standings), _recent(session, standings) if recent else ())


def _recent(session: Session, standings: list[Standing]) -> tuple[Recent, ...]:
    """The newest commits that live values come from."""
    by_commit: dict[str, list[Ref]] = defaultdict(list)
    since: dict[str, datetime] = {}
    for one in standings:
        if one.info is not None and one.since is not None:
            by_commit[one.commit].append(one.change.ref)
            since[one.commit] = one.since
    newest = sorted(by_commit, key=lambda commit: since[commit], reverse=True)[:_RECENT]
    return tuple(Recent(told(session.repo, c, session.commit), tuple(by_commit[c])) for c in newest)


class _Infos(dict[str, CommitInfo | None]):
    """Each commit asked of git once; None where this clone does not have it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._repo = session.repo

    def __missing__(self, commit: str) -> CommitInfo | None:
        self[commit] = self._repo.info(commit) if self._repo.has(commit) else None
        return self[commit]
