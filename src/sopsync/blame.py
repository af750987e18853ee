"""Who, when and why of one entry: its stamp in the store, followed back into git. Opens nothing unless asked to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sopsync.config_errors import suggest
from sopsync.documents import Documents
from sopsync.errors import ConfigError, SopsyncError, Unavailable, unforeseen
from sopsync.lineage import Blame, Now, Step, Told, Value
from sopsync.model import Desired, Fence, Observed, PastVersion, Ref, State, Version
from sopsync.provenance import origin_commits, told
from sopsync.session import Session
from sopsync.stores.base import Store

T = TypeVar("T")


def blame(session: Session, ref: Ref, *, verify: bool, allowed_signers: Path | None) -> Blame:
    """What is live under `ref`, or (`name@version`) what a past version was. A session of that store alone will do.

    ConfigError: no such entry or version. StoreError: the store does not tell.
    """
    store = _answer(lambda: session.store(ref.store), ref.store)
    at = _find(session, store, ref)
    found = _live(session, at.ref, at.seen)
    if at.asked is not None and at.asked.version != at.seen.version:
        if verify:
            hint = f"leave out @{at.asked.version}, or --verify"
            raise ConfigError(f"{at.ref}: only a live value can be read", hint=hint)
        found = _past(session, found, at.asked)
    elif verify and at.seen.state is State.PRESENT:
        found = replace(found, value=_read(session, store, found, at.fences))
    if found.told is not None and found.told.info is not None:
        signature = session.repo.signature(found.told.commit, allowed_signers)
        found = replace(found, told=replace(found.told, signature=signature))
    return found


def history(session: Session, ref: Ref) -> Iterator[Step]:
    """Every version the store still knows, newest first, each beside its commit."""
    store = _answer(lambda: session.store(ref.store), ref.store)
    at = _find(session, store, ref)
    for past in _versions(store, at.ref.name):
        live = at.seen.state is State.PRESENT and past.version == at.seen.version
        if at.asked is None or at.asked.version == past.version:
            yield Step(past, live, _told(session, past.stamp.commit) if past.stamp else None)


def _answer(ask: Callable[[], T], store: str) -> T:
    """What a store or a file answers. An error leaves its frames behind: they hold tokens and keys."""
    try:
        return ask()
    except SopsyncError as error:
        failed = error
    except Exception as error:  # noqa: BLE001 - of a library; its text may quote anything
        failed = unforeseen(error, store)
    failed.__traceback__ = failed.__context__ = None
    raise failed


# -- finding it


@dataclass(frozen=True, slots=True)
class _Place:
    """The entry as it is live, the version asked for, and the store's fences."""

    ref: Ref
    seen: Observed
    asked: PastVersion | None
    fences: Mapping[str, Fence]


def _find(session: Session, store: Store, ref: Ref) -> _Place:
    """What `name` or `name@version` means. `@` may be part of a name: what is there decides."""
    name, at, version = ref.name.rpartition("@")
    names = [ref.name, name] if at and name and version else [ref.name]
    legal = [one for one in names if re.fullmatch(store.traits.name_pattern, one)]
    wanted = session.manifests.desired
    asked = {one: wanted[Ref(ref.store, one)].digest if Ref(ref.store, one) in wanted else "" for one in legal}
    survey = _answer(lambda: store.survey(asked), ref.store)
    seen = {entry.name: entry for entry in survey.entries}
    for one in legal:
        entry = seen.get(one)
        if entry is None or entry.state is State.UNKNOWN:
            reason = entry.reason if entry else "the store did not answer for it"
            raise Unavailable(reason, store=ref.store, name=one, hint="retry")
        if entry.state is not State.ABSENT or Ref(ref.store, one) in wanted:
            asked_for = _version(store, entry, version) if one != ref.name else None
            return _Place(Ref(ref.store, one), entry, asked_for, survey.fences)
    known = [*(r.name for r in wanted if r.store == ref.store), *(n for n, e in seen.items() if e.owner)]
    hint = suggest(ref.name, known) or "sopsync versions lists what is there"
    raise ConfigError(f"{ref}: no such entry: the store has none, and git wants none", hint=hint)


