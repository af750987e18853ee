"""The state of all stores as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sopsync.change import Action
from sopsync.errors import printable
from sopsync.estate import UNKNOWN_AGE, Applied, Estate, Shelf, Standing, ages, span
from sopsync.render.blame import told_json
from sopsync.render.json import FORMAT, dump, problem
from sopsync.render.text import problem_lines

_COUNTED = (Action.DRIFT, Action.ORPHAN, Action.CONFLICT)


def status_lines(estate: Estate, *, by_age: bool) -> Iterator[str]:
    """A table of stores; with `by_age` one of values too, oldest first; then what to look at."""
    plan = estate.plan
    if plan.notes or plan.broken:
        yield f"commit {plan.commit[:7]}" + (f" ({printable(plan.branch)})" if plan.branch else "")
    yield from (f"note: {printable(note)}" for note in plan.notes)
    for one in plan.broken:
        yield from problem_lines(one)
    unknown = any(s.problem is None and s.counts.get(Action.UNKNOWN) for s in estate.shelves)
    head = ["STORE", "ENTRIES", "IN SYNC", "PENDING", "DRIFT", "ORPHAN", "CONFLICT", *["UNKNOWN"] * unknown]
    rows = [[*_row(s, filtered=plan.filtered, unknown=unknown), last_applied(s, estate.at)] for s in estate.shelves]
    yield from columns([[*head, "LAST APPLIED"], *rows], right=range(1, len(head)))
    yield from (
        f"hint: {printable(f'{s.name}: {s.problem.hint}')}" for s in estate.shelves if s.problem and s.problem.hint
    )
    if by_age:
        yield ""
        yield from columns([["AGE", "SINCE", "ENTRY", "FROM", "ROTATE"], *map(_age_row(estate), by_oldest(estate))])
        yield ""
    banded = [f"{count} {band}" for band, count in ages(estate).items() if count]
    if banded:
        yield f"Values: {', '.join(banded)}."
    yield from due_lines(estate, by_age=by_age)


def due_lines(estate: Estate, *, by_age: bool) -> Iterator[str]:
    """What is to be rotated, and what cannot be told."""
    hint = "" if by_age else " · hint: sopsync status --age"
    if late := len(estate.overdue):
        yield f"{late} secret{' is' if late == 1 else 's are'} past rotate_after{hint}"
    if lost := len(estate.ageless):
        yield f"{lost} secret{'' if lost == 1 else 's'} with rotate_after: {UNKNOWN_AGE}{hint}"


def last_applied(shelf: Shelf, now: datetime) -> str:
    """The newest fence; how many others stand at another commit. The time is the commit's: a fence keeps none."""
    if shelf.problem is not None:
        return f"unreachable: {shelf.problem.what}"
    if not shelf.applied:
        return "never"
    newest = shelf.applied[0]
    behind = sum(one.commit != newest.commit for one in shelf.applied)
    more = f" (+{behind} owner{'s' * (behind != 1)} at another commit)" if behind else ""
    return f"{newest.commit[:7]} {_when(newest, now)}{more}"


def _when(applied: Applied, now: datetime) -> str:
    if not applied.ours:
        return "by another repository"
    if applied.info is None:
        return "not in this clone"
    return f"{span(now - datetime.fromisoformat(applied.info.date))} ago" if applied.info.date else ""


def _row(shelf: Shelf, *, filtered: bool, unknown: bool) -> list[str]:
    if shelf.problem is not None:
        return [shelf.name, str(shelf.entries or "?"), *["?"] * (5 + unknown)]
    counts = [str(shelf.counts.get(action, 0)) for action in _COUNTED]
    if filtered:  # a run that looks at less than git holds cannot tell an orphan
        counts[_COUNTED.index(Action.ORPHAN)] = "?"
    counts += [str(shelf.counts.get(Action.UNKNOWN, 0))] * unknown
    in_sync = str(shelf.counts.get(Action.UNCHANGED, 0))
    return [shelf.name, str(shelf.entries), in_sync, str(shelf.pending), *counts]


def by_oldest(estate: Estate) -> list[Standing]:
    """Live values: first those whose age nobody knows, then the oldest."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted((one for one in estate.standings if one.live), key=lambda one: (one.since or never, one.change.ref))


def _age_row(estate: Estate) -> Any:
    def row(one: Standing) -> list[str]:
        age = span(estate.at - one.since) if one.since else "?"
        since = one.since.date().isoformat() if one.since else "?"
        return [age, since, str(one.change.ref), provenance(one), due(one, estate.at)]

    return row


def provenance(one: Standing) -> str:
    """Where the age is known from."""
    if one.info is not None:
        return f"{one.commit[:7]} {one.info.author}"
    if one.commit:
        return f"{one.commit[:7]} not in this clone"
    seen = one.change.seen
    by = f" by {seen.by}" if seen is not None and seen.by else ""
    return f"written in the store{by}"


def due(one: Standing, now: datetime) -> str:
    """Whether it is time to rotate."""
    if not one.rotate_after:
        return ""
    if one.due is None:
        return f"every {one.rotate_after}: {UNKNOWN_AGE}"
    if one.overdue:
        return f"every {one.rotate_after}: {span(now - one.due)} overdue"
    return f"every {one.rotate_after}: in {span(one.due - now)}"


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Rows in columns; those in `right` end at the same place."""
    shown = [[printable(cell) for cell in row] for row in rows]
    wide = [max(len(row[i]) for row in shown) for i in range(len(shown[0]))]
    for row in shown:
        cells = (c.rjust(wide[i]) if i in right else c.ljust(wide[i]) for i, c in enumerate(row))
        yield "  ".join(cells).rstrip()


# -- JSON


def status_json(estate: Estate) -> str:
    """One object: `stores`, `entries` with their ages, `ages` in bands, `overdue` secrets, `recent` commits."""
    plan = estate.plan
    return dump(
        {
            "format_version": FORMAT,
            "commit": plan.commit,
            "branch": plan.branch or None,
            "at": estate.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "filtered": plan.filtered,
            "stores": [_store(one) for one in estate.shelves],
            "ages": ages(estate),
            "overdue": list(estate.overdue),
            "age_unknown": list(estate.ageless),
            "entries": [_entry(one, estate) for one in estate.standings],
            "recent": [{"commit": told_json(r.told), "entries": [str(e) for e in r.entries]} for r in estate.recent],
            "problems": [problem(p) for p in plan.broken],
            "notes": list(plan.notes),
        }
    )


def _store(shelf: Shelf) -> dict[str, Any]:
    return {
        "name": shelf.name,
        "reachable": shelf.problem is None,
        "problem": problem(shelf.problem) if shelf.problem else None,
        "entries": shelf.entries,
        "summary": {action.value: shelf.counts.get(action, 0) for action in Action},
        "pending": shelf.pending,
        "applied": [
            {
                "owner": one.owner,
                "commit": one.commit,
                "commit_date": one.info.date if one.info else None,
                "this_repository": one.ours,
            }
            for one in shelf.applied
        ],
    }


def _entry(one: Standing, estate: Estate) -> dict[str, Any]:
    change = one.change
    return {
        "store": change.ref.store,
        "name": change.ref.name,
        "action": change.action.value,
        "reason": change.reason,
        "owner": change.owner,
        "secret": one.secret,
        "version": change.seen.version if change.seen else None,
        "commit": one.commit or None,
        "since": one.since.isoformat() if one.since else None,
        "age_days": (estate.at - one.since).days if one.since else None,
        "rotate_after": one.rotate_after or None,
        "due": one.due.isoformat() if one.due else None,
        "overdue": one.overdue,
    }
