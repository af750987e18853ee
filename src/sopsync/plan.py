"""The decision table: what git wants, against what a store shows, becomes a plan. Pure: no I/O, no values.

`diff` decides what can be decided without keys, and marks what only opening can settle (`Change.ask`). `settle` takes
the answer. Nothing else in sopsync decides what happens to an entry, and only `guard` refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sopsync.change import Action, Ask, Change, KeyChange
from sopsync.errors import Problem, StoreError
from sopsync.limits import breach
from sopsync.model import Desired, Drift, Lifecycle, Observed, Ref, State, Survey, Traits
from sopsync.stamp import Origin


@dataclass(frozen=True, slots=True)
class Prune:
    """What the config says of an entry it no longer names: `rule` is where, for the hint."""

    prune: bool
    rule: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What the decisions need to know besides wanted and seen."""

    traits: Mapping[str, Traits]
    owners: Collection[str]
    """Every owner this repository is; the entries of others are not ours to look at."""
    broken: Collection[str] = ()
    """Paths that could not be read."""
    files: Collection[str] = ()
    """Paths in the commit."""
    prune: Callable[[Origin, Ref, str], Prune | None] = lambda _origin, _ref, _owner: None
    """(origin, entry, owner) → what the config says of it, None where no target of today gave it."""
    filtered: bool = False


def diff(
    desired: Mapping[Ref, Desired], surveys: Mapping[str, Survey | StoreError], scope: Scope
) -> tuple[Change, ...]:
    """Every entry wanted or owned, decided as far as it can be without keys. Total: all problems in one run."""
    changes: list[Change] = []
    for store, survey in surveys.items():
        wanted = {ref.name: want for ref, want in desired.items() if ref.store == store}
        if isinstance(survey, StoreError):
            hint = survey.problems[0].hint or "retry; nothing is deleted there meanwhile"
            what = survey.problems[0].what
            if not wanted:  # what is there and unwanted cannot be told either
                changes.append(Change(Ref(store, ""), Action.UNKNOWN, "", what, hint))
            changes += [Change(want.ref, Action.UNKNOWN, want.owner, what, hint, want) for want in wanted.values()]
            continue
        seen = {entry.name: entry for entry in survey.entries}
        doubt = _doubt(survey, scope)
        decided = [_wanted(want, seen.get(name), scope.traits[store]) for name, want in wanted.items()]
        extra = [entry for name, entry in seen.items() if name not in wanted]
        decided += [c for entry in extra for c in _unwanted(Ref(store, entry.name), entry, doubt, scope)]
        changes += sorted(decided, key=lambda change: change.ref.name)
    return tuple(changes)


def _wanted(want: Desired, seen: Observed | None, traits: Traits) -> Change:
    """Rows "git wants it" of the table."""

    def is_(action: Action, reason: str = "", hint: str = "", ask: Ask | None = None) -> Change:
        return Change(want.ref, action, want.owner, reason, hint, want, seen, ask)

    if seen is None or seen.state is State.UNKNOWN:
        return is_(Action.UNKNOWN, seen.reason if seen else "the store did not answer for it", "retry")
    if too_much := breach(want, traits):
        return is_(Action.CONFLICT, too_much.what, too_much.hint)
    if seen.state is State.ABSENT:
        return is_(Action.CREATE)
    fixed = _fixed(want, seen, traits)
    if seen.owner not in (want.owner, *want.previous_owners):
        return _foreign(want, seen, fixed, is_)
    if seen.state is State.RECOVERABLE:
        return _deleted(want, seen, is_)
    if want.lifecycle is Lifecycle.SEED and seen.owner != want.owner:
        return is_(Action.RESTAMP, f"owner was {seen.owner}")
    if want.lifecycle is Lifecycle.SEED:
        return is_(Action.UNCHANGED, "seeded; its value is not ours to keep")
    if seen.reason:
        return is_(Action.CONFLICT, seen.reason, f"{want.rule}: lifecycle: seed leaves its value alone")
    if fixed:
        return is_(Action.CONFLICT, fixed, _fixed_hint(want))
    return _ours(want, seen, is_)


def _foreign(want: Desired, seen: Observed, fixed: str, is_: Callable[..., Change]) -> Change:
    """Somebody else's, or nobody's: taken over only where the config says so. `fixed`: why it cannot become git's."""
    if want.adopt and want.lifecycle is Lifecycle.SEED and seen.state is State.PRESENT:
        return replace(is_(Action.ADOPT, "seeded: its value stays"), same=True)
    if want.adopt and fixed:
        return is_(Action.CONFLICT, fixed, _fixed_hint(want))
    if want.adopt and not seen.reason:
        ask = Ask.VALUE if seen.state is State.PRESENT else None
        return is_(Action.ADOPT, f"owned by {seen.owner}" if seen.owner else "", ask=ask)
    whose = f"owned by {seen.owner}" if seen.owner else "exists, and no sopsync wrote it"
    return is_(Action.CONFLICT, seen.reason or whose, f"{want.rule}: adopt: true takes it over")


