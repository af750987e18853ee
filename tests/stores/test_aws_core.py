"""What all stores in AWS share: pace, which call is made again, whose credentials, what an answer means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from sopsync.errors import Conflict, Denied, Rejected, StoreError, Unavailable
from sopsync.model import Payload, Secret, Stamp
from sopsync.stores.aws_api import Api
from sopsync.stores.aws_errors import refusal, silence
from sopsync.stores.aws_pace import Pace, Paces
from sopsync.stores.aws_secrets import open_secrets
from sopsync.stores.aws_secrets_settings import AwsSecretsSettings
from sopsync.stores.aws_session import Clients, session_name
from sopsync.stores.aws_settings import AwsSettings
from sopsync.stores.aws_ssm import open_ssm
from sopsync.stores.aws_ssm_settings import AwsSsmSettings
from sopsync.stores.place import Place
from tests.sops.wire import Answer, serving
from tests.support.aws import Aws
from tests.support.aws.wire import Call

COMMIT = "c0ffee" + "0" * 34
VALUE = "canary-core"


# -- pace


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def pace(clock: Clock, rate: float) -> Pace:
    return Pace(rate, clock, clock.sleep)


def test_a_seconds_worth_goes_at_once_and_then_the_rate_holds() -> None:
    clock = Clock()
    bucket = pace(clock, 4)
    for _ in range(4):
        bucket.wait()
    assert clock.slept == []
    for _ in range(8):
        bucket.wait()
    assert clock.now == pytest.approx(102)
    clock.now += 60
    for _ in range(5):
        bucket.wait()
    assert clock.now == pytest.approx(162.25), "what was not used for a minute is a second's worth"


def test_less_than_one_a_second_waits_for_its_turn() -> None:
    clock = Clock()
    bucket = pace(clock, 0.5)
    for _ in range(3):
        bucket.wait()
    assert clock.now == pytest.approx(104)


def test_stores_of_one_account_and_region_share_its_quotas() -> None:
    def paces(context: Context, **settings: Any) -> tuple[Paces, Paces]:
        secrets = open_secrets("a", AwsSecretsSettings(type="aws-secretsmanager", **settings), context)
        parameters = open_ssm("b", AwsSsmSettings(type="aws-ssm", **settings), context)
        return secrets._api._api._paces, parameters._calls._ssm._paces

    run = Context({})
    here = paces(run, region="eu-west-1")
    assert here[0] is not here[1], "each API has its own"
    assert all(one is other for one, other in zip(here, paces(run, region="eu-west-1"), strict=True))
    role = "arn:aws:iam::123456789012:role/x"
    apart: list[dict[str, Any]] = [{"region": "eu-west-2"}, {"region": "eu-west-1", "role_arn": role}]
    for settings in apart:
        assert all(one is not other for one, other in zip(here, paces(run, **settings), strict=True))
    assert paces(Context({}), region="eu-west-1")[0] is not here[0], "nothing outlives a run"
    slow = AwsSsmSettings(type="aws-ssm", region="eu-west-1", rates={"put": 1})
    assert open_ssm("slow", slow, run)._calls._ssm._paces is not here[1], "its share was set by hand"
    one = AwsSsmSettings(type="aws-ssm", region="eu-west-1", role_arn=role)
    other = AwsSsmSettings(type="aws-ssm", region="eu-west-1", role_arn=f"{role}-2", paths=["/x"])
    assert open_ssm("1", one, run)._calls._ssm._paces is open_ssm("2", other, run)._calls._ssm._paces


def test_a_throttling_halves_the_rate_and_successes_bring_it_back() -> None:
    clock = Clock()
    bucket = pace(clock, 8)
    bucket.throttled()
    began = clock.now
    for _ in range(40):
        bucket.wait()
    assert clock.now - began == pytest.approx(10, abs=0.3), "4 a second, and a pause of a second first"
    for _ in range(16):
        bucket.went()
    clock.now += 60
    began = clock.now
    for _ in range(16):
        bucket.wait()
    assert clock.now - began == pytest.approx(1, abs=0.01)


def test_no_throttling_stops_a_group_for_good() -> None:
    clock = Clock()
    bucket = pace(clock, 16)
    for _ in range(50):
        bucket.throttled()
    clock.now += 60
    began = clock.now
    for _ in range(4):
        bucket.wait()
    assert clock.now - began == pytest.approx(3, abs=0.01), "a sixteenth of the rate is left"


# -- which call is made again


@dataclass
class Scripted:
    """A client of which each call ends as the next of `answers` says."""

    answers: list[Exception | Mapping[str, Any]]
    calls: int = 0

    def of(self, _service: str) -> Any:
        return self

    def put_parameter(self, **_: Any) -> Mapping[str, Any]:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(code: str, status: int = 400, message: str = f"it said {VALUE}") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutParameter"
    )


def broken() -> exceptions.HTTPClientError:
    return exceptions.ConnectionClosedError(endpoint_url=f"https://{VALUE}")


@dataclass
class Rig:
    client: Scripted
    clock: Clock = field(default_factory=Clock)
    counted: int = 0
    rate: float = 8

    def open(self) -> Api:
        bucket = Paces({"put": self.rate}, {"PutParameter": "put"})
        self.pace = bucket._paces["put"] = pace(self.clock, self.rate)
        clients: Any = self.client
        return Api("prod", "ssm", clients, paces=bucket, counted=self._count, sleep=self.clock.sleep, clock=self.clock)

    def call(self, *, again: bool, allow: tuple[str, ...] = ()) -> Any:
        return self.open().call("PutParameter", name="/a", again=again, allow=allow)

    def _count(self) -> None:
        self.counted += 1


def test_what_was_throttled_is_made_again_whatever_it_is_and_slows_the_pace() -> None:
    rig = Rig(Scripted([said("ThrottlingException"), said("TooManyUpdates"), {"Version": 2}]))
    assert rig.call(again=False).data == {"Version": 2}
    assert (rig.client.calls, rig.counted) == (3, 3), "and each is counted"
    assert sum(rig.clock.slept) > 0
    assert rig.pace._rate < 8


@pytest.mark.parametrize("rate", [0.5, 8, 100])
def test_throttled_for_ever_is_unavailable_within_a_minute(rate: float) -> None:
    rig = Rig(Scripted([said("ThrottlingException")] * 999), rate=rate)
    began = rig.clock.now
    with pytest.raises(Unavailable, match="too many requests"):
        rig.call(again=False)
    assert rig.clock.now - began <= 60
    assert rig.client.calls >= 3


def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    clock = Clock()
    bucket = pace(clock, 0.1)
    bucket.wait()
    assert not bucket.wait(within=9)
    assert clock.slept == []
    assert bucket.wait(within=11)
    assert clock.now == pytest.approx(110), "who gave up is not in the queue"


@pytest.mark.parametrize("lost", [broken(), said("InternalServerError", 500), said("", 503)])
def test_a_write_whose_answer_is_lost_is_not_made_again_and_a_read_is(lost: Exception) -> None:
    write = Rig(Scripted([lost, {}]))
    with pytest.raises(Unavailable):
        write.call(again=False)
    assert write.client.calls == 1
    read = Rig(Scripted([lost, lost, {"x": 1}]))
    assert read.call(again=True).data == {"x": 1}
    gone = Rig(Scripted([lost] * 9))
    with pytest.raises(Unavailable):
        gone.call(again=True)
    assert gone.client.calls == 3


def test_a_success_that_says_nothing_is_not_aws() -> None:
    """As botocore gives it for a page of HTML, whatever was asked: https://github.com/boto/botocore, parsers.py,
    _parse_body_as_json."""
    for said_nothing in (
        {},
        {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-type": "text/html"}}},
    ):
        rig = Rig(Scripted([said_nothing]))
        with pytest.raises(Unavailable, match="not the answer of AWS"):
            rig.call(again=True)
        assert rig.client.calls == 1
    assert Rig(Scripted([{"ResponseMetadata": {"RequestId": "1"}}])).call(again=True).code == "", "nothing to tell"


@pytest.mark.parametrize("service", ["ssm", "secretsmanager"])
@pytest.mark.parametrize("page", [b"<html>log in</html>", b'{"status": "ok"}', b""])
def test_a_web_server_is_neither_an_empty_store_nor_one_that_was_written(service: str, page: bytes) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"}
    shared: dict[str, Any] = {"region": "eu-west-1"}
    with serving(lambda _: Answer(200, page)) as wire:
        shared["endpoint_url"] = wire.url
        store: Any = (
            open_ssm("prod", AwsSsmSettings(type="aws-ssm", **shared), Context(keys))
            if service == "ssm"
            else open_secrets("prod", AwsSecretsSettings(type="aws-secretsmanager", **shared), Context(keys))
        )
        payload, stamp = Payload(value=Secret(b"canary-value")), Stamp("acme", "a" * 32, "c" * 40)
        with pytest.raises(Unavailable, match="not the answer of AWS"):
            store.survey({"/a/b": "d" * 32})
        with pytest.raises(Unavailable, match="not the answer of AWS"):
            store.write("/a/b", payload, stamp, expect=None, options={}, tags={})
        store.close()


def test_a_no_is_never_asked_for_twice_and_known_ones_are_answers() -> None:
    rig = Rig(Scripted([said("ParameterAlreadyExists"), {}]))
    assert rig.call(again=True, allow=("ParameterAlreadyExists",)).code == "ParameterAlreadyExists"
    rig = Rig(Scripted([said("ValidationException"), {}]))
    with pytest.raises(Rejected):
        rig.call(again=True)
    assert rig.client.calls == 1


@pytest.mark.parametrize("token", ["NextToken", "PaginationToken"])
def test_pages_go_on_until_there_is_no_token_and_stop_where_one_is_repeated(token: str) -> None:
    rig = Rig(Scripted([{"n": 1, token: "a"}, {"n": 2, token: "b"}, {"n": 3, token: ""}]))
    pages = rig.open().pages("PutParameter", again=True, by=token)
    assert [page["n"] for page in pages] == [1, 2, 3]
    rig = Rig(Scripted([{token: "a"}] * 9))
    with pytest.raises(Unavailable, match="does not go on"):
        list(rig.open().pages("PutParameter", again=True, by=token))
    assert rig.client.calls == 2
    rig = Rig(Scripted([{token: "a"}, {token: "b"}] * 9))
    with pytest.raises(Unavailable, match="does not go on"):
        list(rig.open().pages("PutParameter", again=True, by=token))
    assert rig.client.calls == 3


def test_no_error_carries_what_was_sent() -> None:
    for answer in (said("ValidationException"), broken(), RuntimeError(VALUE)):
        with pytest.raises(StoreError) as caught:
            Rig(Scripted([answer] * 3)).call(again=True)
        assert VALUE not in f"{caught.value} {caught.value!r}"
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


# -- what an answer means

PLACE = Place("prod", "/a", "ssm:PutParameter")


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("ExpiredTokenException", 400, Denied, "log in to AWS again"),
        ("UnrecognizedClientException", 400, Denied, "log in to AWS again"),
        ("AccessDeniedException", 400, Denied, "ssm:PutParameter"),
        ("ParameterAlreadyExists", 400, Conflict, "found something else"),
        ("ParameterNotFound", 400, Conflict, "deleted meanwhile"),
        ("InvalidKeyId", 400, Rejected, "look at kms_key"),
        ("ThrottlingException", 400, Unavailable, "rates:"),
        ("ParameterLimitExceeded", 400, Rejected, "the region is full"),
        ("ParameterMaxVersionLimitExceeded", 400, Rejected, "label on the oldest"),
        ("LimitExceededException", 400, Rejected, "quota"),
        ("InternalServerError", 500, Unavailable, "AWS failed"),
        ("", 200, Unavailable, "no code"),
        ("403", 403, Unavailable, "not the answer of AWS"),
        ("302", 302, Unavailable, "look at endpoint_url and proxies"),
        ("502", 502, Unavailable, "not the answer of AWS"),
    ],
)
def test_codes_become_what_the_reader_can_do(code: str, status: int, kind: type[StoreError], says: str) -> None:
    error = refusal(code, "", status, PLACE)
    assert type(error) is kind
    assert says in str(error)
    assert error.problems[0].hint


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("ParameterLimitExceeded", "ask AWS for a higher quota"),
        ("ParameterMaxVersionLimitExceeded", "take the label off"),
        ("LimitExceededException", "ask AWS for a higher quota"),
    ],
)
def test_a_limit_says_what_to_do_about_it(code: str, hint: str) -> None:
    assert hint in refusal(code, "", 400, PLACE).problems[0].hint


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"),
        ("InvalidSignatureException", "Signature not yet current: 20260101T002000Z is still later than …"),
        ("RequestExpired", ""),
        ("RequestTimeTooSkewed", ""),
    ],
)
def test_a_wrong_clock_is_not_called_a_bad_login(code: str, message: str) -> None:
    error = refusal(code, message, 403, PLACE)
    assert isinstance(error, Denied)
    assert str(error).endswith("hint: set this machine's clock")


def test_a_denial_names_the_action_that_is_missing_and_where() -> None:
    arn = "arn:aws:kms:eu-west-1:123456789012:key/1234"
    message = (
        f"User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: {arn} because no policy"
    )
    error = refusal("AccessDeniedException", message, 400, PLACE)
    assert "not allowed: kms:Decrypt" in str(error)
    assert f"grant kms:Decrypt on {arn}" in error.problems[0].hint


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (exceptions.NoCredentialsError(), Denied, "no AWS credentials"),
        (exceptions.ProfileNotFound(profile="x"), Denied, "no such AWS profile"),
        (exceptions.UnauthorizedSSOTokenError(), Denied, "aws sso login"),
        (exceptions.NoRegionError(), Rejected, "AWS_REGION"),
        (exceptions.SSLError(endpoint_url="x", error="[SSL: CERTIFICATE_VERIFY_FAILED]"), Rejected, "certificate"),
        (exceptions.SSLError(endpoint_url="x", error="EOF occurred"), Unavailable, "no connection"),
        (exceptions.ReadTimeoutError(endpoint_url="x"), Unavailable, "no answer in time"),
        (exceptions.EndpointConnectionError(endpoint_url="x"), Unavailable, "no connection"),
        (exceptions.ParamValidationError(report="canary-x"), Rejected, "cannot be made"),
    ],
)
def test_silence_becomes_what_the_reader_can_do(error: Exception, kind: type[StoreError], says: str) -> None:
    meant = silence(error, PLACE)
    assert type(meant) is kind
    assert says in str(meant)
    assert "canary" not in str(meant)


# -- whose calls, and where


@dataclass(frozen=True)
class Context:
    environ: Mapping[str, str]
    commit: str = COMMIT
    shared: dict[Any, Any] = field(default_factory=dict)


@pytest.fixture
def sent(cloud: Aws, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Every call as the server saw it, from whom and with what."""
    from tests.support.aws import server

    seen: list[Call] = []
    answer = server.App._answer

    def noting(self: server.App, call: Call) -> str | None:
        seen.append(call)
        return answer(self, call)

    monkeypatch.setattr(server.App, "_answer", noting)
    return seen


