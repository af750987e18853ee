"""Which version of each entry is live, and the commit it comes from: what a consumer pins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sopsync.change import Action, Change, Plan
from sopsync.errors import printable
from sopsync.model import State
from sopsync.render.json import FORMAT, dump, problem
from sopsync.render.status import columns
from sopsync.render.text import problem_lines


def versions_json(plan: Plan) -> str:
    """One object. `entries`: `store:name` → its live version, the commit that comes from (null where no stamp vouches
    for it), and the file. `absent` have none; of `unknown` nobody can tell."""
    return dump(
        {
            "format_version": FORMAT,
            "commit": plan.commit,
            "filtered": plan.filtered,
            "entries": {str(change.ref): _entry(change) for change in plan.changes if live(change)},
            "absent": [str(change.ref) for change in plan.changes if not live(change) and not _unknown(change)],
            "unknown": [
                {"entry": str(change.ref) if change.ref.name else f"{change.ref.store}:", "reason": change.reason}
                for change in plan.changes
                if _unknown(change)
            ],
            "problems": [problem(p) for p in plan.broken],
            "notes": list(plan.notes),
        }
    )


def versions_lines(plan: Plan) -> Iterator[str]:
    """The same, a line an entry."""
    yield from (f"note: {printable(note)}" for note in plan.notes)
    for one in plan.broken:
        yield from problem_lines(one)
    rows = [[str(change.ref), *_told(change)] for change in plan.changes if change.ref.name]
    yield from columns([["ENTRY", "VERSION", "COMMIT"], *rows])
    for store, reason in {c.ref.store: c.reason.split("\n")[0] for c in plan.changes if not c.ref.name}.items():
        yield printable(f"{store}: unknown: {reason}")


def live(change: Change) -> bool:
    """Whether the store holds a value under that name."""
    return change.seen is not None and change.seen.state is State.PRESENT


def _unknown(change: Change) -> bool:
    return not live(change) and change.action is Action.UNKNOWN


def _told(change: Change) -> tuple[str, str]:
    seen = change.seen
    if seen is None or not live(change):
        return ("?", change.reason.split("\n")[0]) if _unknown(change) else ("none", "not applied yet")
    return f"v{seen.version}", seen.stamp.commit if seen.vouched and seen.stamp else "its stamp does not vouch for it"


def _entry(change: Change) -> dict[str, Any]:
    seen, origin = change.seen, change.origin
    stamp = seen.stamp if seen is not None and seen.vouched else None
    return {
        "store": change.ref.store,
        "name": change.ref.name,
        "version": seen.version if seen is not None else None,
        "commit": stamp.commit if stamp else None,
        "path": origin.path if origin else None,
        "pointer": origin.pointer if origin else None,
        "in_sync": change.action is Action.UNCHANGED,
    }