def _deleted(want: Desired, seen: Observed, is_: Callable[..., Change]) -> Change:
    """Ours, and deleted so that it can be had back: with git's value, unless that is not what should come back."""
    if seen.reason:
        return is_(Action.CONFLICT, f"deleted in the store; {seen.reason}", "restore it there, or delete it for good")
    if want.lifecycle is Lifecycle.SEED:
        hint = "restore it there; or delete it for good, and it is seeded anew"
        return is_(Action.CONFLICT, "deleted in the store, with a value that is not git's", hint)
    return is_(Action.RESTORE, "deleted in the store")


def _ours(want: Desired, seen: Observed, is_: Callable[..., Change]) -> Change:
    """Rows "ours": by whether the digest is equal and the stamp vouches for what is live."""
    equal = seen.stamp is not None and seen.stamp.digest == want.digest
    if seen.vouched and seen.stamp is not None:
        if not equal:
            return is_(Action.UPDATE, ask=Ask.VALUE)
        if seen.owner != want.owner:
            return is_(Action.RESTAMP, f"owner was {seen.owner}")
        if other := _other_options(want, seen):
            return is_(Action.DRIFT, other, ask=Ask.VALUE)
        return is_(Action.UNCHANGED)
    if equal or seen.stamp is None:
        return is_(Action.DRIFT, _who(seen), ask=Ask.VALUE)
    reason = f"changed on both sides: {_who(seen)}"
    return is_(Action.CONFLICT, reason, _heal_hint(want), Ask.VALUE)


def _unwanted(ref: Ref, seen: Observed, doubt: str, scope: Scope) -> Iterator[Change]:
    """Rows "git does not want it": ours only, and kept unless everything says that it may go."""
    if seen.state is State.UNKNOWN and not scope.filtered:
        hint = "grant access; or narrow the store (prefix:) to what this repository manages"
        yield Change(ref, Action.UNKNOWN, "", seen.reason or "not looked at", hint, None, seen)
    if seen.owner not in scope.owners or seen.state is not State.PRESENT:
        return
    origin = seen.stamp.origin if seen.stamp else None

    def is_(action: Action, reason: str, hint: str = "", ask: Ask | None = None) -> Change:
        return Change(ref, action, seen.owner, reason, hint, None, seen, ask)

    if scope.filtered:
        return  # a filtered run looks at less than git holds: it cannot tell an orphan
    if origin is None:
        yield is_(Action.ORPHAN, "kept; its stamp does not say which file it came from")
    elif origin.path in scope.broken:
        yield is_(Action.UNKNOWN, f"kept: {origin.path} cannot be read", f"mend {origin.path}")
    elif not (rule := scope.prune(origin, ref, seen.owner)):
        yield is_(Action.ORPHAN, "kept; no rule names it any more", "delete it in the store by hand")
    elif not rule.prune:
        yield is_(Action.ORPHAN, "kept", f"{rule.rule}: prune: true deletes it")
    elif not seen.vouched:
        yield is_(Action.ORPHAN, f"kept; {_who(seen)}", "look at it, and delete it in the store by hand")
    elif doubt:
        yield is_(Action.UNKNOWN, f"kept: {doubt}", "retry")
    else:
        ask = Ask.SOURCE if origin.path in scope.files else None
        yield is_(Action.DELETE, f"no longer in {origin.path}", ask=ask)


def _doubt(survey: Survey, scope: Scope) -> str:
    """Why nothing may be deleted in a store, or "": what could not be read might be, or name, what looks unwanted."""
    for path in scope.broken:
        return f"{path} cannot be read, and may name it"
    for entry in survey.entries:
        if entry.state is State.UNKNOWN:
            return f"part of the store could not be read ({entry.reason or entry.name})"
    return ""


def may_open(change: Change) -> bool:
    """Whether a look at the values could change the decision: it was asked for, or would verify an entry of ours."""
    seeded = change.desired is not None and change.desired.lifecycle is Lifecycle.SEED
    return change.ask is not None or (change.action is Action.UNCHANGED and not seeded)


