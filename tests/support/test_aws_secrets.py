"""The fake Secrets Manager behaves like AWS where moto does not: by a real boto3 client."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.aws_calls import KEY, SECRET, Account, pages, refused


def token(number: int) -> str:
    return f"sopsync1-{number:032}"


def stages(account: Account, name: str = "s") -> dict[str, list[str]]:
    """{version: its labels, sorted} as DescribeSecret tells it."""
    told = account.sm.describe_secret(SecretId=name).get("VersionIdsToStages", {})
    return {version: sorted(labels) for version, labels in told.items()}


def create(account: Account, name: str = "s", **more: Any) -> Any:
    given = {"SecretString": SECRET, "ClientRequestToken": token(1)} | more
    return account.sm.create_secret(Name=name, **given)


def put(account: Account, number: int, *labels: str, value: str = SECRET) -> Any:
    given = {"VersionStages": list(labels)} if labels else {}
    return account.sm.put_secret_value(SecretId="s", SecretString=value, ClientRequestToken=token(number), **given)


# -- staging labels


def test_a_put_leaves_the_labels_of_others_alone(account: Account) -> None:
    create(account)
    account.sm.update_secret_version_stage(SecretId="s", VersionStage="git-1", MoveToVersionId=token(1))
    put(account, 2, "AWSCURRENT", "git-2")
    assert stages(account) == {token(1): ["AWSPREVIOUS", "git-1"], token(2): ["AWSCURRENT", "git-2"]}
    put(account, 3)
    assert stages(account) == {
        token(1): ["git-1"],
        token(2): ["AWSPREVIOUS", "git-2"],
        token(3): ["AWSCURRENT"],
    }


def test_current_moves_and_previous_follows_it(account: Account) -> None:
    create(account)
    put(account, 2, value="canary-2")
    put(account, 3, value="canary-3")
    move = {"SecretId": "s", "VersionStage": "AWSCURRENT"}
    account.sm.update_secret_version_stage(**move, RemoveFromVersionId=token(3), MoveToVersionId=token(1))
    assert stages(account) == {token(1): ["AWSCURRENT"], token(3): ["AWSPREVIOUS"]}
    assert account.sm.get_secret_value(SecretId="s")["SecretString"] == SECRET
    put(account, 4, value="canary-4")
    assert stages(account) == {token(1): ["AWSPREVIOUS"], token(4): ["AWSCURRENT"]}
    # the one without labels is still there
    assert account.sm.get_secret_value(SecretId="s", VersionId=token(2))["SecretString"] == "canary-2"
    assert account.sm.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["VersionId"] == token(1)


def test_moving_a_label_needs_its_holder(account: Account) -> None:
    create(account)
    put(account, 2, "mine")
    for label, more in (
        ("AWSCURRENT", {"MoveToVersionId": token(2)}),
        ("AWSCURRENT", {"MoveToVersionId": token(2), "RemoveFromVersionId": token(2)}),
        ("AWSCURRENT", {"RemoveFromVersionId": token(1)}),
        ("mine", {"MoveToVersionId": token(1)}),
        ("mine", {"RemoveFromVersionId": token(1)}),
        ("mine", {}),
    ):
        with refused("InvalidParameterException"):
            account.sm.update_secret_version_stage(SecretId="s", VersionStage=label, **more)
    assert stages(account) == {token(1): ["AWSCURRENT"], token(2): ["mine"]}
    account.sm.update_secret_version_stage(SecretId="s", VersionStage="mine", RemoveFromVersionId=token(2))
    assert stages(account) == {token(1): ["AWSCURRENT"]}


def test_versions_without_labels_are_deprecated(account: Account) -> None:
    create(account)
    put(account, 2)
    put(account, 3)
    listed = account.sm.list_secrets()["SecretList"][0]["SecretVersionsToStages"]
    assert listed == {token(2): ["AWSPREVIOUS"], token(3): ["AWSCURRENT"]}

    def ids(**more: Any) -> list[str]:
        told = account.sm.list_secret_version_ids(SecretId="s", **more)
        assert told["ARN"].startswith("arn:")
        return [each["VersionId"] for each in told["Versions"]]

    assert ids() == [token(2), token(3)]
    assert ids(IncludeDeprecated=True) == [token(1), token(2), token(3)]


def test_twenty_labels(account: Account) -> None:
    create(account)
    put(account, 2, *(f"l{number}" for number in range(19)))
    with refused("LimitExceededException"):
        put(account, 3, "one", "two")
    assert account.sm.get_secret_value(SecretId="s")["VersionId"] == token(1)


def test_old_versions_go_young_ones_fill_the_quota(account: Account) -> None:
    old = {"name": "s", "value": SECRET, "version": token(1), "created": time.time() - 2 * 86_400}
    account.cloud.seed_secrets([old], account=account.number)
    for number in range(2, 102):
        put(account, number)
    with refused("LimitExceededException"):
        put(account, 102)
    with refused("ResourceNotFoundException"):
        account.sm.get_secret_value(SecretId="s", VersionId=token(1))


# -- tokens


def test_the_same_put_twice_is_one(account: Account) -> None:
    create(account)
    put(account, 2)
    put(account, 3)
    assert put(account, 2)["VersionStages"] == ["AWSPREVIOUS"]
    assert stages(account)[token(3)] == ["AWSCURRENT"], "a token that is in use moves nothing"
    with refused("ResourceExistsException"):
        put(account, 2, value="canary-other")
    with refused("ResourceExistsException"):
        account.sm.update_secret(SecretId="s", SecretString=SECRET, ClientRequestToken=token(2))
    with refused("InvalidParameterException"):
        account.sm.put_secret_value(SecretId="s", SecretString=SECRET, ClientRequestToken="x" * 65)


def test_the_same_create_twice_is_one(account: Account) -> None:
    first = create(account)
    assert create(account)["ARN"] == first["ARN"]
    with refused("ResourceExistsException"):
        create(account, SecretString="canary-other")
    with refused("ResourceExistsException"):
        create(account, ClientRequestToken=token(2))


# -- limits


@pytest.mark.parametrize("name", ["a b", "a:b", "ü", "a*", "x" * 513])
def test_names(account: Account, name: str) -> None:
    with refused("InvalidParameterException"):
        create(account, name)
    create(account, "/a_+=.@-z" + "x" * 503)


def test_sizes(account: Account) -> None:
    create(account, SecretString="ü" * 32_768)
    with refused("ValidationException", "Value at 'secretString'"):
        create(account, "t", SecretString="ü" * 32_769)
    with refused("InvalidParameterException"):
        create(account, "t", SecretBinary=b"x")
    blob = account.sm.create_secret(Name="t", SecretBinary=b"x" * 65_536)
    assert account.sm.get_secret_value(SecretId=blob["ARN"])["SecretBinary"] == b"x" * 65_536
    with refused("ValidationException"):
        account.sm.put_secret_value(SecretId="t", SecretBinary=b"x" * 65_537)
    with refused("ValidationException"):
        account.sm.update_secret(SecretId="t", Description="x" * 2049)


def test_tags(account: Account) -> None:
    fifty = [{"Key": str(number), "Value": ""} for number in range(50)]
    for wrong in ([{"Key": "a;b", "Value": ""}], [*fifty, {"Key": "x", "Value": ""}], [{"Key": "aws:x", "Value": ""}]):
        with refused("InvalidParameterException"):
            create(account, Tags=wrong)
    create(account, Tags=fifty)
    account.sm.tag_resource(SecretId="s", Tags=[{"Key": "7", "Value": "again"}])
    with refused("InvalidParameterException"):
        account.sm.tag_resource(SecretId="s", Tags=[{"Key": "x", "Value": ""}])
    account.sm.untag_resource(SecretId="s", TagKeys=["7", "unknown"])
    assert len(account.sm.describe_secret(SecretId="s")["Tags"]) == 49


# -- lists


def test_a_hundred_a_page(account: Account) -> None:
    rows = [{"name": f"a/{number:03}", "value": SECRET} for number in range(250)]
    account.cloud.seed_secrets([*rows, {"name": "b", "value": SECRET}], account=account.number)
    only = [{"Key": "name", "Values": ["a/"]}]
    assert [len(each) for each in pages(account.sm.list_secrets, "SecretList", Filters=only)] == [100, 100, 50]
    for more in ({"MaxResults": 101}, {"Filters": [{"Key": "name", "Values": ["x"] * 11}]}):
        with refused("ValidationException"):
            account.sm.list_secrets(**more)
    with refused("InvalidNextTokenException"):
        account.sm.list_secrets(NextToken="100")
    listed = pages(account.sm.list_secrets, "SecretList", SortBy="name", SortOrder="desc")
    names = [row["Name"] for each in listed for row in each]
    assert names == sorted(names, reverse=True)
    assert len(names) == 251


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("name", "team/", ["team/a", "team/b"]),
        ("name", "Team/", []),
        ("tag-key", "own", ["team/a"]),
        ("tag-value", "x", ["team/a"]),
        ("tag-value", "!x", ["team/b"]),
        ("owning-service", "rds", ["theirs"]),
    ],
)
def test_filters(account: Account, key: str, value: str, found: list[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"name": "team/a", "tags": {"owner": "x"}},
        {"name": "team/b", "tags": {"o": "y"}},
        {"name": "theirs", "owning_service": "rds"},
    ]
    account.cloud.seed_secrets(({"value": SECRET} | row for row in rows), account=account.number)
    listed = account.sm.list_secrets(Filters=[{"Key": key, "Values": [value]}])["SecretList"]
    assert [each["Name"] for each in listed if value[0] != "!" or each["Name"] != "theirs"] == found


def test_lists_lag_and_describe_does_not(account: Account) -> None:
    create(account)
    create(account, "gone")
    account.cloud.lag()
    try:
        put(account, 2)
        account.sm.tag_resource(SecretId="s", Tags=[{"Key": "a", "Value": "b"}])
        account.sm.delete_secret(SecretId="gone", ForceDeleteWithoutRecovery=True)
        create(account, "new")
        late = {each["Name"]: each for each in account.sm.list_secrets()["SecretList"]}
        assert late.keys() == {"s", "gone"}
        assert late["s"]["SecretVersionsToStages"] == {token(1): ["AWSCURRENT"]}
        assert late["s"].get("Tags") is None
        assert stages(account)[token(2)] == ["AWSCURRENT"]
    finally:
        account.cloud.lag(False)
    assert {each["Name"] for each in account.sm.list_secrets()["SecretList"]} == {"s", "new"}


# -- states


def test_on_its_way_out(account: Account) -> None:
    create(account)
    for days in (6, 31):
        with refused("InvalidParameterException"):
            account.sm.delete_secret(SecretId="s", RecoveryWindowInDays=days)
    account.sm.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    calls: list[Callable[[], Any]] = [
        lambda: put(account, 2),
        lambda: account.sm.update_secret(SecretId="s", Description="x"),
        lambda: account.sm.update_secret_version_stage(SecretId="s", VersionStage="x", MoveToVersionId=token(1)),
        lambda: account.sm.tag_resource(SecretId="s", Tags=[{"Key": "a", "Value": "b"}]),
        lambda: account.sm.untag_resource(SecretId="s", TagKeys=["a"]),
        lambda: account.sm.get_secret_value(SecretId="s"),
        lambda: account.sm.put_resource_policy(SecretId="s", ResourcePolicy="{}"),
        lambda: account.sm.delete_secret(SecretId="s"),
        lambda: create(account),
    ]
    for call in calls:
        with refused("InvalidRequestException"):
            call()
    assert account.sm.list_secrets()["SecretList"] == []
    assert "DeletedDate" in account.sm.list_secrets(IncludePlannedDeletion=True)["SecretList"][0]
    assert "DeletedDate" in account.sm.describe_secret(SecretId="s")
    account.sm.restore_secret(SecretId="s")
    assert put(account, 2)["VersionStages"] == ["AWSCURRENT"]
    account.sm.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    account.sm.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    with refused("ResourceNotFoundException"):
        account.sm.describe_secret(SecretId="s")
    create(account)


def test_a_shell_without_a_value(account: Account) -> None:
    made = account.sm.create_secret(Name="s", Description="later")
    assert "VersionId" not in made
    assert "VersionIdsToStages" not in account.sm.describe_secret(SecretId="s")
    with refused("ResourceNotFoundException", "staging label: AWSCURRENT"):
        account.sm.get_secret_value(SecretId="s")
    with refused("InvalidRequestException"):
        account.sm.put_secret_value(SecretId="s")
    assert sorted(put(account, 1, "mine")["VersionStages"]) == ["AWSCURRENT", "mine"]


def test_secrets_of_another_service_and_rotated_ones(account: Account) -> None:
    rotation = "arn:aws:lambda:eu-west-1:123456789012:function:x"
    rows = [
        {"name": "theirs", "value": SECRET, "owning_service": "rds"},
        {"name": "turning", "value": SECRET, "rotation": rotation},
    ]
    account.cloud.seed_secrets(rows, account=account.number)
    listed = {each["Name"]: each for each in account.sm.list_secrets()["SecretList"]}
    assert listed["theirs"]["OwningService"] == "rds"
    assert listed["turning"]["RotationEnabled"] is True
    assert "RotationEnabled" not in listed["theirs"]
    for call in (account.sm.put_secret_value, account.sm.update_secret):
        with refused("InvalidRequestException", "another service"):
            call(SecretId="theirs", SecretString=SECRET)
    with refused("InvalidRequestException"):
        account.sm.rotate_secret(SecretId=create(account)["ARN"])
    account.sm.rotate_secret(SecretId="s", RotationLambdaARN=rotation, RotationRules={"AutomaticallyAfterDays": 9})
    assert account.sm.describe_secret(SecretId="s")["RotationRules"] == {"AutomaticallyAfterDays": 9}
    assert stages(account) == {token(1): ["AWSCURRENT"]}


def test_replicas(account: Account) -> None:
    arn = create(account)["ARN"]
    made = account.sm.replicate_secret_to_regions(SecretId="s", AddReplicaRegions=[{"Region": "eu-central-1"}])
    assert made["ARN"] == arn
    assert made["ReplicationStatus"][0]["Region"] == "eu-central-1"
    there = account.client("secretsmanager", "eu-central-1")
    assert there.describe_secret(SecretId="s")["PrimaryRegion"] == "eu-west-1"
    assert there.get_secret_value(SecretId="s")["SecretString"] == SECRET
    with refused("InvalidParameterException", "replica"):
        there.put_secret_value(SecretId="s", SecretString=SECRET)
    with refused("InvalidParameterException"):
        account.sm.delete_secret(SecretId="s")
    account.sm.remove_regions_from_replication(SecretId=arn, RemoveReplicaRegions=["eu-central-1"])
    assert "ReplicationStatus" not in account.sm.describe_secret(SecretId="s")
    with refused("ResourceNotFoundException"):
        there.describe_secret(SecretId="s")


def test_keys(account: Account) -> None:
    with refused("EncryptionFailure"):
        create(account, KmsKeyId="alias/none")
    key = account.key()
    create(account, KmsKeyId=key)
    assert account.sm.describe_secret(SecretId="s")["KmsKeyId"] == key
    account.client("kms").disable_key(KeyId=key.split("/")[1])
    with refused("DecryptionFailure"):
        account.sm.get_secret_value(SecretId="s")
    with refused("EncryptionFailure"):
        put(account, 2)
    account.sm.update_secret(SecretId="s", KmsKeyId="")
    assert "KmsKeyId" not in account.sm.describe_secret(SecretId="s")
    assert account.sm.get_secret_value(SecretId="s")["SecretString"] == SECRET
    with refused("EncryptionFailure"):
        account.sm.update_secret(SecretId="s", KmsKeyId=KEY)


def test_found_by_every_kind_of_id(account: Account) -> None:
    arn = create(account, "a/b-AbCdEf")["ARN"]
    for secret_id in ("a/b-AbCdEf", arn, arn[:-7]):
        assert account.sm.describe_secret(SecretId=secret_id)["ARN"] == arn
    for secret_id in ("a/b", arn[:-1] + "?", "b-AbCdEf"):
        with refused("ResourceNotFoundException"):
            account.sm.describe_secret(SecretId=secret_id)


def test_the_policy_of_a_secret_stays(account: Account) -> None:
    create(account)
    account.sm.put_resource_policy(SecretId="s", ResourcePolicy='{"Version": "2012-10-17"}')
    put(account, 2)
    account.sm.update_secret(SecretId="s", Description="new")
    assert account.sm.get_resource_policy(SecretId="s")["ResourcePolicy"] == '{"Version": "2012-10-17"}'
