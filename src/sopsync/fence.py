"""Whether a run may follow the last one: history moves forward, in the same repository."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sopsync.errors import Problem
from sopsync.model import Fence


class History(Protocol):
    """What must be known of git."""

    def has(self, commit: str) -> bool: ...

    def is_ancestor(self, older: str, newer: str) -> bool: ...


def judge(
    fence: Fence, *, store: str, commit: str, root: str, history: History, accepted: Collection[str], config: str
) -> Problem | None:
    """Why a run at `commit` may not write where `fence` stands, or None.

    `accepted` are the commits at which the config takes over a fence that would not let it pass (`accept_history`):
    once the fence has been raised it stands elsewhere, so each works once, and git keeps the record of it.
    """
    if fence.commit in accepted:
        return None
    once = f"if that is meant: {config}: accept_history: [{fence.commit}] (works once)"
    last = f"{store}: {fence.owner} was last applied at {fence.commit[:10]}"
    if fence.root != root:
        what = f"{last} by another repository (first commit {fence.root[:10]}, here {root[:10]})"
        return Problem("", what, f"give this repository an owner of its own; {once}")
    if not history.has(fence.commit):
        return Problem("", f"{last}, which this clone does not have", f"fetch it; or, if history was rewritten: {once}")
    if history.is_ancestor(fence.commit, commit):
        return None
    if history.is_ancestor(commit, fence.commit):
        return Problem("", f"{last}; {commit[:10]} is older", "run on the newest commit; to go back, git revert")
    return Problem("", f"{last}, on another line of history than {commit[:10]}", f"merge it first; {once}")