def _versions(store: Store, name: str) -> tuple[PastVersion, ...]:
    return _answer(lambda: tuple(store.history(name)), store.name)


def _version(store: Store, entry: Observed, asked: str) -> PastVersion:
    """One version, by the store's own name for it; `5` may be written as it is shown, `v5`."""
    known = {past.version: past for past in _versions(store, entry.name)}
    for name in (Version(asked), Version(asked.removeprefix("v"))):
        if name in known:
            return known[name]
    some = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
    what = f"{Ref(store.name, entry.name)}: no version {asked}"
    raise ConfigError(what, hint=f"the store knows {some or 'none'}")


# -- telling of it


def _live(session: Session, ref: Ref, seen: Observed) -> Blame:
    want, stamp = session.manifests.desired.get(ref), seen.stamp
    now = _now(want, seen)
    origin = want.origin if want and (stamp is None or stamp.origin is None) else stamp.origin if stamp else None
    # what git wants and the store does not have yet: the commit it comes from
    pending = _told(session, _source(session, want)) if want is not None and now is Now.PENDING else None
    from_ = _told(session, stamp.commit) if stamp is not None and seen.state is not State.ABSENT else None
    return Blame(ref, seen, now, seen.version, stamp=stamp, origin=origin, told=from_, pending=pending)


def _past(session: Session, live: Blame, past: PastVersion) -> Blame:
    from_ = _told(session, past.stamp.commit) if past.stamp else None
    origin = past.stamp.origin if past.stamp else None
    return replace(live, version=past.version, past=past, stamp=past.stamp, origin=origin, told=from_, pending=None)


def _now(want: Desired | None, seen: Observed) -> Now:
    if want is None:
        return Now.UNWANTED
    if seen.state is State.ABSENT:
        return Now.PENDING
    if seen.owner not in (want.owner, *want.previous_owners):
        return Now.FOREIGN
    if seen.state is State.RECOVERABLE:
        return Now.PENDING
    if not seen.vouched or seen.stamp is None:
        return Now.MOVED
    return Now.SAME if seen.stamp.digest == want.digest else Now.PENDING


def _source(session: Session, want: Desired) -> str:
    """The commit that last changed the ciphertext git holds now. Without keys: `sops rotate` counts as a change."""
    return origin_commits(session.repo, session.commit, [want], None)[want.ref]


def _told(session: Session, commit: str) -> Told:
    return told(session.repo, commit, session.commit)


# -- reading it


def _read(session: Session, store: Store, found: Blame, fences: Mapping[str, Fence]) -> Value:
    """The live value against the value git had where the stamp comes from; git's of today where there is no stamp."""
    opened = _stamped(session, found, fences)
    if opened is None:
        return Value.UNKNOWN
    want, documents = opened
    expect = found.seen.version or Version("")
    ours = _answer(lambda: documents.payload(want), store.name)
    live = _answer(lambda: store.read(found.ref.name, expect=expect), store.name)
    return Value.SAME if ours.same(live) else Value.DIFFERENT


def _stamped(session: Session, found: Blame, fences: Mapping[str, Fence]) -> tuple[Desired, Documents] | None:
    """The entry as git wanted it when it was stamped, and the files of then; None if git no longer shows it."""
    want, stamp = session.manifests.desired.get(found.ref), found.stamp
    if want is not None and (stamp is None or stamp.digest == want.digest):
        return want, session.documents
    if stamp is None or stamp.origin is None:
        return None
    # the fences too: a value that was re-encrypted keeps its commit, while its digest is of the later ciphertext
    for commit in dict.fromkeys((stamp.commit, *(fence.commit for fence in fences.values()))):
        before = session.desired_at(commit, stamp.origin, found.ref) if session.repo.has(commit) else None
        if before is not None and before.digest == stamp.digest:
            return before, _documents(session, commit)
    return None


def _documents(session: Session, commit: str) -> Documents:
    tree = session.repo.tree(commit)
    return Documents(lambda path: session.repo.read(tree, [path])[path], session.keyring)
