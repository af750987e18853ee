"""The fake Parameter Store behaves like AWS where moto does not: by a real boto3 client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_calls import KEY, SECRET, Account, pages, refused

US = "arn:aws:iam::{}:user/somebody"

# -- limits


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/a b", "ValidationException"),
        ("/a//b", "ValidationException"),
        ("/a/", "ValidationException"),
        ("a/b", "ValidationException"),
        ("/a/ü", "ValidationException"),
        ("/ssmx/y", "ValidationException"),
        ("AWSx", "ValidationException"),
        ("/aws/x", "AccessDeniedException"),
        ("/" + "/".join("abcdefghijklmnop"), "HierarchyLevelLimitExceededException"),
        ("/" + "x" * 967, "ValidationException"),
    ],
)
def test_names(account: Account, name: str, code: str) -> None:
    with refused(code):
        account.put(name)


def test_the_longest_and_the_deepest_name(account: Account) -> None:
    account.put("/" + "x" * 966)  # 1011 with "arn:aws:ssm:eu-west-1:123456789012:parameter/"
    account.put("/" + "/".join("abcdefghijklmno"))
    account.put(" /around ")
    assert account.ssm.get_parameter(Name="/around")["Parameter"]["Name"] == "/around"


def test_values(account: Account) -> None:
    account.put("/a", "ü" * 2048)
    account.put("/b", "x" * 8192, Tier="Advanced")
    for value, tier in (("ü" * 2049, "Standard"), ("x" * 8193, "Advanced"), ("x" * 8193, "Intelligent-Tiering")):
        with refused("ValidationException", "maximum parameter value"):
            account.put("/c", value, Tier=tier)
    with refused("ValidationException", "Value at 'value'"):
        account.put("/c", "")
    with refused("ValidationException", "nest"):
        account.put("/c", f"{SECRET} {{{{ x }}}}")
    with refused("ParameterPatternMismatchException"):
        account.put("/c", AllowedPattern=r"^\d+$")
    account.put("/c", Description="x" * 1024)
    with refused("ValidationException", "1024"):
        account.put("/d", Description="x" * 1025)


@pytest.mark.parametrize(
    "tag", [("a;b", ""), ("a", "{}"), ("x" * 129, ""), ("x", "y" * 257), ("aws:x", ""), ("tab\t", "")]
)
def test_tags_that_may_not_be(account: Account, tag: tuple[str, str]) -> None:
    with refused("ValidationException"):
        account.put("/a", Tags=[{"Key": tag[0], "Value": tag[1]}])
    account.put("/a", Tags=[{"Key": "ü 1_.:/=+-@", "Value": ""}])
    with refused("ValidationException"):
        _tag(account, {tag[0]: tag[1]})


def test_fifty_tags(account: Account) -> None:
    account.put("/a")
    _tag(account, {str(number): "" for number in range(50)})
    _tag(account, {"7": "again"})
    with refused("TooManyTagsError"):
        _tag(account, {"one more": ""})
    with refused("InvalidResourceId"):
        account.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/none")
    account.ssm.delete_parameter(Name="/a")
    account.put("/a")
    assert account.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a")["TagList"] == []


def _tag(account: Account, tags: dict[str, str]) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    account.ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/a", Tags=listed)


def test_ten_names_at_once(account: Account) -> None:
    names = [f"/{number}" for number in range(11)]
    account.put("/1")
    for call in (account.ssm.get_parameters, account.ssm.delete_parameters):
        with refused("ValidationException"):
            call(Names=names)
    assert account.ssm.get_parameters(Names=["/1", "/x"])["InvalidParameters"] == ["/x"]
    assert account.ssm.delete_parameters(Names=["/1", "/x"])["DeletedParameters"] == ["/1"]
    with refused("ParameterNotFound"):
        account.ssm.get_parameter(Name="/1")


# -- tiers, types, keys


def test_intelligent_tiering_is_one_of_the_two_and_never_goes_back(account: Account) -> None:
    smart: dict[str, Any] = {"Tier": "Intelligent-Tiering", "Overwrite": True}
    assert account.put("/a", **smart)["Tier"] == "Standard"
    assert account.put("/a", "x" * 4097, **smart)["Tier"] == "Advanced"
    assert account.put("/a", **smart)["Tier"] == "Advanced"
    assert account.ssm.describe_parameters()["Parameters"][0]["Tier"] == "Advanced"
    with refused("ValidationException", "downgrade"):
        account.put("/a", Tier="Standard", Overwrite=True)


def test_an_overwrite_without_a_tier(account: Account) -> None:
    account.put("/a", Tier="Advanced")
    assert account.put("/a", Overwrite=True)["Tier"] == "Advanced"
    account.cloud.tier_kept = False
    try:
        with refused("ValidationException", "downgrade"):
            account.put("/a", Overwrite=True)
    finally:
        account.cloud.tier_kept = True


def test_the_type_stays(account: Account) -> None:
    with refused("ValidationException"):
        account.ssm.put_parameter(Name="/a", Value=SECRET, Overwrite=True)
    account.put("/a")
    account.ssm.put_parameter(Name="/a", Value=SECRET, Overwrite=True)
    with refused("HierarchyTypeMismatchException"):
        account.put("/a", Type="String", Overwrite=True)
    with refused("ParameterAlreadyExists"):
        account.put("/a")
    with refused("ValidationException", "together"):
        account.put("/a", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}])
    assert account.ssm.get_parameter(Name="/a")["Parameter"]["Type"] == "SecureString"


def test_without_decryption_there_is_only_ciphertext(account: Account) -> None:
    account.put("/a/b")
    read = account.ssm
    shown = [
        read.get_parameter(Name="/a/b")["Parameter"],
        read.get_parameters(Names=["/a/b"])["Parameters"][0],
        read.get_parameters_by_path(Path="/a")["Parameters"][0],
        read.get_parameter_history(Name="/a/b")["Parameters"][0],
    ]
    assert len({each["Value"] for each in shown}) == 1
    assert SECRET not in shown[0]["Value"]
    assert read.get_parameter(Name="/a/b", WithDecryption=True)["Parameter"]["Value"] == SECRET
    account.put("/a/b", Overwrite=True)
    assert read.get_parameter(Name="/a/b")["Parameter"]["Value"] != shown[0]["Value"]


def test_keys(account: Account) -> None:
    for missing in ("alias/none", "7d1c6c1e-0000-4000-8000-000000000000"):
        with refused("InvalidKeyId"):
            account.put("/a", KeyId=missing)
    key = account.key()
    account.put("/a", KeyId=KEY)
    account.put("/b", KeyId=key)
    with refused("ValidationException"):
        account.put("/c", Type="String", KeyId=KEY)
    kept = account.put("/a", Overwrite=True)
    assert kept["Version"] == 2
    assert [each["KeyId"] for each in account.ssm.describe_parameters()["Parameters"]] == [KEY, key]
    account.client("kms").disable_key(KeyId=key.split("/")[1])
    with refused("InvalidKeyId"):
        account.put("/a", Overwrite=True)
    with refused("InvalidKeyId"):
        account.ssm.get_parameter(Name="/a", WithDecryption=True)
    assert account.ssm.get_parameter(Name="/a")["Parameter"]["Version"] == 2


# -- lists


def test_describe_has_who_and_where(account: Account) -> None:
    account.put("/a", Description="one")
    row = account.ssm.describe_parameters()["Parameters"][0]
    assert row["LastModifiedUser"] == US.format(account.number)
    assert row["ARN"] == f"arn:aws:ssm:eu-west-1:{account.number}:parameter/a"
    assert row["Description"] == "one"
    history = account.ssm.get_parameter_history(Name="/a")["Parameters"][0]
    assert history["LastModifiedUser"] == US.format(account.number)
    assert "Value" not in row


@pytest.mark.parametrize("kept", [True, False])
def test_the_description_after_an_overwrite_without_one(account: Account, kept: bool) -> None:
    account.cloud.description_kept = kept
    try:
        account.put("/a", Description="one")
        account.put("/a", Overwrite=True)
        told = [each.get("Description") for each in account.ssm.get_parameter_history(Name="/a")["Parameters"]]
        assert told == ["one", "one" if kept else None]
    finally:
        account.cloud.description_kept = True


def test_fifty_a_page_and_no_more(account: Account) -> None:
    account.cloud.seed_parameters(({"name": f"/a/{n:03}", "value": SECRET} for n in range(120)), account=account.number)
    found = pages(account.ssm.describe_parameters, "Parameters")
    assert [len(each) for each in found] == [50, 50, 20]
    assert [len(each) for each in pages(account.ssm.describe_parameters, "Parameters", MaxResults=49)] == [49, 49, 22]
    by_path = pages(account.ssm.get_parameters_by_path, "Parameters", Path="/a", MaxResults=10)
    assert [len(each) for each in by_path] == [10] * 12
    with refused("ValidationException"):
        account.ssm.describe_parameters(MaxResults=51)
    with refused("ValidationException"):
        account.ssm.get_parameters_by_path(Path="/a", MaxResults=11)


def test_a_token_is_a_place_not_a_number(account: Account) -> None:
    account.cloud.seed_parameters(({"name": f"/{n:03}", "value": SECRET} for n in range(60)), account=account.number)
    first = account.ssm.describe_parameters()
    account.ssm.delete_parameter(Name="/000")
    account.put("/0000")
    rest = account.ssm.describe_parameters(NextToken=first["NextToken"])["Parameters"]
    assert [each["Name"] for each in rest] == [f"/{n:03}" for n in range(50, 60)]
    with refused("InvalidNextToken"):
        account.ssm.describe_parameters(NextToken="50")
    with refused("InvalidNextToken"):
        other = [{"Key": "Type", "Values": ["String"]}]
        account.ssm.describe_parameters(NextToken=first["NextToken"], ParameterFilters=other)


def test_pages_may_be_short_and_empty(account: Account) -> None:
    rows: list[dict[str, Any]] = [{"name": f"/{n:03}", "value": SECRET, "tags": {"a": "b"}} for n in range(60)]
    account.cloud.seed_parameters(rows, account=account.number)
    account.cloud.seed_secrets([row | {"name": row["name"][1:]} for row in rows], account=account.number)
    account.cloud.short_pages = True
    try:
        for call, key in (
            (account.ssm.describe_parameters, "Parameters"),
            (account.sm.list_secrets, "SecretList"),
            (account.client("resourcegroupstaggingapi").get_resources, "ResourceTagMappingList"),
        ):
            found = pages(call, key)
            assert found[0] == []
            # each once, in more pages than there need be
            assert sum(map(len, found)) == (120 if key == "ResourceTagMappingList" else 60)
        filtered = [{"Key": "Name", "Values": ["/059"]}]
        found = pages(account.ssm.describe_parameters, "Parameters", ParameterFilters=filtered)
        assert [len(each) for each in found] == [0, 0, 0, 0, 1]
    finally:
        account.cloud.short_pages = False


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([{"Key": "Path", "Option": "Recursive", "Values": ["/a"]}], ["/a/b", "/a/b/c"]),
        ([{"Key": "Path", "Option": "OneLevel", "Values": ["/a"]}], ["/a/b"]),
        ([{"Key": "Path", "Values": ["/a", "/a/b/"]}], ["/a/b", "/a/b/c"]),
        ([{"Key": "Path", "Option": "Recursive", "Values": ["/"]}], ["/a/b", "/a/b/c", "/ab", "plain"]),
        ([{"Key": "Name", "Values": ["/ab", "plain", "/a"]}], ["/ab", "plain"]),
        ([{"Key": "Name", "Option": "BeginsWith", "Values": ["/a"]}], ["/a/b", "/a/b/c", "/ab"]),
        ([{"Key": "Name", "Option": "Contains", "Values": ["b/"]}], ["/a/b/c"]),
        ([{"Key": "tag:k", "Values": ["1", "2"]}], ["/a/b", "/ab"]),
        ([{"Key": "tag:k"}], ["/a/b", "/ab"]),
        ([{"Key": "tag:k", "Option": "BeginsWith", "Values": ["2"]}], ["/ab"]),
        ([{"Key": "Type", "Values": ["String"]}], ["plain"]),
        ([{"Key": "Tier", "Values": ["Advanced"]}], ["/ab"]),
        ([{"Key": "KeyId", "Values": ["alias/aws/ssm"]}], ["/a/b", "/a/b/c", "/ab"]),
        ([{"Key": "tag:k", "Values": ["1"]}, {"Key": "Path", "Values": ["/"]}], []),
    ],
)
def test_filters(account: Account, filters: list[dict[str, Any]], found: list[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"name": "/a/b", "tags": {"k": "1"}},
        {"name": "/a/b/c"},
        {"name": "/ab", "tags": {"k": "2"}, "tier": "Advanced"},
        {"name": "plain", "type": "String"},
    ]
    account.cloud.seed_parameters(({"value": SECRET} | row for row in rows), account=account.number)
    answer = account.ssm.describe_parameters(ParameterFilters=filters)
    assert [each["Name"] for each in answer["Parameters"]] == found


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Key": "Name", "Values": ["x"] * 51}, "ValidationException"),
        ({"Key": "Label", "Values": ["x"]}, "InvalidFilterKey"),
        ({"Key": "Path", "Values": ["a"]}, "ValidationException"),
        ({"Key": "Path", "Option": "Equals", "Values": ["/a"]}, "InvalidFilterOption"),
        ({"Key": "Type", "Option": "Contains", "Values": ["String"]}, "InvalidFilterOption"),
    ],
)
def test_filters_that_may_not_be(account: Account, wrong: dict[str, Any], code: str) -> None:
    with refused(code):
        account.ssm.describe_parameters(ParameterFilters=[wrong])


# -- versions and labels


def test_a_name_that_is_deleted_begins_again(account: Account) -> None:
    assert [account.put("/a", Overwrite=True)["Version"] for _ in range(3)] == [1, 2, 3]
    account.ssm.delete_parameter(Name="/a")
    assert account.put("/a")["Version"] == 1


def test_a_hundred_versions_and_a_label_in_the_way(account: Account) -> None:
    for _ in range(100):
        account.put("/a", Overwrite=True)
    account.ssm.label_parameter_version(Name="/a", ParameterVersion=1, Labels=["old"])
    with refused("ParameterMaxVersionLimitExceeded"):
        account.put("/a", Overwrite=True)
    account.ssm.label_parameter_version(Name="/a", Labels=["old"])
    assert account.put("/a", Overwrite=True)["Version"] == 101
    history = pages(account.ssm.get_parameter_history, "Parameters", Name="/a", MaxResults=50)
    assert [(each[0]["Version"], each[-1]["Version"]) for each in history] == [(2, 51), (52, 101)]
    assert history[1][-2]["Labels"] == ["old"]
    assert account.ssm.get_parameter(Name="/a:old")["Parameter"]["Version"] == 100
    with refused("ParameterVersionNotFound"):
        account.ssm.get_parameter(Name="/a:1")


def test_labels(account: Account) -> None:
    with refused("ParameterNotFound"):
        account.ssm.label_parameter_version(Name="/none", Labels=["x"])
    assert account.ssm.describe_parameters()["Parameters"] == []
    account.put("/a")
    told = account.ssm.label_parameter_version(Name="/a", Labels=["ok", "1x", "AWSx", "ssm", "a b"])
    assert told["InvalidLabels"] == ["1x", "AWSx", "ssm", "a b"]
    with refused("ValidationException"):
        account.ssm.label_parameter_version(Name="/a", Labels=["x" * 101])
    with refused("ParameterVersionLabelLimitExceeded"):
        account.ssm.label_parameter_version(Name="/a", Labels=[f"l{number}" for number in range(10)])


# -- the tagging API


def test_resources_by_tag(account: Account) -> None:
    rows = [{"name": f"/a/{n:03}", "value": SECRET, "tags": {"o": "x" if n else "y"}} for n in range(120)]
    account.cloud.seed_parameters([*rows, {"name": "/bare", "value": SECRET}], account=account.number)
    account.cloud.seed_secrets([{"name": "s", "value": SECRET, "tags": {"o": "x"}}], account=account.number)
    call = account.client("resourcegroupstaggingapi").get_resources
    only = {"ResourceTypeFilters": ["ssm:parameter"], "ResourcesPerPage": 100}
    assert [len(each) for each in pages(call, "ResourceTagMappingList", **only)] == [100, 20]
    both = pages(call, "ResourceTagMappingList", TagFilters=[{"Key": "o", "Values": ["x"]}], ResourcesPerPage=100)
    assert sum(map(len, both)) == 120
    assert {"ssm", "secretsmanager"} == {row["ResourceARN"].split(":")[2] for each in both for row in each}
    with refused("InvalidParameterException"):
        call(ResourcesPerPage=101)