Opened = Callable[..., Any]


@pytest.fixture
def ssm() -> Iterator[Opened]:
    opened: list[Clients] = []

    def client(environ: Mapping[str, str], **settings: Any) -> Any:
        opened.append(Clients(AwsSettings(**settings), Context(environ), "ssm"))
        return opened[-1].of("ssm")

    yield client
    for clients in opened:
        clients.close()


def listed(client: Any) -> list[str]:
    return [row["Name"] for row in client.describe_parameters()["Parameters"]]


def test_a_role_is_assumed_with_its_external_id_under_the_name_of_the_commit(
    cloud: Aws, sent: list[Call], ssm: Opened
) -> None:
    account, role = cloud.fresh(), cloud.fresh()
    cloud.seed_parameters([{"name": "/in/the/role", "value": VALUE}], account=role)
    arn = f"arn:aws:iam::{role}:role/deploy"
    client = ssm(cloud.environ(account=account), role_arn=arn, external_id="ours")
    assert listed(client) == ["/in/the/role"]
    assume, describe = sent
    assert (assume.operation, assume.account) == ("AssumeRole", account)
    assert assume.body["RoleArn"] == arn
    assert assume.body["ExternalId"] == "ours"
    assert assume.body["RoleSessionName"] == f"sopsync-{COMMIT}"
    assert describe.caller.arn == f"arn:aws:sts::{role}:assumed-role/deploy/sopsync-{COMMIT}"
    listed(client)
    assert [call.operation for call in sent] == ["AssumeRole", "DescribeParameters", "DescribeParameters"]


