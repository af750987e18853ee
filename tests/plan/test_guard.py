"""What is refused: too much at once, a fence in the way, a drift that must block; and what force sets aside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sopsync.change import Action, Ask, Change, Plan
from sopsync.errors import Problem
from sopsync.fence import judge
from sopsync.guard import Thresholds, guard
from sopsync.model import Fence, Observed, Ref, State
from tests.plan.things import COMMIT, OURS, seen, want

ROOT, OTHER_ROOT = "1" * 40, "2" * 40


def plan(*counts: tuple[int, Action], same: bool | None = None) -> Plan:
    changes = []
    for count, action in counts:
        for i in range(count):
            name = f"{action}-{i}"
            found = seen(name) if action is not Action.CREATE else Observed(name, State.ABSENT)
            changes.append(Change(Ref("s", name), action, OURS, desired=want(name), seen=found, same=same))
    return Plan(COMMIT, "main", ROOT, "0" * 32, tuple(changes))


@pytest.mark.parametrize(
    ("counts", "refused"),
    [
        ([(10, Action.UPDATE), (23, Action.UNCHANGED)], True),
        ([(9, Action.UPDATE)], False),
        ([(10, Action.UPDATE), (24, Action.UNCHANGED)], False),
        ([(3, Action.DELETE), (6, Action.UNCHANGED)], True),
        ([(3, Action.DELETE), (7, Action.UNCHANGED)], False),
        ([(2, Action.DELETE)], False),
        ([(50, Action.CREATE)], False),
        ([(50, Action.RESTAMP)], False),
        ([(20, Action.DRIFT)], False),
    ],
)
def test_thresholds(counts: list[tuple[int, Action]], refused: bool) -> None:
    made = plan(*counts)
    assert bool(guard(made, Thresholds(), (), force=False)) is refused
    assert not guard(made, Thresholds(), (), force=True)


def test_adopting_what_is_equal_overwrites_nothing() -> None:
    assert not guard(plan((50, Action.ADOPT), same=True), Thresholds(), (), force=False)
    assert guard(plan((50, Action.ADOPT), same=False), Thresholds(), (), force=False)


def test_what_is_not_there_is_not_overwritten() -> None:
    gone = plan((50, Action.ADOPT))
    changes = (replace(c, seen=seen(c.ref.name, state=State.RECOVERABLE, vouched=False)) for c in gone.changes)
    assert not guard(replace(gone, changes=tuple(changes)), Thresholds(), (), force=False)


def test_only_settled_changes_count() -> None:
    made = plan((20, Action.UPDATE))
    sealed = replace(made, changes=tuple(replace(change, ask=Ask.VALUE) for change in made.changes))
    assert guard(made, Thresholds(), (), force=False)
    assert not guard(sealed, Thresholds(), (), force=False)


def test_the_message_names_numbers_and_the_next_step() -> None:
    (problem,) = guard(plan((10, Action.UPDATE), (10, Action.UNCHANGED)), Thresholds(), (), force=False)
    assert "10 of 20 entries of acme/prod would be updated: 50% is over 30%" in problem.what
    assert "--force" in problem.hint


def test_force_sets_nothing_else_aside() -> None:
    made = plan((1, Action.DRIFT))
    blocking = replace(made, changes=tuple(replace(change, blocks=True) for change in made.changes))
    fence = Problem("", "another repository")
    assert guard(blocking, Thresholds(), (), force=True)
    assert guard(made, Thresholds(), (fence,), force=True) == (fence,)


class Line:
    """A history of one line: commits "0"…"9", each the child of the one before, and a branch "x" off "3"."""

    def has(self, commit: str) -> bool:
        return commit[0] in "0123456789x"

    def is_ancestor(self, older: str, newer: str) -> bool:
        if "x" in (older[0], newer[0]):
            return older == newer or (newer[0] == "x" and older[0] <= "3")
        return older <= newer


@pytest.mark.parametrize(
    ("fence", "root", "accepted", "says"),
    [
        ("5" * 40, ROOT, (), None),
        ("3" * 40, ROOT, (), None),
        ("7" * 40, ROOT, (), "is older"),
        ("x" * 40, ROOT, (), "another line of history"),
        ("f" * 40, ROOT, (), "this clone does not have"),
        ("3" * 40, OTHER_ROOT, (), "another repository"),
        ("f" * 40, ROOT, ("f" * 40,), None),
        ("3" * 40, OTHER_ROOT, ("3" * 40,), None),
        ("3" * 40, OTHER_ROOT, ("4" * 40,), "another repository"),
    ],
)
def test_fence(fence: str, root: str, accepted: tuple[str, ...], says: str | None) -> None:
    problem = judge(
        Fence(OURS, fence, "0" * 32, root),
        store="s",
        commit="5" * 40,
        root=ROOT,
        history=Line(),
        accepted=accepted,
        config="sopsync.yaml",
    )
    assert (problem is None) is (says is None)
    if problem is not None and says is not None:
        assert says in problem.what
        assert problem.hint
