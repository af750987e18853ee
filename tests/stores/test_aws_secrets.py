"""What is Secrets Manager's own: shells, rotation, deletions, maps, keys, replicas, and what belongs to others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from sopsync.errors import Conflict, Denied, Rejected
from sopsync.model import Observed, Payload, Secret, Stamp, State, Version
from sopsync.stores.aws_secrets import open_secrets
from sopsync.stores.aws_secrets_settings import AwsSecretsSettings
from sopsync.stores.testing import Fault as Broken
from sopsync.stores.testing import Wire
from sopsync.stores.testing.driver import Want, reconcile
from sopsync.stores.testing.place import OURS, Place, delete, fence, one, several, stamp, told
from tests.stores.aws_secrets_harness import Context, SecretsHarness, client
from tests.support.aws import Aws, Fault
from tests.support.aws.callers import US


@pytest.fixture
def harness(cloud: Aws) -> SecretsHarness:
    return SecretsHarness(cloud)


@pytest.fixture
def place(harness: SecretsHarness) -> Place:
    return Place(harness)


def seed(cloud: Aws, harness: SecretsHarness, name: str, **row: object) -> None:
    cloud.seed_secrets([{"name": name, **row}], account=harness.account)


# -- what is in a secret


def test_a_map_is_what_the_console_shows_as_pairs(harness: SecretsHarness, place: Place) -> None:
    place.write("map", several(user="ünï", password='"quoted"'))
    text = harness.outside.aws.get_secret_value(SecretId="map")["SecretString"]
    assert json.loads(text) == {"user": "canary-ünï", "password": 'canary-"quoted"'}


def test_a_text_that_looks_like_a_map_stays_a_text(harness: SecretsHarness, place: Place) -> None:
    text = Payload(value=Secret(b'{ "user": "canary-x" }'))
    version = place.write("text", text)
    assert place.store.read("text", expect=version).same(text)
    assert harness.outside.aws.get_secret_value(SecretId="text")["SecretString"] == '{ "user": "canary-x" }'
    # stamped anew it is still what it was
    place.store.restamp("text", stamp("b"), expect=version, tags={})
    assert place.fresh().read("text", expect=version).same(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"a": "canary-1"}', {"a": "canary-1"}),
        ("{}", {}),
        ('{"port": 5432}', None),
        ('{"a": {"b": "canary-1"}}', None),
        ('{"a": "canary-1", "a": "canary-2"}', None),
        ('["canary-1"]', None),
        ('"canary-1"', None),
        ('{"a": "\\ud800"}', None),
        ('{"\\ud800": "canary-1"}', None),
        ("[" * 1000, None),
    ],
)
def test_what_others_wrote_is_a_map_only_if_we_could_have_written_it(
    harness: SecretsHarness, place: Place, text: str, fields: Mapping[str, str] | None
) -> None:
    harness.outside.aws.create_secret(Name="theirs", SecretString=text)
    found = place.store.read("theirs", expect=place.version("theirs"))
    whole = Payload(value=Secret(text.encode()))
    wanted = whole if fields is None else Payload(fields={k: Secret(v.encode()) for k, v in fields.items()})
    assert found.same(wanted)


def test_bytes_that_are_text_under_the_wrong_name_are_not_the_text(harness: SecretsHarness, place: Place) -> None:
    harness.outside.aws.create_secret(Name="theirs", SecretBinary=b"canary-x")
    assert not place.store.read("theirs", expect=place.version("theirs")).same(one("x"))


def test_the_escapes_of_json_count(place: Place) -> None:
    full = Payload(fields={"k": Secret(b"canary-" + b"\n" * ((65_536 - len('{"k":"canary-"}')) // 2))})
    place.write("full", full)
    assert place.holds("full", full)
    over = Payload(fields={"k": Secret(b"canary-" + b"\n" * (65_536 // 2))})
    with place.refuses("over", Rejected):
        place.write("over", over)


def test_a_commit_of_sha256_is_kept_whole(place: Place) -> None:
    long = Stamp("o" * 64, "a" * 32, "e" * 64, None)
    first = place.write("entry", one("one"), long)
    second = place.write("entry", one("two"), long, expect=first)
    assert place.see("entry").stamp == long.naming(second)
    assert place.see("entry").vouched


# -- the witness


def test_going_back_to_an_old_version_is_drift(harness: SecretsHarness, place: Place) -> None:
    first = place.write("entry", one("one"), stamp("a"))
    second = place.write("entry", one("two"), stamp("b"), expect=first)
    harness.outside.roll_back("entry")
    seen = place.see("entry")
    assert (seen.version, seen.vouched) == (first, False)
    assert seen.stamp == stamp("b").naming(second), "what was expected"
    harness.outside.roll_back("entry")  # and forth
    assert place.see("entry").vouched


def test_cut_off_before_the_move_the_old_truth_holds_and_the_next_run_finishes(
    harness: SecretsHarness, place: Place
) -> None:
    first = place.write("entry", one("one"), stamp("a"))
    wire = Wire(faults=dict.fromkeys(range(3, 9), Broken.BEFORE))
    assert told(lambda: harness.open(wire).write("entry", one("two"), stamp("b"), expect=first, options={}, tags={}))
    seen = place.see("entry")
    assert (seen.version, seen.vouched, seen.stamp) == (first, True, stamp("a").naming(first))
    pending = harness.outside.holder("entry", "sopsync-pending")
    assert pending != first
    assert place.write("entry", one("two"), stamp("b"), expect=first) == pending
    assert place.holds("entry", one("two"))


def test_a_pending_version_that_holds_something_else_is_left(harness: SecretsHarness, place: Place) -> None:
    first = place.write("entry", one("one"), stamp("a"))
    wire = Wire(faults=dict.fromkeys(range(3, 9), Broken.BEFORE))
    assert told(lambda: harness.open(wire).write("entry", one("wrong"), stamp("b"), expect=first, options={}, tags={}))
    place.write("entry", one("two"), stamp("b"), expect=first)
    assert place.holds("entry", one("two"))


def test_tags_that_must_change_with_the_value_are_not_forgotten(harness: SecretsHarness, place: Place) -> None:
    """Cut off before the tags, the new version does not vouch for itself: so somebody sets them."""
    first = place.write("entry", one("one"), stamp("a"))
    wire = Wire(faults=dict.fromkeys(range(4, 9), Broken.BEFORE))
    tags = {"team": "web"}
    assert told(lambda: harness.open(wire).write("entry", one("two"), stamp("b"), expect=first, options={}, tags=tags))
    seen = place.see("entry")
    assert (place.holds("entry", one("two")), seen.vouched, seen.owner) == (True, False, OURS)
    assert seen.version is not None
    place.store.restamp("entry", stamp("b"), expect=seen.version, tags=tags)
    assert place.see("entry").vouched
    assert harness.outside.tags("entry") == tags


def test_labels_do_not_pile_up(harness: SecretsHarness, place: Place) -> None:
    version: Version | None = None
    for letter in "abcdefabc":
        version = place.write("entry", one(letter), stamp(letter), expect=version)
    found = harness.outside.look("entry")
    assert found is not None
    assert sorted(label for labels in found["VersionIdsToStages"].values() for label in labels) == [
        "AWSCURRENT", "AWSPREVIOUS", "sopsync-pending",
    ]  # fmt: skip


# -- what AWS has, and others do


def test_a_shell_is_a_name_that_is_taken(harness: SecretsHarness, place: Place) -> None:
    harness.outside.aws.create_secret(Name="shell")
    seen = place.see("shell")
    assert (seen.state, seen.owner, seen.vouched) == (State.RECOVERABLE, "", False)
    with place.refuses("shell"):
        place.write("shell", one("ours"))
    with place.refuses("shell"):
        place.store.read("shell", expect=Version("no-value"))
    with place.refuses("shell"):
        place.store.restamp("shell", stamp(), expect=Version("no-value"), tags={})
    wants = {"shell": Want(one("ours"), "a" * 32)}
    run = reconcile(place.fresh(), wants)
    assert [change.action for change in run.changes] == ["conflict"]
    run = reconcile(place.fresh(), wants, adopt=True)
    assert [outcome.status for outcome in run.outcomes] == ["done"]
    assert place.holds("shell", one("ours"))
    assert (place.see("shell").owner, place.see("shell").vouched) == (OURS, True)


@pytest.mark.parametrize("made", [{"owning_service": "rds"}, {"rotation": "arn:aws:lambda:eu-west-1:1:function:r"}])
def test_what_a_service_rotates_is_not_ours_to_write(
    cloud: Aws, harness: SecretsHarness, place: Place, made: Mapping[str, str]
) -> None:
    seed(cloud, harness, "theirs", value="canary-theirs", **made)
    seen = place.see("theirs")
    assert next(iter(made.values())).rsplit(":", 1)[-1] in seen.reason
    with place.refuses("theirs"), place.changes_nothing("theirs"):
        place.write("theirs", one("ours"), expect=seen.version)
    run = reconcile(place.fresh(), {"theirs": Want(one("ours"), "a" * 32)}, adopt=True)
    assert [(change.action, change.reason) for change in run.changes] == [("conflict", seen.reason)]


def test_what_only_a_service_may_delete_is_not_called_deleted(
    cloud: Aws, harness: SecretsHarness, place: Place
) -> None:
    seed(cloud, harness, "theirs", value="canary-theirs", owning_service="rds")
    with place.refuses("theirs"), place.changes_nothing("theirs"):
        delete(place.store, "theirs", expect=place.version("theirs"))


def test_a_replica_is_nobodys(cloud: Aws, harness: SecretsHarness, place: Place) -> None:
    """In its region it has the tags and versions of the original: it must not look like an entry of ours there."""
    place.store.write("entry", one("x"), stamp(), expect=None, options={"replicas": "us-east-1"}, tags={})
    there = SecretsHarness(cloud)
    there.ours = client(cloud, harness.account, US, "us-east-1")
    survey = there.open(Wire()).survey({})
    assert survey.entries == ()
    (seen,) = there.open(Wire()).survey({"entry": ""}).entries
    assert (seen.owner, seen.stamp, seen.reason) == ("", None, "a replica of the secret in eu-west-1")


def test_a_planned_deletion_is_restored_with_the_new_value(harness: SecretsHarness, place: Place) -> None:
    version = place.write("entry", one("one"))
    delete(place.store, "entry", expect=version)
    found = harness.outside.look("entry")
    assert found is not None
    assert "DeletedDate" in found
    with place.refuses("entry"):
        place.write("entry", one("two"))  # the name is not free
    place.write("entry", one("two"), stamp("b"), expect=version)
    assert place.holds("entry", one("two"))


def test_the_recovery_window_is_the_settings(cloud: Aws, harness: SecretsHarness) -> None:
    store = harness.open(Wire(), recovery_window=7)
    version = store.write("entry", one("one"), stamp(), expect=None, options={}, tags={})
    store.delete({"entry": version})
    found = harness.outside.look("entry")
    assert found is not None
    days = (found["DeletedDate"] - found["CreatedDate"]).total_seconds() / 86_400
    assert 6.9 < days < 7.1


def test_policies_descriptions_and_tags_of_others_are_not_touched(harness: SecretsHarness, place: Place) -> None:
    aws, policy = harness.outside.aws, '{"Version": "2012-10-17", "Statement": []}'
    aws.create_secret(Name="theirs", SecretString="canary-x", Description="d", Tags=[{"Key": "cost", "Value": "1"}])
    aws.put_resource_policy(SecretId="theirs", ResourcePolicy=policy)
    version = place.write("theirs", one("ours"), expect=place.version("theirs"), tags={"team": "web"})
    place.store.restamp("theirs", stamp("b"), expect=version, tags={})
    assert harness.outside.tags("theirs") == {"cost": "1"}
    delete(place.store, "theirs", expect=version)
    place.write("theirs", one("again"), expect=version)
    found = harness.outside.look("theirs")
    assert found is not None
    assert (harness.outside.tags("theirs"), found["Description"]) == ({"cost": "1"}, "d")
    assert json.loads(aws.get_resource_policy(SecretId="theirs")["ResourcePolicy"]) == json.loads(policy)


def test_tags_that_aws_would_refuse_are_refused_before_anything(harness: SecretsHarness, place: Place) -> None:
    aws = harness.outside.aws
    aws.create_secret(Name="full", SecretString="canary-x", Tags=[{"Key": f"t{n}", "Value": "1"} for n in range(48)])
    with place.refuses("full", Rejected), place.changes_nothing("full"):
        place.write("full", one("ours"), expect=place.version("full"))
    for tags in ({"sopsync-o": "x"}, {"AWS:x": "x"}, {"a;b": "x"}, {"a": "x" * 257}, {"": "x"}, _many(29)):
        with place.refuses("tagged", Rejected):
            place.write("tagged", one("ours"), tags=tags)
    place.write("tagged", one("ours"), tags=_many(28) | {"t0": "ünï cödé _.:/=+-@"})


def _many(number: int) -> dict[str, str]:
    return {f"t{n}": "1" for n in range(number)}


# -- key and replicas


def options(seen: Observed, name: str, *texts: str) -> list[bool]:
    return [text in seen.options[name] for text in texts]


def test_the_key_is_set_compared_and_changed(cloud: Aws, harness: SecretsHarness, place: Place) -> None:
    kms = cloud.client("kms", account=harness.account)
    keys = [kms.create_key()["KeyMetadata"] for _ in range(2)]
    kms.create_alias(AliasName="alias/app", TargetKeyId=keys[0]["KeyId"])

    def write(expect: Version | None, key: str) -> Version:
        return place.store.write("entry", one("x"), stamp(), expect=expect, options={"kms_key": key}, tags={})

    version = write(None, keys[0]["Arn"])
    shown = (keys[0]["Arn"], keys[0]["KeyId"], keys[1]["KeyId"], "", "alias/aws/secretsmanager")
    assert options(place.see("entry"), "kms_key", *shown) == [True, True, False, False, False]
    version = write(version, keys[1]["KeyId"])
    assert options(place.see("entry"), "kms_key", keys[1]["Arn"], keys[1]["KeyId"], keys[0]["Arn"]) == [
        True,
        True,
        False,
    ]
    version = write(version, "alias/app")
    assert options(place.see("entry"), "kms_key", "alias/app", keys[1]["KeyId"]) == [True, False]
    write(version, "")
    assert options(place.see("entry"), "kms_key", "", "alias/aws/secretsmanager", "alias/app") == [True, True, False]
    assert place.see("entry").vouched


def test_a_key_that_others_changed_shows_in_the_listing(cloud: Aws, harness: SecretsHarness, place: Place) -> None:
    key = cloud.client("kms", account=harness.account).create_key()["KeyMetadata"]["Arn"]
    place.store.write("entry", one("x"), stamp(), expect=None, options={"kms_key": key}, tags={})
    harness.outside.aws.update_secret(SecretId="entry", KmsKeyId="")
    assert options(place.see("entry"), "kms_key", key, "") == [False, True]


def test_a_key_that_is_not_there_is_said_to_be_it(place: Place) -> None:
    error = told(
        lambda: place.store.write("entry", one("x"), stamp(), expect=None, options={"kms_key": "alias/none"}, tags={})
    )
    assert isinstance(error, Rejected)
    assert "KMS key" in str(error)


def test_replicas_are_made_compared_and_withdrawn(harness: SecretsHarness, place: Place) -> None:
    def write(expect: Version | None, regions: str) -> Version:
        return place.store.write("entry", one("x"), stamp(), expect=expect, options={"replicas": regions}, tags={})

    def seen() -> Observed:
        (entry,) = place.fresh().survey({"entry": "f" * 32}).entries  # another digest: looked at closer
        return entry

    version = write(None, "us-east-1,eu-central-1")
    assert options(seen(), "replicas", "eu-central-1, us-east-1", "us-east-1", "") == [True, False, False]
    assert "replicas" not in place.see("entry").options, "a listing does not show them"
    version = write(version, "us-east-1, us-west-2")
    assert options(seen(), "replicas", "us-west-2,us-east-1") == [True]
    with place.refuses("entry", Rejected):
        write(version, "Frankfurt")
    delete(place.store, "entry", expect=version)
    found = harness.outside.look("entry")
    assert found is not None
    assert (not found.get("ReplicationStatus"), "DeletedDate" in found) == (True, True)


# -- where it looks


def test_a_prefix_is_all_it_sees(cloud: Aws, harness: SecretsHarness) -> None:
    whole, part = harness.open(Wire()), harness.open(Wire(), prefix="prod/")
    for name in ("prod/a", "Prod/a", "test/a"):
        whole.write(name, one(name), stamp(), expect=None, options={}, tags={})
    part.raise_fence(fence(), expect=None)
    survey = part.survey({"test/a": "", "prod/b": ""})
    states = {entry.name: entry.state for entry in survey.entries}
    assert states == {"prod/a": State.PRESENT, "test/a": State.UNKNOWN, "prod/b": State.ABSENT}
    assert survey.fences == {OURS: fence()}
    survey = whole.survey({})
    assert (len(survey.entries), survey.fences) == (3, {}), "another store's fence is no fence and no entry of this one"
    for name in ("test/a", "test/b"):
        error = told(lambda name=name: part.write(name, one("x"), stamp(), expect=None, options={}, tags={}))  # type: ignore[misc]
        assert isinstance(error, Rejected)


def test_a_fence_that_was_deleted_is_not_a_fence_that_never_was(harness: SecretsHarness, place: Place) -> None:
    place.store.raise_fence(fence(), expect=None)
    (name,) = [row["Name"] for row in harness.outside.aws.list_secrets()["SecretList"]]
    outside = harness.outside
    spoilt: list[tuple[Callable[[str], None], Callable[[str], None]]] = [
        (outside.soft_delete, outside.undelete),
        (lambda name: outside.put(name, one("x")), outside.roll_back),
    ]
    for spoil, mend in spoilt:
        spoil(name)
        assert isinstance(told(lambda: place.fresh().survey({})), Rejected)
        assert isinstance(told(lambda: place.fresh().raise_fence(fence("b"), expect=None)), Rejected)
        mend(name)
        assert place.fresh().survey({}).fences == {OURS: fence()}


def test_what_is_not_allowed_is_named(cloud: Aws, harness: SecretsHarness, place: Place) -> None:
    place.write("entry", one("x"), stamp())
    message = "User: arn:aws:iam::1:user/x is not authorized to perform: secretsmanager:DescribeSecret on resource: *"
    cloud.faults["DescribeSecret"] = [Fault("AccessDeniedException", message)]
    (seen,) = place.fresh().survey({"entry": "f" * 32}).entries
    assert (seen.state, seen.reason) == (State.UNKNOWN, "not allowed: secretsmanager:DescribeSecret")
    cloud.faults["CreateSecret"] = [Fault("AccessDeniedException")]
    error = told(lambda: place.write("other", one("x")))
    assert isinstance(error, Denied)
    assert "secretsmanager:CreateSecret" in str(error)


def test_opened_as_sopsync_opens_it(cloud: Aws, harness: SecretsHarness) -> None:
    """With a client of its own making, from the environment."""
    store = open_secrets("sm", AwsSecretsSettings(type="aws-secretsmanager"), Context(harness.environ))
    version = store.write("entry", one("x"), stamp(), expect=None, options={}, tags={})
    assert store.read("entry", expect=version).same(one("x"))
    assert isinstance(told(lambda: store.read("entry", expect=Version("x"))), Conflict)
    store.close()
