"""Carry out a plan: raise the fences, write, then delete; one outcome a change; each store on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from threading import Event

from sopsync.change import Action, Change, Plan
from sopsync.errors import Conflict, Problem, SopsyncError, unforeseen
from sopsync.model import Desired, Fence, Lifecycle, Payload, Ref, Stamp, Version
from sopsync.stores.base import Store


class Status(StrEnum):
    """How it ended. `stale`: it moved since it was planned, and was left alone. `skipped`: not tried."""

    DONE = "done"
    FAILED = "failed"
    STALE = "stale"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change. `problem` is set unless it is done; `version` where the store made or kept one."""

    change: Change
    status: Status
    version: Version | None = None
    problem: Problem | None = None


_NOT_GITS = "0" * 32
"""A digest that no ciphertext has."""
Report = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What applying needs from outside: how to open what git wants, which commit it came from, and when to stop."""

    payload: Callable[[Desired], Payload]
    commit_of: Callable[[Desired], str]
    stop: Event
    report: Report = lambda _outcome: None
    shared: bool = False
    """Others work on other parts of the same plan, and any of them may raise the fence."""


def apply(plan: Plan, stores: Mapping[str, Store], means: Means) -> tuple[Outcome, ...]:
    """Every writing change of `plan`, carried out or accounted for, in plan order."""
    by_store: dict[str, list[Change]] = {}
    for change in plan.writes():
        by_store.setdefault(change.ref.store, []).append(change)
    if not by_store:
        return ()

    def one(name: str) -> list[Outcome]:
        return _apply_store(plan, stores[name], by_store[name], means)

    with ThreadPoolExecutor(max_workers=len(by_store)) as pool:
        done = {o.change.ref: o for outcomes in pool.map(one, by_store) for o in outcomes}
    return tuple(done[change.ref] for change in plan.writes())


def _apply_store(plan: Plan, store: Store, changes: Sequence[Change], means: Means) -> list[Outcome]:
    """Fences first: a run that lost the race to raise one writes nothing for that owner."""
    fenced: dict[str, Outcome] = {}
    for owner in dict.fromkeys(owner for change in changes for owner in change.owners):
        seen = plan.fences.get(Ref(store.name, owner))
        wanted = Fence(owner, plan.commit, plan.config, plan.root)
        try:
            if seen != wanted:
                _raise_fence(store, wanted, seen, shared=means.shared)
        except Exception as error:  # noqa: BLE001 - the same, of one owner
            error = error if isinstance(error, SopsyncError) else unforeseen(error, store.name)
            for change in changes:
                if owner in change.owners:
                    fenced[change.ref.name] = _failed(change, error)
    outcomes = [fenced[c.ref.name] for c in changes if c.ref.name in fenced]
    for outcome in outcomes:
        means.report(outcome)
    free = [c for c in changes if c.ref.name not in fenced]
    writes = _all(store, [c for c in free if c.action is not Action.DELETE], means)
    deletes = [c for c in free if c.action is Action.DELETE]
    if all(o.status is Status.DONE for o in (*outcomes, *writes)):
        return [*outcomes, *writes, *_delete_all(store, deletes, means)]
    kept = Problem("", "kept: not every write to this store succeeded", "run apply again")
    skipped = [Outcome(change, Status.SKIPPED, None, kept) for change in deletes]
    for outcome in skipped:
        means.report(outcome)
    return [*outcomes, *writes, *skipped]


def _raise_fence(store: Store, wanted: Fence, seen: Fence | None, *, shared: bool) -> None:
    """Conflict if another run was faster. One of our own kind, at the same commit, raised it to where we want it."""
    try:
        store.raise_fence(wanted, expect=seen)
    except Conflict:
        if not shared:
            raise
        store.raise_fence(wanted, expect=wanted)


def _all(store: Store, changes: Iterable[Change], means: Means) -> list[Outcome]:
    def one(change: Change) -> Outcome:
        outcome = _carry_out(store, change, means)
        means.report(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=store.traits.parallel) as pool:
        return list(pool.map(one, changes))


def _delete_all(store: Store, changes: Sequence[Change], means: Means) -> list[Outcome]:
    """As many at once as the store takes."""

    def some(first: int) -> list[Outcome]:
        outcomes = _delete(store, changes[first : first + store.traits.deletes], means)
        for outcome in outcomes:
            means.report(outcome)
        return outcomes

    with ThreadPoolExecutor(max_workers=store.traits.parallel) as pool:
        batches = pool.map(some, range(0, len(changes), store.traits.deletes))
        return [outcome for outcomes in batches for outcome in outcomes]


def _delete(store: Store, changes: Sequence[Change], means: Means) -> list[Outcome]:
    if means.stop.is_set():
        return [_stopped(change) for change in changes]
    versions = {c.ref.name: c.seen.version for c in changes if c.seen is not None and c.seen.version is not None}
    try:
        refused = store.delete(versions)
    except SopsyncError as error:
        return [_failed(change, error) for change in changes]
    except Exception as error:  # noqa: BLE001 - one store's fault must not lose what became of the others
        return [_failed(change, unforeseen(error, store.name)) for change in changes]
    return [
        _failed(change, refused[change.ref.name]) if change.ref.name in refused else Outcome(change, Status.DONE)
        for change in changes
    ]


def _stopped(change: Change) -> Outcome:
    return Outcome(change, Status.SKIPPED, None, Problem("", "stopped before it was tried", "run apply again"))


def _carry_out(store: Store, change: Change, means: Means) -> Outcome:
    if means.stop.is_set():
        return _stopped(change)
    try:
        return Outcome(change, Status.DONE, _write(store, change, means))
    except SopsyncError as error:
        return _failed(change, error)
    except Exception as error:  # noqa: BLE001 - one entry's fault must not lose what became of the others
        return _failed(change, unforeseen(error, store.name))


def _write(store: Store, change: Change, means: Means) -> Version:
    """What git wants of one entry, written or stamped."""
    name, want, seen = change.ref.name, change.desired, change.seen
    version = seen.version if seen else None
    assert want is not None  # noqa: S101 - only a delete has nothing wanted
    if version is not None and (change.action is Action.RESTAMP or (change.action is Action.ADOPT and change.same)):
        # a seeded value is whoever's rotated it: its stamp says whose the entry is, and never that the value is git's
        digest = _NOT_GITS if want.lifecycle is Lifecycle.SEED else want.digest
        stamp = Stamp(want.owner, digest, _kept_commit(change) or means.commit_of(want), want.origin)
        store.restamp(name, stamp, expect=version, tags=want.tags)
        return version
    stamp = Stamp(want.owner, want.digest, means.commit_of(want), want.origin)
    expect = None if change.action is Action.CREATE else version
    return store.write(name, means.payload(want), stamp, expect=expect, options=want.options, tags=want.tags)


def _kept_commit(change: Change) -> str:
    """A value that did not change keeps the commit it came from: `sops rotate` is not its origin."""
    seen, want = change.seen, change.desired
    if seen is None or seen.stamp is None or want is None:
        return ""
    return seen.stamp.commit if seen.vouched or seen.stamp.digest == want.digest else ""


def _failed(change: Change, error: SopsyncError) -> Outcome:
    status = Status.STALE if isinstance(error, Conflict) else Status.FAILED
    return Outcome(change, status, None, error.problems[0])
