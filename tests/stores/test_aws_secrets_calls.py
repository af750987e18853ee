"""What a run on Secrets Manager costs, call by call, and that a listing which is late misleads nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from sopsync.change import Action
from sopsync.model import State
from sopsync.stores.aws_secrets_token import Token
from sopsync.stores.testing import Fault, Wire
from sopsync.stores.testing.driver import FENCE, Want, glance, reconcile
from sopsync.stores.testing.place import COMMIT, ORIGIN, OURS, Place, fence, one, stamp, told
from tests.stores.aws_secrets_harness import SecretsHarness
from tests.support.aws import Aws

DIGEST = "a" * 32


class Account:
    """An account where everything is as git wants it: `entries` secrets and a fence."""

    def __init__(self, cloud: Aws, entries: int) -> None:
        self.cloud = cloud
        self.harness = SecretsHarness(cloud)
        token = Token(fields=False, alone=True, digest=DIGEST, commit=COMMIT)
        tags = {"sopsync-o": OURS, "sopsync-p": ORIGIN.encode(256)}
        names = [f"app/{number:05}" for number in range(entries)]
        rows = [
            {"name": name, "value": f"canary-{name}", "version": token.encode(number), "tags": tags}
            for number, name in enumerate(names)
        ]
        cloud.seed_secrets(rows, account=self.harness.account)
        self.wants = {name: Want(one(name), DIGEST) for name in names}
        self.harness.open(Wire()).raise_fence(FENCE, expect=None)
        self._before = len(cloud.calls)

    def calls(self) -> Counter[str]:
        """What reached the server since last asked."""
        seen = self.cloud.calls[self._before :]
        self._before = len(self.cloud.calls)
        assert all(service == "secretsmanager" for service, _ in seen), "a call to another service: KMS, STS"
        return Counter(operation for _, operation in seen)


@pytest.fixture(scope="module")
def large(cloud: Aws) -> Account:
    return Account(cloud, 9_999)


@pytest.fixture
def account(cloud: Aws) -> Account:
    return Account(cloud, 3)


@pytest.fixture
def late(cloud: Aws) -> Iterator[None]:
    """Ends a lag that a test began."""
    yield
    cloud.lag(on=False)


@pytest.mark.parametrize(("entries", "pages"), [(0, 1), (99, 1), (100, 2), (999, 10)])
def test_a_plan_with_nothing_to_do_is_the_listing(cloud: Aws, entries: int, pages: int) -> None:
    account = Account(cloud, entries)
    store = account.harness.open(Wire())
    plan = glance(store, account.wants)
    assert {change.action for change in plan.changes} <= {Action.UNCHANGED}
    assert len(plan.changes) == entries
    assert account.calls() == {"ListSecrets": pages}
    assert store.calls == pages


def test_and_so_it_is_with_ten_thousand(large: Account) -> None:
    large.calls()
    plan = glance(large.harness.open(Wire()), large.wants)
    assert Counter(change.action for change in plan.changes) == {Action.UNCHANGED: 9_999}
    assert large.calls() == {"ListSecrets": 100}


def test_one_changed_entry_among_ten_thousand(large: Account) -> None:
    wants = large.wants | {"app/00007": Want(one("changed"), "b" * 32)}
    large.calls()
    run = reconcile(large.harness.open(Wire()), wants)
    assert [change.action for change in run.changes if change.action is not Action.UNCHANGED] == [Action.UPDATE]
    assert large.calls() == {
        "ListSecrets": 100,
        "DescribeSecret": 2 + 1,  # the entry and the fence; and the entry again before it is written
        "GetSecretValue": 1,  # is it the value that changed, or only its ciphertext?
        "PutSecretValue": 1,
        "UpdateSecretVersionStage": 1,
    }


def test_a_fresh_owner_looks_at_nobody_elses(account: Account) -> None:
    seen = account.harness.open(Wire()).survey({"new/one": DIGEST})
    assert {entry.name: entry.state for entry in seen.entries}["new/one"] is State.ABSENT
    assert account.calls() == {"ListSecrets": 1, "DescribeSecret": 1 + 1}, "what is wanted, and the fence"


def test_what_is_another_owners_by_now_is_not_deleted(account: Account) -> None:
    """Nothing that was asked for is ours, so that the rest is as the listing had it."""
    store = account.harness.open(Wire())
    seen = next(entry for entry in store.survey({"new/one": DIGEST}).entries if entry.name == "app/00001")
    tags = [{"Key": "sopsync-o", "Value": "somebody"}]
    account.harness.outside.aws.tag_resource(SecretId="app/00001", Tags=tags)
    assert seen.version is not None
    (refused,) = store.delete({"app/00001": seen.version}).values()
    assert "another owner" in str(refused)
    assert account.harness.outside.peek("app/00001") is not None


def test_raising_a_fence(account: Account) -> None:
    store = account.harness.open(Wire())
    store.raise_fence(fence("b"), expect=FENCE)
    assert account.calls() == {
        "DescribeSecret": 1,
        "PutSecretValue": 1,
        "UpdateSecretVersionStage": 1,
        "TagResource": 1,
    }


def test_a_mirror_that_is_stale_is_not_believed(account: Account) -> None:
    """Cut off before the tag: the value decides, at one call more."""
    store = account.harness.open(Wire(faults=dict.fromkeys(range(4, 9), Fault.BEFORE)))
    assert told(lambda: store.raise_fence(fence("b"), expect=FENCE)) is not None
    account.calls()
    assert account.harness.open(Wire()).survey({}).fences == {OURS: fence("b")}
    assert account.calls() == {"ListSecrets": 1, "DescribeSecret": 3 + 1, "GetSecretValue": 1}


class TestLate:
    """ListSecrets shows what was there before the run."""

    pytestmark = pytest.mark.usefixtures("late")

    def test_what_was_applied_is_not_planned_again(self, account: Account) -> None:
        created = account.wants | {"app/new": Want(one("new"), DIGEST), "app/00001": Want(one("other"), "b" * 32)}
        account.cloud.lag()
        reconcile(account.harness.open(Wire()), created)
        plan = glance(account.harness.open(Wire()), created)
        assert {change.action for change in plan.changes} == {Action.UNCHANGED}
        del created["app/00002"]
        run = reconcile(account.harness.open(Wire()), created)
        assert Action.DELETE in {change.action for change in run.changes}
        plan = glance(account.harness.open(Wire()), created)
        assert {change.action for change in plan.changes} == {Action.UNCHANGED}, "it is deleted once"

    def test_all_that_was_deleted_is_not_deleted_again(self, account: Account) -> None:
        account.cloud.lag()
        reconcile(account.harness.open(Wire()), {})
        assert glance(account.harness.open(Wire()), {}).changes == ()

    def test_a_first_apply_is_followed_by_another(self, cloud: Aws) -> None:
        """Nothing of what there is is listed, the fence neither."""
        harness = SecretsHarness(cloud)
        cloud.lag()
        wants = {"app/one": Want(one("one"), DIGEST)}
        reconcile(harness.open(Wire()), wants)
        wants["app/one"] = Want(one("two"), "b" * 32)
        run = reconcile(harness.open(Wire()), wants)
        assert not [outcome.problem for outcome in run.outcomes if outcome.problem]
        live = harness.outside.peek("app/one")
        assert live is not None
        assert live.same(one("two"))

    def test_whose_the_rest_is_shows_in_what_was_asked_for(self, account: Account) -> None:
        """Not listed yet, what was asked for is found to be ours: then all of ours is looked at."""
        account.cloud.lag()
        reconcile(account.harness.open(Wire()), {"app/new": Want(one("new"), DIGEST)})
        plan = glance(account.harness.open(Wire()), {"app/new": Want(one("new"), DIGEST)})
        assert {change.action for change in plan.changes} == {Action.UNCHANGED}, "the rest is deleted once"

    def test_a_fence_that_is_late_lets_no_old_commit_pass(self, account: Account) -> None:
        account.cloud.lag()
        account.harness.open(Wire()).raise_fence(fence("b"), expect=FENCE)
        wants = account.wants | {"app/00001": Want(one("old"), "c" * 32)}
        store = account.harness.open(Wire())
        assert store.survey({name: want.digest for name, want in wants.items()}).fences == {OURS: fence("b")}

    def test_a_foreign_write_under_a_stale_row_is_a_conflict(self, account: Account) -> None:
        account.cloud.lag()
        account.harness.outside.put("app/00001", one("foreign"))
        place = Place(account.harness)
        seen = next(e for e in place.store.survey({"app/00001": DIGEST}).entries if e.name == "app/00001")
        assert seen.vouched, "as the listing had it"
        with place.refuses("app/00001"):
            place.write("app/00001", one("ours"), stamp("b"), expect=seen.version)

    def test_what_was_deleted_for_good_is_absent(self, account: Account) -> None:
        account.cloud.lag()
        account.harness.outside.delete("app/00001")
        wants = account.wants | {"app/00001": Want(one("again"), "b" * 32)}
        survey = account.harness.open(Wire()).survey({name: want.digest for name, want in wants.items()})
        states = {entry.name: entry.state for entry in survey.entries}
        assert states["app/00001"] is State.ABSENT


def test_pages_may_be_short_or_empty(account: Account) -> None:
    account.cloud.short_pages = True
    try:
        plan = glance(account.harness.open(Wire()), account.wants)
    finally:
        account.cloud.short_pages = False
    assert [change.action for change in plan.changes] == [Action.UNCHANGED] * 3
    assert account.calls()["ListSecrets"] > 1


def test_a_throttled_call_is_made_again(account: Account) -> None:
    wants = account.wants | {"app/new": Want(one("new"), DIGEST)}
    account.cloud.throttle |= {"CreateSecret": 3, "ListSecrets": 2, "DescribeSecret": 1}
    run = reconcile(account.harness.open(Wire()), wants)
    assert not [outcome.problem for outcome in run.outcomes if outcome.problem]
    calls = account.calls()
    assert (calls["CreateSecret"], calls["ListSecrets"], calls["DescribeSecret"]) == (4, 3, 3)
