"""Saved plans: JSON without values, bound to what they were made from; `approved` says what of one still holds."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sopsync import __version__
from sopsync.apply import Outcome, Status
from sopsync.change import Action, Change, Plan
from sopsync.errors import ConfigError, Problem, SopsyncError, StalePlan
from sopsync.model import Ref

_AGAIN = "sopsync plan"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SavedChange(_Strict):
    """One change as approved. `digest` is of the ciphertext wanted, `expect` the store's version planned on."""

    store: str
    name: str
    action: Action
    owner: str
    digest: str
    expect: str | None
    same: bool | None


class SavedFence(_Strict):
    """A fence as it stood."""

    store: str
    owner: str
    text: str


class SavedPlan(_Strict):
    """The file. Nothing in it is secret, but it names entries and commits."""

    format: Literal["sopsync-plan"] = "sopsync-plan"
    version: Literal[1] = 1
    tool: str
    commit: str
    config: str
    root: str
    sealed: bool
    filtered: bool
    fences: tuple[SavedFence, ...]
    changes: tuple[SavedChange, ...]


def save(plan: Plan, path: Path) -> None:
    """Write the plan to `path`."""
    saved = SavedPlan(
        tool=__version__,
        commit=plan.commit,
        config=plan.config,
        root=plan.root,
        sealed=plan.sealed,
        filtered=plan.filtered,
        fences=tuple(SavedFence(store=r.store, owner=r.name, text=f.encode()) for r, f in plan.fences.items()),
        changes=tuple(map(_saved, plan.writes())),
    )
    try:
        path.write_text(saved.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SopsyncError(f"cannot write it: {error.strerror}", where=str(path), hint="name another file") from None


def load(path: Path) -> SavedPlan:
    """Read a plan. ConfigError if it is none, StalePlan if another version of sopsync made it."""
    try:
        saved = SavedPlan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"cannot read it: {error.strerror}", where=str(path), hint="sopsync plan -o FILE makes one"
        ) from None
    except ValidationError:
        raise ConfigError("not a saved plan", where=str(path), hint="sopsync plan -o FILE makes one") from None
    if saved.tool != __version__:
        raise StalePlan(f"made by sopsync {saved.tool}, this is {__version__}", where=str(path), hint=_again(path))
    if saved.sealed:
        raise StalePlan(
            "a sealed plan is for reading: it says less than apply must know", where=str(path), hint=_again(path)
        )
    return saved


def _again(path: Path) -> str:
    return f"{_AGAIN} -o {shlex.quote(str(path))}"


def check_binding(saved: SavedPlan, fresh: Plan, path: Path) -> None:
    """StalePlan if commit, repository, config or fences are not those the plan was made from."""
    fences = {(r.store, r.name): f.encode() for r, f in fresh.fences.items()}
    planned = {(f.store, f.owner): f.text for f in saved.fences}
    reasons = {
        f"planned at {saved.commit[:10]}, this is {fresh.commit[:10]}": saved.commit != fresh.commit,
        "made in another repository": saved.root != fresh.root,
        "made with another config": saved.config != fresh.config,
        "another run has applied since": any(fences.get(key) != text for key, text in planned.items())
        or any(c.owner and (c.store, c.owner) in fences.keys() - planned.keys() for c in saved.changes),
    }
    if problems := [Problem(str(path), what, _again(path)) for what, holds in reasons.items() if holds]:
        raise StalePlan.of(problems)


def approved(saved: SavedPlan, fresh: Plan) -> tuple[Plan, tuple[Outcome, ...]]:
    """(the fresh plan with nothing to do but what is exactly as approved, a stale outcome for each that is not).

    What was not approved stays in the plan as something left alone: thresholds are shares of all there is.
    """
    now = {change.ref: change for change in fresh.changes}
    go: set[Ref] = set()
    stale: list[Outcome] = []
    for planned in saved.changes:
        ref = Ref(planned.store, planned.name)
        change = now.get(ref)
        if change is not None and _saved(change) == planned:
            go.add(ref)
        else:
            found = replace(change, action=planned.action) if change else Change(ref, planned.action, planned.owner)
            stale.append(Outcome(found, Status.STALE, None, Problem("", _moved(planned, change), _AGAIN)))
    kept = (c if c.ref in go or not c.action.writes else _left(c) for c in fresh.changes)
    return replace(fresh, changes=tuple(kept)), tuple(stale)


def _left(change: Change) -> Change:
    return replace(change, action=Action.UNCHANGED, reason="not in the saved plan", ask=None, blocks=False)


def _saved(change: Change) -> SavedChange:
    return SavedChange(
        store=change.ref.store,
        name=change.ref.name,
        action=change.action,
        owner=change.owner,
        digest=change.desired.digest if change.desired else "",
        expect=change.seen.version if change.seen else None,
        same=change.same,
    )


def _moved(planned: SavedChange, change: Change | None) -> str:
    if change is None or change.seen is None:
        return "planned, but no longer there"
    if change.seen.version != planned.expect:
        return f"planned on v{planned.expect}, found v{change.seen.version}"
    if change.action is Action.UNKNOWN:
        return change.reason
    return f"planned to {planned.action}, would now {change.action}"
