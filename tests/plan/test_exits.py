"""Exit codes: what each run earns, and which code wins."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Change, Plan
from sopsync.cli.exits import PRECEDENCE, Exit, of_apply, of_error, of_plan, worst
from sopsync.errors import ConfigError, Denied, Problem, Refused, StalePlan
from sopsync.model import Ref
from tests.support.story import capture


def plan(*actions: Action, broken: bool = False) -> Plan:
    changes = tuple(Change(Ref("s", str(i)), action, "o") for i, action in enumerate(actions))
    return Plan("c" * 40, "main", "d" * 40, "0" * 32, changes, broken=(Problem("x", "broken"),) if broken else ())


A, S = Action, Status


@pytest.mark.parametrize(
    ("actions", "broken", "detailed", "code"),
    [
        ([], False, True, Exit.DONE),
        ([A.UNCHANGED, A.ORPHAN], False, True, Exit.DONE),
        ([A.CREATE], False, True, Exit.PENDING),
        ([A.DRIFT], False, True, Exit.PENDING),
        ([A.CONFLICT], False, True, Exit.PENDING),
        ([A.CREATE], False, False, Exit.DONE),
        ([A.CREATE, A.UNKNOWN], False, True, Exit.ERROR),
        ([A.UNCHANGED], True, False, Exit.ERROR),
    ],
)
def test_plan(actions: list[Action], broken: bool, detailed: bool, code: Exit) -> None:
    assert of_plan(plan(*actions, broken=broken), detailed=detailed) is code


@pytest.mark.parametrize(
    ("actions", "statuses", "code"),
    [
        ([A.UNCHANGED], [], Exit.DONE),
        ([A.CREATE], [S.DONE], Exit.DONE),
        ([A.CREATE, A.DRIFT, A.ORPHAN], [S.DONE], Exit.DONE),
        ([A.CREATE, A.CREATE], [S.DONE, S.FAILED], Exit.PARTLY),
        ([A.CREATE, A.CREATE], [S.DONE, S.SKIPPED], Exit.PARTLY),
        ([A.CREATE], [S.FAILED], Exit.ERROR),
        ([A.CREATE, A.UNKNOWN], [S.DONE], Exit.PARTLY),
        ([A.UNKNOWN], [], Exit.ERROR),
        ([A.UNKNOWN, A.UNCHANGED], [], Exit.PARTLY),
        ([A.UPDATE, A.UPDATE, A.UPDATE], [S.DONE, S.FAILED, S.STALE], Exit.STALE),
        ([A.CONFLICT, A.CREATE], [S.DONE], Exit.REFUSED),
        ([A.CONFLICT, A.CREATE, A.CREATE], [S.DONE, S.FAILED], Exit.PARTLY),
    ],
)
def test_apply(actions: list[Action], statuses: list[Status], code: Exit) -> None:
    made = plan(*actions)
    outcomes = [Outcome(change, status) for change, status in zip(made.writes(), statuses, strict=True)]
    assert of_apply(made, outcomes) is code


def test_errors() -> None:
    assert of_error(Refused("no")) is Exit.REFUSED
    assert of_error(StalePlan("old")) is Exit.STALE
    assert of_error(ConfigError("bad")) is Exit.ERROR
    assert of_error(Denied("403", store="s")) is Exit.ERROR


def test_the_earlier_in_the_table_wins() -> None:
    assert set(PRECEDENCE) == set(Exit)
    for worse, better in pairwise(PRECEDENCE):
        assert worst([better, worse]) is worse
    assert worst([]) is Exit.DONE


@pytest.mark.parametrize("form", ["--json", "--format json", "--format=json"])
def test_a_usage_error_is_json_where_that_was_asked_for(form: str) -> None:
    code, said = capture(["check", "--staged", "--rev", "main", *form.split()])
    assert code == Exit.USAGE
    assert json.loads(said)["problems"][0]["hint"] == "choose one"
