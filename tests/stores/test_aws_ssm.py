"""What is special about Parameter Store: calls, tiers, types, keys, tags, paths, races, fences, permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from sopsync.errors import Conflict, Denied, Rejected, Unavailable
from sopsync.model import Fence, Observed, Origin, Payload, Secret, Stamp, State, Version
from sopsync.stores.aws_ssm import SsmStore, open_ssm
from sopsync.stores.aws_ssm_entry import Listed, describe
from sopsync.stores.aws_ssm_fence import _chain
from sopsync.stores.aws_ssm_settings import FENCES, MARK, AwsSsmSettings
from sopsync.stores.aws_ssm_survey import Listing, list_all
from sopsync.stores.testing import Wire
from tests.stores.aws_ssm_harness import FAST, Pool, Sender, SsmHarness, plant_key
from tests.stores.test_aws_core import Context
from tests.stores.test_aws_ssm_contract import PLAIN
from tests.support.aws import ANSWER_LOST, TOO_MANY_UPDATES, Aws
from tests.support.aws.callers import US

NAME = "/app/token"
STAMP = Stamp("acme", "a" * 32, "c" * 40, Origin("prod.yaml", "/token"))
OTHER = replace(STAMP, digest="b" * 32)
FENCE = Fence("acme", "c" * 40, "d" * 32, "e" * 40)


def value(text: str = "one") -> Payload:
    return Payload(value=Secret(f"canary-{text}".encode()))


class Rig:
    """An account, a store in it, and everything that the store sent."""

    def __init__(self, cloud: Aws, pool: Pool, **settings: Any) -> None:
        self.cloud = cloud
        self.harness = SsmHarness(cloud, pool, PLAIN, **settings)
        self.outside = self.harness.outside
        self.log: list[tuple[str, Mapping[str, Any]]] = []
        self.wire = Wire()
        self.store = self.fresh()

    def fresh(self, **settings: Any) -> SsmStore:
        asked = AwsSsmSettings(type="aws-ssm", rates=FAST, **settings) if settings else None
        return self.harness.client(Sender(self.harness.account, US, self.wire, self.log), asked)

    def seed(self, rows: list[dict[str, Any]]) -> None:
        self.cloud.seed_parameters(rows, account=self.harness.account)

    def calls(self, act: Callable[[], object]) -> list[str]:
        """Operations that it takes."""
        before = len(self.log)
        act()
        return [name for name, _ in self.log[before:]]

    def write(self, text: str = "one", *, name: str = NAME, expect: str | None = None, stamp: Stamp = STAMP,
              options: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None) -> Version:  # fmt: skip
        expected = Version(expect) if expect else None
        return self.store.write(name, value(text), stamp, expect=expected, options=options or {}, tags=tags or {})

    def see(self, digest: str = "", name: str = NAME) -> Observed:
        (seen,) = [one for one in self.store.survey({name: digest}).entries if one.name == name]
        return seen


@pytest.fixture
def rig(cloud: Aws, ssm_pool: Pool) -> Rig:
    return Rig(cloud, ssm_pool)


@pytest.fixture
def chamber(cloud: Aws, ssm_pool: Pool) -> Rig:
    return Rig(cloud, ssm_pool, layout="chamber")


@pytest.fixture
def short_pages(cloud: Aws) -> Iterator[None]:
    cloud.short_pages = True
    yield
    cloud.short_pages = False


# -- calls, exactly


def many(rig: Rig, count: int) -> dict[str, str]:
    """A store of so many parameters, all as git wants them; one of them is the fence."""
    names = [f"/app/k{number:05}" for number in range(count - 1)]
    text = describe(STAMP.naming("1"))
    rig.seed([{"name": name, "value": "canary-many", "description": text} for name in names])
    rig.seed([{"name": f"{_chain('acme')}/1", "value": "-", "type": "String", "description": FENCE.encode()}])
    return dict.fromkeys(names, STAMP.digest)


@pytest.mark.parametrize(("count", "pages"), [(1_000, 20), (10_000, 200)])
def test_a_survey_with_nothing_to_do_is_one_listing(rig: Rig, count: int, pages: int) -> None:
    wanted = many(rig, count)
    surveys = []
    assert rig.calls(lambda: surveys.append(rig.store.survey(wanted))) == ["describe_parameters"] * pages
    assert rig.store.calls == pages
    assert surveys[0].fences == {"acme": FENCE}
    assert len(surveys[0].entries) == count - 1
    assert all(entry.vouched for entry in surveys[0].entries)


def test_one_that_changed_costs_one_look_more(rig: Rig) -> None:
    wanted = many(rig, 1_000) | {"/app/k00500": OTHER.digest}
    expected = ["describe_parameters"] * 20 + ["list_tags_for_resource"]
    assert rig.calls(lambda: rig.store.survey(wanted)) == expected
    assert rig.calls(lambda: rig.write(name="/app/k00500", expect="1", stamp=OTHER)) == ["put_parameter"]


def test_a_file_that_was_encrypted_anew_costs_a_listing_of_tags_and_a_bound(rig: Rig) -> None:
    wanted = dict.fromkeys(many(rig, 1_000), OTHER.digest)
    calls = rig.calls(lambda: rig.store.survey(wanted))
    assert calls[:21] == ["describe_parameters"] * 20 + ["get_resources"]
    assert calls[21:] == ["list_tags_for_resource"] * 100
    for name in list(wanted)[:150]:
        rig.store.restamp(name, OTHER, expect=Version("1"), tags={})
    done = dict(list(wanted.items())[:150])
    assert rig.calls(lambda: rig.fresh().survey(done)) == ["describe_parameters"] * 20 + ["get_resources"] * 2


def test_strangers_cost_nothing_unless_they_are_asked_for(rig: Rig) -> None:
    rig.seed([{"name": f"/theirs/k{n}", "value": "canary-x"} for n in range(20)])
    surveys = []
    assert rig.calls(lambda: surveys.append(rig.store.survey({NAME: "a" * 32}))) == ["describe_parameters"]
    assert surveys[0].entries == (Observed(NAME, State.ABSENT),)


def test_strangers_that_are_asked_for_cost_a_listing_of_tags_and_a_bound(rig: Rig) -> None:
    names = [f"/theirs/k{n:03}" for n in range(150)]
    rig.seed([{"name": name, "value": "canary-x"} for name in names])
    surveys = []
    calls = rig.calls(lambda: surveys.append(rig.store.survey(dict.fromkeys(names, STAMP.digest))))
    assert calls == ["describe_parameters"] * 3 + ["get_resources"] + ["list_tags_for_resource"] * 100
    assert [entry.owner for entry in surveys[0].entries] == [""] * 150


@pytest.mark.usefixtures("short_pages")
def test_short_and_empty_pages_end_nothing(rig: Rig) -> None:
    wanted = many(rig, 300)
    survey = rig.store.survey(wanted)
    assert {entry.name for entry in survey.entries} == set(wanted)
    assert survey.fences == {"acme": FENCE}


# -- what is said by a put


def test_the_put_of_a_new_entry_says_everything_at_once(rig: Rig) -> None:
    assert rig.calls(lambda: rig.write(tags={"team": "web"})) == ["put_parameter"]
    (_, sent) = rig.log[-1]
    assert "Overwrite" not in sent
    assert sent["Type"] == "SecureString"
    assert {tag["Key"]: tag["Value"] for tag in sent["Tags"]} == {"team": "web", "sopsync-k": "team"}
    assert sent["Description"] == f"{STAMP.naming('1').encode()} p=prod.yaml:/token"
    assert "KeyId" not in sent
    assert "Tier" not in sent
    seen = rig.see(STAMP.digest)
    assert (seen.stamp, seen.vouched) == (STAMP.naming("1"), True)
    assert seen.by == f"arn:aws:iam::{rig.harness.account}:user/sopsync"
    assert seen.at.endswith("Z")


def test_the_longest_origin_fits_a_description_and_a_tag(rig: Rig) -> None:
    long = replace(STAMP, origin=Origin("p/" * 200, "/k"))
    rig.write(stamp=long)
    assert rig.see().stamp == long.naming("1"), "a path of 400 characters is not cut in a Description"
    rig.store.restamp(NAME, long, expect=Version("1"), tags={})
    stamp = rig.see().stamp
    assert stamp is not None
    assert stamp.origin is None, "in a tag it is, and then names nothing rather than something else"


def test_strings_by_option(rig: Rig) -> None:
    rig.write(options={"type": "String"})
    assert rig.outside.described(NAME)["Type"] == "String"
    assert rig.see().options["type"] == {"String"}


def test_no_type_is_ever_changed_and_that_is_said_before_any_call(rig: Rig) -> None:
    rig.seed([{"name": NAME, "value": "canary-x", "type": "String"}])
    rig.see()
    with pytest.raises(Rejected, match="never changes the type") as caught:
        rig.calls(lambda: rig.write(expect="1"))
    assert "delete it" in caught.value.problems[0].hint
    assert rig.log[-1][0] != "put_parameter"
    rig.write(expect="1", options={"type": "String"})


@pytest.mark.parametrize(
    ("asked", "live", "sent"),
    [
        ("", "Standard", None), ("standard", "Standard", "Standard"), ("advanced", "Standard", "Advanced"),
        ("intelligent", "Standard", "Intelligent-Tiering"), ("", "Advanced", "Advanced"),
        ("standard", "Advanced", "Advanced"), ("intelligent", "Advanced", "Advanced"),
    ],
)  # fmt: skip
def test_no_tier_is_ever_lowered(rig: Rig, asked: str, live: str, sent: str | None) -> None:
    rig.seed([{"name": NAME, "value": "canary-x", "tier": live}])
    rig.see()
    rig.write(expect="1", options={"tier": asked} if asked else {})
    assert rig.log[-1][1].get("Tier") == sent
    assert rig.outside.described(NAME)["Tier"] == ("Advanced" if "Advanced" in (live, sent) else "Standard")


def test_which_tiers_are_as_good_as_the_live_one(rig: Rig) -> None:
    rig.write(options={"tier": "standard"})
    assert rig.see().options["tier"] == {"standard", "intelligent"}
    rig.write(expect="1", options={"tier": "advanced"})
    assert rig.see().options["tier"] == {"standard", "intelligent", "advanced"}


@pytest.mark.parametrize(("tier", "limit"), [("standard", 4096), ("advanced", 8192), ("intelligent", 8192)])
def test_too_large_for_the_tier_is_said_before_any_call(rig: Rig, tier: str, limit: int) -> None:
    text = "x" * (limit - len("canary-"))
    rig.write(text, options={"tier": tier})
    before = len(rig.log)
    with pytest.raises(Rejected, match=f"takes {limit} bytes"):
        rig.write(text + "x", expect="1", options={"tier": tier})
    assert len(rig.log) == before


@pytest.mark.parametrize(
    ("payload", "options", "tags", "says"),
    [
        (Payload(value=Secret(b"")), {}, {}, "empty"),
        (Payload(value=Secret(b"canary-\xff")), {}, {}, "UTF-8"),
        (Payload(fields={"a": Secret(b"canary-a")}), {}, {}, "not a map"),
        (value("{{ssm:x}}"), {}, {}, "{{"),
        (value(), {"tier": "best"}, {}, "tier is one of"),
        (value(), {"type": "StringList"}, {}, "type is one of"),
        (value(), {"type": "String", "kms_key": "alias/x"}, {}, "has no key"),
        (value(), {}, {"sopsync-x": "y"}, "begin with neither"),
        (value(), {}, {"aws:x": "y"}, "begin with neither"),
        (value(), {}, {"AWS:x": "y"}, "begin with neither"),
        (value(), {}, {"a;b": "y"}, "letters, digits"),
        (value(), {}, {"k" * 129: "y"}, "at most 128"),
        (value(), {}, {f"k{n}": "" for n in range(48)}, "too many tags"),
    ],
)
def test_what_aws_would_refuse_is_refused_before_any_call(
    rig: Rig, payload: Payload, options: dict[str, str], tags: dict[str, str], says: str
) -> None:
    with pytest.raises(Rejected) as caught:
        rig.store.write(NAME, payload, STAMP, expect=None, options=options, tags=tags)
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert rig.log == []


# -- keys


def test_a_key_of_ones_own_and_every_way_to_write_it(rig: Rig) -> None:
    key, account = plant_key(rig.harness.account, "alias/app"), rig.harness.account
    rig.write(options={"kms_key": "alias/app"})
    assert rig.outside.described(NAME)["KeyId"] == "alias/app"
    assert rig.see().options["kms_key"] == {"alias/app", f"arn:aws:kms:eu-west-1:{account}:alias/app"}
    rig.write(expect="1", options={"kms_key": f"arn:aws:kms:eu-west-1:{account}:key/{key}"})
    assert rig.see().options["kms_key"] == {key, f"arn:aws:kms:eu-west-1:{account}:key/{key}"}


def test_a_key_that_the_config_does_not_name_stays(rig: Rig) -> None:
    plant_key(rig.harness.account, "alias/app")
    rig.seed([{"name": NAME, "value": "canary-x", "key": "alias/app"}])
    rig.see()
    rig.write(expect="1")
    assert rig.log[-1][1]["KeyId"] == "alias/app"


def test_a_key_that_is_not_there_is_named(rig: Rig) -> None:
    with pytest.raises(Rejected, match="KMS key cannot be used"):
        rig.write(options={"kms_key": "alias/none"})
    assert rig.see().state is State.ABSENT


# -- tags


def test_tags_of_others_stay_and_ours_follow(rig: Rig) -> None:
    rig.write(tags={"team": "web", "öd d": "1"})
    rig.outside.call(
        "AddTagsToResource", ResourceType="Parameter", ResourceId=NAME, Tags=[{"Key": "cost", "Value": "7"}]
    )
    rig.see()
    calls = rig.calls(lambda: rig.write("two", expect="1", tags={"team": "api"}))
    assert calls == ["remove_tags_from_resource", "add_tags_to_resource", "put_parameter"]
    assert rig.outside.tags(NAME) == {"team": "api", "cost": "7"}
    rig.see()
    assert rig.calls(lambda: rig.write("three", expect="2", tags={"team": "api"})) == ["put_parameter"]
    rig.see()
    rig.write("four", expect="3")
    assert rig.outside.all_tags(NAME) == {"cost": "7"}


def test_a_put_cut_off_after_its_tags_is_done_again(rig: Rig) -> None:
    rig.write()
    rig.see()
    rig.cloud.faults["PutParameter"] = [replace(ANSWER_LOST, happens=False)]
    with pytest.raises(Unavailable):
        rig.write("two", expect="1", stamp=OTHER, tags={"team": "web"})
    assert rig.outside.tags(NAME) == {"team": "web"}
    assert rig.see(OTHER.digest).stamp == STAMP.naming("1"), "so that the next run writes"
    rig.write("two", expect="1", stamp=OTHER, tags={"team": "web"})
    assert rig.see(OTHER.digest).vouched


# -- restamps


def test_a_restamp_is_found_where_it_is_wanted_and_only_there(rig: Rig) -> None:
    rig.write()
    rig.see()
    expected = ["describe_parameters", "add_tags_to_resource"]
    assert rig.calls(lambda: rig.store.restamp(NAME, OTHER, expect=Version("1"), tags={})) == expected
    assert rig.see(OTHER.digest).stamp == OTHER.naming("1")
    assert rig.calls(lambda: rig.see(OTHER.digest)) == ["describe_parameters", "list_tags_for_resource"]
    assert rig.outside.described(NAME)["Version"] == 1
    rig.write("two", expect="1")
    assert rig.calls(lambda: rig.see(STAMP.digest)) == ["describe_parameters"]
    assert rig.see("").stamp == STAMP.naming("2"), "a tag that names an old version is not believed"


@pytest.mark.parametrize("whose", ["", "other"])
def test_an_entry_taken_over_without_a_new_version_is_ours_in_every_listing(rig: Rig, whose: str) -> None:
    if whose:
        rig.write(stamp=replace(STAMP, owner=whose))
    else:
        rig.outside.put(NAME, value())
    rig.see()
    calls = rig.calls(lambda: rig.store.restamp(NAME, STAMP, expect=Version("1"), tags={}))
    assert calls == ["describe_parameters", "put_parameter", "add_tags_to_resource"], "marked first"
    (seen,) = rig.fresh().survey({}).entries
    assert (seen.owner, seen.vouched) == ("acme", True), "although nobody asked for it"
    assert rig.calls(lambda: rig.fresh().survey({NAME: STAMP.digest})) == ["describe_parameters", "get_resources"]
    rig.outside.put("/app/more", value())
    rig.see(name="/app/more")
    assert MARK not in str(rig.log[-1])
    assert "put_parameter" not in rig.calls(
        lambda: rig.store.restamp("/app/more", STAMP, expect=Version("1"), tags={})
    ), "marked once"


def test_a_tag_does_not_vouch_for_a_parameter_that_began_anew(rig: Rig) -> None:
    """The listing of tags may be old, and numbers begin again at 1: so a stamp in a tag names the time as well."""
    rig.write()
    rig.store.restamp(NAME, OTHER, expect=Version("1"), tags={})
    tags = rig.outside.all_tags(NAME)
    rig.outside.delete(NAME)
    rig.outside.put(NAME, value("foreign"))
    rig.outside.call(
        "AddTagsToResource", ResourceType="Parameter", ResourceId=NAME,
        Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
    )  # fmt: skip
    seen = rig.see(OTHER.digest)
    assert (seen.version, seen.vouched, seen.owner) == ("1", False, "acme")


def test_a_hundred_versions_and_restamps_block_no_put(rig: Rig) -> None:
    version = rig.write()
    for number in range(105):
        rig.store.restamp(NAME, OTHER, expect=version, tags={})
        version = rig.write(str(number), expect=version)
    assert version == "106"
    assert len(list(rig.store.history(NAME))) == 100


# -- races


def test_a_foreign_write_between_survey_and_put_is_said_and_healed(rig: Rig) -> None:
    rig.write()
    rig.see()
    rig.outside.put(NAME, value("theirs"))
    with pytest.raises(Conflict) as caught:
        rig.write("two", expect="1", stamp=OTHER)
    assert "v2 was written meanwhile, and is in the history; ours is live as v3" in str(caught.value)
    assert "get-parameter-history" in caught.value.problems[0].hint
    seen = rig.see(OTHER.digest)
    assert (seen.version, seen.vouched) == ("3", False)
    assert rig.store.read(NAME, expect=Version("3")).same(value("two"))
    rig.store.restamp(NAME, OTHER, expect=Version("3"), tags={})
    assert rig.see(OTHER.digest).vouched


def test_what_was_seen_half_a_minute_ago_is_looked_at_before_it_is_written_over(rig: Rig) -> None:
    """Nothing compares when a parameter is overwritten, and who reads a plan takes their time."""
    now = [0.0]
    rig.store = rig.harness.client(Sender(rig.harness.account, US, rig.wire, rig.log), clock=lambda: now[0])
    rig.write()
    rig.see()
    now[0] = 29.0
    assert rig.calls(lambda: rig.write("two", expect="1")) == ["put_parameter"]
    rig.outside.put(NAME, value("theirs"))
    now[0] = 29.0 + 30.0
    with pytest.raises(Conflict, match="planned on v2, found v3"):
        rig.write("three", expect="2")
    live = rig.outside.peek(NAME)
    assert live is not None and live.same(value("theirs"))  # noqa: PT018


def test_a_stamp_never_names_a_version_that_is_yet_to_come(rig: Rig) -> None:
    """Deleted in between, numbers begin again: v=3 on version 1 would vouch for whoever makes version 3, if overwriting
    keeps the Description."""
    rig.write()
    rig.write("two", expect="1")
    rig.see()
    rig.outside.delete(NAME)
    with pytest.raises(Conflict, match="it was deleted meanwhile; ours is live as v2"):
        rig.write("three", expect="2", stamp=OTHER)
    for text in ("x", "y"):
        rig.outside.put(NAME, value(text))
        assert not rig.see(OTHER.digest).vouched


@pytest.mark.parametrize("expect", [None, "1"])
def test_a_put_whose_answer_is_lost_is_settled_by_looking_and_never_made_again(rig: Rig, expect: str | None) -> None:
    if expect:
        rig.write("before")
        rig.see()
    rig.cloud.faults["PutParameter"] = [ANSWER_LOST]
    calls = rig.calls(lambda: rig.write("two", expect=expect, stamp=OTHER))
    assert calls == ["put_parameter", "describe_parameters"]
    assert rig.see(OTHER.digest).vouched
    assert len(list(rig.store.history(NAME))) == (2 if expect else 1)


def test_throttled_puts_are_made_again(rig: Rig) -> None:
    rig.cloud.throttle["PutParameter"] = 1
    rig.cloud.faults["PutParameter"] = [TOO_MANY_UPDATES]
    assert rig.calls(rig.write) == ["put_parameter"] * 3
    assert rig.see().version == "1"


# -- deletes


def test_ten_go_at_once_and_those_that_moved_stay(rig: Rig) -> None:
    names = [f"/app/k{number}" for number in range(10)]
    for name in names:
        rig.write(name=name)
    rig.outside.put(names[3], value("theirs"))
    rig.outside.delete(names[4])
    refused: dict[str, Any] = {}
    calls = rig.calls(lambda: refused.update(rig.store.delete(dict.fromkeys(names, Version("1")))))
    assert calls == ["describe_parameters", "delete_parameters"]
    assert refused.keys() == {names[3], names[4]}
    assert all(isinstance(error, Conflict) for error in refused.values())
    assert [entry.name for entry in rig.store.survey({}).entries] == [names[3]]


def test_a_delete_whose_answer_is_lost_is_settled_by_looking_and_never_made_again(rig: Rig) -> None:
    rig.write()
    rig.cloud.faults["DeleteParameters"] = [ANSWER_LOST]
    refused: dict[str, Any] = {}
    calls = rig.calls(lambda: refused.update(rig.store.delete({NAME: Version("1")})))
    assert (calls, refused) == (["describe_parameters", "delete_parameters", "describe_parameters"], {})
    rig.write()
    rig.cloud.faults["DeleteParameters"] = [replace(ANSWER_LOST, happens=False)]
    assert isinstance(rig.store.delete({NAME: Version("1")})[NAME], Unavailable)
    assert rig.see().state is State.PRESENT


# -- paths


def test_paths_are_looked_at_side_by_side_and_nothing_else_is(cloud: Aws, ssm_pool: Pool) -> None:
    rig = Rig(cloud, ssm_pool, paths=["/app", "/web"])
    for name in ("/app/a", "/web/b", "/other/c"):
        rig.seed([{"name": name, "value": "canary-x", "description": describe(STAMP.naming("1"))}])
    rig.store.raise_fence(FENCE, expect=None)
    rig.log.clear()
    survey = rig.store.survey(dict.fromkeys(["/app/a", "/app/none", "/other/c", "/apple/x"], STAMP.digest))
    shown = [params["ParameterFilters"][0] for _, params in rig.log]
    assert sorted(filters["Values"][0] for filters in shown) == ["/app", FENCES, "/web"]
    assert survey.fences == {"acme": FENCE}
    seen = {entry.name: entry for entry in survey.entries}
    assert seen["/app/a"].vouched
    assert seen["/web/b"].vouched
    assert seen["/app/none"].state is State.ABSENT
    for outside in ("/other/c", "/apple/x"):
        assert seen[outside].state is State.UNKNOWN
        assert "below one of the store's paths" in seen[outside].reason
        with pytest.raises(Rejected, match="below one of the store's paths"):
            rig.write(name=outside)


@pytest.mark.parametrize(
    "paths", [["app"], ["/app/"], ["/a", "/a"], ["/a", "/a/b"], ["/a/b", "/a"], ["/aws/x"], ["/SSM"], [FENCES]]
)
def test_paths_that_cannot_be(paths: list[str]) -> None:
    with pytest.raises(ValueError, match="path"):
        AwsSsmSettings(type="aws-ssm", paths=paths)


def test_a_path_that_cannot_be_listed_is_unknown_and_the_others_go_on() -> None:
    class Half:
        """Lists nothing below the paths in `shut`."""

        def __init__(self, *shut: str) -> None:
            self.shut = shut

        def below(self, path: str) -> list[Listed]:
            if path in self.shut:
                raise Unavailable("no answer in time", store="ssm", hint="retry")
            return [Listed(f"{path}/x", 1)]

    def look(*shut: str) -> Listing:
        half: Any = Half(*shut)
        return list_all(half, ["/app", "/web"])

    found = look("/app")
    assert (list(found.entries), found.unknown) == (["/web/x"], {"/app/": "no answer in time"})
    for shut in ((FENCES,), ("/app", "/web")):
        with pytest.raises(Unavailable):
            look(*shut)


def test_quotas_of_the_account_set_the_pace(cloud: Aws, ssm_pool: Pool) -> None:
    store = Rig(cloud, ssm_pool).fresh(paths=["/app"])
    assert store._calls._ssm._paces.of("PutParameter")._most == FAST["put"]
    given = AwsSsmSettings(type="aws-ssm", rates={"put": 10})
    paces = open_ssm("ssm", given, Context({}))._calls._ssm._paces
    assert [paces.of(name)._most for name in ("PutParameter", "GetParameter")] == [10, 40]


# -- fences


def test_two_stores_of_one_run_share_the_fence_of_their_owner(rig: Rig) -> None:
    then, now = FENCE, replace(FENCE, commit="f" * 40)
    rig.store.raise_fence(then, expect=None)
    left, right, late = (rig.fresh(paths=[path]) for path in ("/left", "/right", "/late"))
    for store in (left, right):
        assert store.survey({}).fences == {"acme": then}
    left.raise_fence(now, expect=then)
    right.raise_fence(now, expect=then)
    late.raise_fence(now, expect=then)
    assert rig.store.survey({}).fences == {"acme": now}
    with pytest.raises(Conflict):
        right.raise_fence(replace(FENCE, commit="9" * 40), expect=then)


def test_a_fence_is_a_chain_whose_highest_link_counts(rig: Rig) -> None:
    chain, fences = _chain("acme"), [replace(FENCE, commit=letter * 40) for letter in "abcde"]
    before = None
    for fence in fences:
        rig.store.raise_fence(fence, expect=before)
        before = fence
    assert rig.store.survey({}).fences == {"acme": fences[-1]}
    assert [rig.outside.described(f"{chain}/{n}") != {} for n in range(1, 6)] == [False, False, False, True, True]


def test_a_run_that_slept_while_others_raised_twice_writes_nothing(rig: Rig) -> None:
    """The gap that a sweep left is free for it: so it looks once more."""
    fences = [replace(FENCE, commit=letter * 40) for letter in "abcdef"]
    rig.store.raise_fence(fences[0], expect=None)
    sleeper = rig.fresh()
    sleeper.survey({})
    other = rig.fresh()
    for before, fence in pairwise(fences[:5]):
        other.raise_fence(fence, expect=before)
    with pytest.raises(Conflict, match="another run was faster"):
        sleeper.raise_fence(fences[5], expect=fences[0])
    assert rig.fresh().survey({}).fences == {"acme": fences[4]}
    assert rig.outside.described(f"{_chain('acme')}/2") == {}, "it took its own back"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"{_chain('acme')}/1", "something else"),
        (f"{_chain('acme')}/x", FENCE.encode()),
        (f"{_chain('other')}/1", FENCE.encode()),
        (f"{FENCES}/x", "-"),
    ],
)
def test_a_fence_that_cannot_be_read_is_not_none(rig: Rig, name: str, text: str) -> None:
    rig.seed([{"name": name, "value": "-", "type": "String", "description": text}])
    with pytest.raises(Rejected, match="cannot be read"):
        rig.store.survey({})


# -- chamber's conventions


def test_chamber_reads_what_we_write(chamber: Rig) -> None:
    """`Write`, `KMSKey` and `parameterMetaToSecretMeta` of store/ssmstore.go."""
    chamber.write()
    row = chamber.outside.described(NAME)
    assert (row["Description"], row["KeyId"], row["Type"]) == ("1", "alias/parameter_store_key", "SecureString")
    chamber.write("two", expect="1")
    assert chamber.outside.described(NAME)["Description"] == "2"


@pytest.mark.parametrize(
    ("theirs", "ours"), [("7", "8"), ("text", "1"), ("", "1"), ("-3", "-2"), ("1.5", "1"), ("٣", "1")]
)
def test_we_count_on_from_what_chamber_wrote(chamber: Rig, theirs: str, ours: str) -> None:
    """Not from what AWS counts; and as `strconv.Atoi` does, whose error is ignored."""
    chamber.seed([{"name": NAME, "value": "canary-x", "description": theirs, "key": "alias/parameter_store_key"}])
    chamber.see()
    chamber.write(expect="1")
    assert chamber.outside.described(NAME)["Description"] == ours


@pytest.mark.parametrize(
    "name", ["/token", "/App/token", "/app/Token", "/_chamber/store-config", "app/token", "/app//token", "/app/to ken"]
)
def test_names_that_chamber_would_not_find_are_refused(chamber: Rig, name: str) -> None:
    """`validateKey`, `validateService`, and the lower-casing of cmd/."""
    assert chamber.see(name=name).state is State.UNKNOWN
    with pytest.raises(Rejected):
        chamber.write(name=name)


def test_a_write_of_chambers_is_drift(chamber: Rig) -> None:
    chamber.write()
    chamber.outside.put(NAME, value("theirs"), Description="2", KeyId="alias/parameter_store_key")
    seen = chamber.see(STAMP.digest)
    assert (seen.owner, seen.vouched, seen.version) == ("acme", False, "2")


# -- permissions, by real policies


@pytest.mark.parametrize(
    ("lacks", "act"),
    [
        ("ssm:DescribeParameters", lambda rig: rig.store.survey({})),
        ("ssm:PutParameter", lambda rig: rig.write(expect="1", name="/app/ours")),
        ("ssm:ListTagsForResource", lambda rig: rig.write(expect="1", name="/app/ours")),
        ("ssm:AddTagsToResource", lambda rig: rig.store.restamp("/app/ours", OTHER, expect=Version("1"), tags={})),
        ("ssm:GetParameter", lambda rig: rig.store.read("/app/ours", expect=Version("1"))),
        ("ssm:DeleteParameters", lambda rig: rig.store.delete({"/app/ours": Version("1")})),
        ("ssm:GetParameterHistory", lambda rig: list(rig.store.history("/app/ours"))),
    ],
)
def test_the_action_that_is_missing_is_named(
    strict: Aws, ssm_pool: Pool, lacks: str, act: Callable[[Any], object]
) -> None:
    rig = Rig(strict, ssm_pool)
    rig.seed([{"name": "/app/ours", "value": "canary-x", "description": describe(STAMP.naming("1"))}])
    policy = [
        {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"},
        {"Effect": "Deny", "Action": lacks, "Resource": "*"},
    ]
    environ = strict.user(policy, f"lacks-{lacks[4:]}", account=rig.harness.account)
    rig.store = open_ssm("ssm", AwsSsmSettings(type="aws-ssm", rates=FAST), Context(environ))
    with pytest.raises(Denied) as caught:
        act(rig)
    rig.store.close()
    assert lacks in str(caught.value)
    assert "grant" in caught.value.problems[0].hint


def test_a_parameter_whose_tags_may_not_be_seen_is_unknown_alone(strict: Aws, ssm_pool: Pool) -> None:
    rig = Rig(strict, ssm_pool)
    names = ["/app/a", "/shut/b"]
    rig.seed([{"name": name, "value": "canary-x", "description": describe(STAMP.naming("1"))} for name in names])
    policy = [
        {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "ssm:ListTagsForResource",
            "Resource": f"arn:aws:ssm:eu-west-1:{rig.harness.account}:parameter/shut/*",
        },
    ]
    environ = strict.user(policy, "shut", account=rig.harness.account)
    store = open_ssm("ssm", AwsSsmSettings(type="aws-ssm", rates=FAST), Context(environ))
    seen = {entry.name: entry for entry in store.survey(dict.fromkeys([*names, "/shut/b2"], OTHER.digest)).entries}
    store.close()
    assert seen["/shut/b2"].state is State.ABSENT, "its name only begins like that of the other"
    assert seen["/app/a"].vouched
    assert seen["/shut/b"].state is State.UNKNOWN
    assert "ssm:ListTagsForResource" in seen["/shut/b"].reason


@pytest.fixture(scope="module")
def strict() -> Iterator[Aws]:
    from tests.support.aws import aws

    with aws(enforce_iam=True) as cloud:
        yield cloud