def test_a_session_has_a_name_even_without_a_commit() -> None:
    assert session_name("") == "sopsync"
    assert session_name("e" * 64) == f"sopsync-{'e' * 40}"


def test_two_accounts_and_two_regions_in_one_run(cloud: Aws, ssm: Opened) -> None:
    here, there = cloud.fresh(), cloud.fresh()
    for account in (here, there):
        for region in ("eu-west-1", "us-east-2"):
            cloud.seed_parameters([{"name": f"/{account}/{region}", "value": VALUE}], account=account, region=region)
    environ = cloud.environ(account=here)
    role = {"role_arn": f"arn:aws:iam::{there}:role/x"}
    assert listed(ssm(environ)) == [f"/{here}/eu-west-1"]
    assert listed(ssm(environ, region="us-east-2")) == [f"/{here}/us-east-2"]
    assert listed(ssm(environ, **role)) == [f"/{there}/eu-west-1"]
    assert listed(ssm(environ, region="us-east-2", **role)) == [f"/{there}/us-east-2"]


def test_a_profile_goes_before_the_variables(cloud: Aws, ssm: Opened, tmp_path: Path) -> None:
    theirs, ours = cloud.fresh(), cloud.fresh()
    cloud.seed_parameters([{"name": "/of/the/profile", "value": VALUE}], account=ours)
    keys = cloud.environ(account=ours)
    file = tmp_path / "credentials"
    file.write_text(
        f"[deploy]\naws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    environ = {**cloud.environ(account=theirs), "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    assert listed(ssm(environ, profile="deploy")) == ["/of/the/profile"]
    assert listed(ssm(environ)) == []
    with pytest.raises(exceptions.ProfileNotFound):
        ssm(environ, profile="nobody")


def test_an_endpoint_of_its_own_is_not_where_roles_are_assumed(cloud: Aws, sent: list[Call], ssm: Opened) -> None:
    environ = {**cloud.environ(), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert isinstance(listed(ssm(environ, endpoint_url=cloud.url)), list)
    with pytest.raises(exceptions.EndpointConnectionError):
        listed(ssm(environ, endpoint_url=cloud.url, role_arn="arn:aws:iam::123456789012:role/x"))
    assert [call.operation for call in sent] == ["DescribeParameters"]


def endpoints(environ: Mapping[str, str], *services: str, own: str = "", **settings: Any) -> list[str]:
    """Where calls of these services go."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIA0", "AWS_SECRET_ACCESS_KEY": "-", "AWS_REGION": "eu-west-1"}
    clients = Clients(AwsSettings(**settings), Context({**keys, **environ}), own)
    found = [clients.of(service).meta.endpoint_url for service in services]
    clients.close()
    return found


def test_the_settings_endpoint_is_that_of_the_stores_own_service_alone() -> None:
    """A VPC endpoint of Parameter Store does not answer for the tagging API."""
    mine, theirs = "https://vpce-1.ssm.example", "https://tagging.eu-west-1.amazonaws.com"
    services = ("ssm", "resourcegroupstaggingapi")
    assert endpoints({}, *services, own="ssm", endpoint_url=mine) == [mine, theirs]
    everywhere = {"AWS_ENDPOINT_URL": "https://all.example"}
    assert endpoints(everywhere, *services, own="ssm", endpoint_url=mine) == [mine, "https://all.example"]


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("ssm", "AWS_ENDPOINT_URL_SSM"),
        ("secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        ("resourcegroupstaggingapi", "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API"),
        ("sts", "AWS_ENDPOINT_URL_STS"),
    ],
)
def test_endpoints_have_the_variables_that_aws_names(service: str, variable: str) -> None:
    """https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html"""
    environ = {variable: "https://one.example", "AWS_ENDPOINT_URL": "https://all.example"}
    assert endpoints(environ, service) == ["https://one.example"]
    (ignored,) = endpoints({**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}, service)
    assert ignored.endswith(".amazonaws.com")
    assert endpoints({**environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, service) == ["https://one.example"]


def test_no_credentials(cloud: Aws, ssm: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # botocore asks the process for it
    environ = {key: text for key, text in cloud.environ().items() if "KEY" not in key}
    for role in ({}, {"role_arn": "arn:aws:iam::123456789012:role/x"}):
        with pytest.raises(exceptions.NoCredentialsError):
            listed(ssm(environ, **role))