def settle(change: Change, *, same: bool, keys: tuple[KeyChange, ...] = ()) -> Change:
    """The change once opened: `same` says whether the live value is git's value. `keys`: the fields that differ."""
    want, seen = change.desired, change.seen
    if want is None or seen is None or not may_open(change):
        return replace(change, ask=None)
    change = replace(change, ask=None, same=same, keys=() if same else keys)
    other = _other_options(want, seen)
    # a stamp says that the options are git's, too; so one that the store does not show must be written
    as_wanted = same and not other and seen.options.keys() >= want.options.keys()
    match change.action:
        case Action.ADOPT if same and not as_wanted:
            return replace(change, same=False, reason="same value, other options")
        case Action.ADOPT:
            return change
        case Action.UPDATE if as_wanted:
            return replace(change, action=Action.RESTAMP, reason="re-encrypted, same value")
        case Action.UPDATE:
            return replace(change, reason="same value, other options" if same else change.reason)
        case Action.DRIFT if same and not other:
            return replace(change, action=Action.RESTAMP, reason="its stamp was lost; same value", hint="")
        case Action.CONFLICT if as_wanted:
            return replace(change, action=Action.RESTAMP, reason="its stamp was lost; same value", hint="")
        case Action.UNCHANGED if same:
            return change
        case _:
            return _by_policy(change, want, seen)


def _by_policy(change: Change, want: Desired, seen: Observed) -> Change:
    """Somebody else's value is live: `on_drift` decides, unless it was never ours: then it wants adopting."""
    if seen.stamp is None and not want.adopt:
        reason = "somebody else's value, under a create of ours that was cut off"
        return replace(change, action=Action.CONFLICT, reason=reason, hint=f"{want.rule}: adopt: true takes it over")
    if want.on_drift is Drift.HEAL or seen.stamp is None:
        healed = change.reason if change.action is Action.DRIFT else _who(seen)
        return replace(change, action=Action.UPDATE, reason=f"heals: {healed}", hint="")
    found = Action.CONFLICT if change.action is Action.CONFLICT else Action.DRIFT
    reason = change.reason or _who(seen)
    if change.action is Action.UNCHANGED:
        reason = "the value differs although its stamp vouches for it: a copied or forged stamp"
    return replace(
        change,
        action=found,
        reason=f"{reason}; on_drift: {want.on_drift}",
        hint=f"{want.rule}: on_drift: heal sets them again" if change.same else _heal_hint(want),
        blocks=want.on_drift is Drift.BLOCK,
    )


def hold_deletes(changes: tuple[Change, ...], unopened: Collection[str]) -> tuple[Change, ...]:
    """After opening: a file that did not open may name what looks unwanted, in any store; and a store that could not
    be read in part is not one to delete from. `unopened`: the paths of such files."""
    why = {c.ref.store: c.reason.split("\n")[0] for c in changes if c.action is Action.UNKNOWN}
    stores = why.keys() if not unopened else {change.ref.store for change in changes}
    said = f"kept: {next(iter(unopened))} cannot be opened, and may name it" if unopened else ""
    return tuple(
        unknown(c, Problem("", said or f"kept: part of the store could not be read ({why[c.ref.store]})"))
        if c.action is Action.DELETE and c.ref.store in stores
        else c
        for c in changes
    )


def hold_for_others(changes: tuple[Change, ...], awaited: Mapping[str, str]) -> tuple[Change, ...]:
    """A store's deletes wait for its writes, also for those that are another part's: what looks unwanted may be the old
    place of a value whose new place is `awaited` (store → its name)."""
    return tuple(
        unknown(
            c, Problem("", f"kept: {awaited[c.ref.store]}, of another part, is not written yet", "run again after that")
        )
        if c.action is Action.DELETE and c.ref.store in awaited
        else c
        for c in changes
    )


def unknown(change: Change, problem: Problem) -> Change:
    """The change when opening failed: nothing is done to the entry."""
    return replace(change, action=Action.UNKNOWN, reason=problem.what, hint=problem.hint or "retry", ask=None, keys=())


def _fixed(want: Desired, seen: Observed, traits: Traits) -> str:
    """Which option of what is live is another than git wants, and can never be changed, or ""."""
    for name, default in traits.fixed.items():
        wanted = want.options.get(name, default)
        if wanted not in seen.options.get(name, (wanted,)):
            live = " or ".join(sorted(seen.options[name]))
            return f"its {name} is {live}, git wants {wanted}, and {traits.kind} never changes it"
    return ""


def _fixed_hint(want: Desired) -> str:
    return f"say so at {want.rule}; or delete it in the store, and it is created as git wants it"


def _other_options(want: Desired, seen: Observed) -> str:
    """Which options are live with another value than git wants, or ""."""
    names = [name for name, value in want.options.items() if value not in seen.options.get(name, (value,))]
    return f"changed in the store: {', '.join(sorted(names))}" if names else ""


def _who(seen: Observed) -> str:
    """What moved, as far as the store tells."""
    expected = seen.stamp.version if seen.stamp else ""
    live = f"v{seen.version}" + (f" by {seen.by}" if seen.by else "")
    return f"{live}, expected v{expected}" if expected else f"{live}, without a stamp"


def _heal_hint(want: Desired) -> str:
    return f"put the live value into git, or {want.rule}: on_drift: heal lets git win"
