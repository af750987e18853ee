"""What `sopsync policy` prints for stores in AWS is enough for each role, and no more: each action is missed by a run.

Every deed starts from an account of its own, where an administrator has applied the first commit; then something is
changed, and one command is run as a user who has just what the command prints for a role.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sopsync.stores.aws_secrets_settings import OPERATIONS
from sopsync.stores.aws_ssm_settings import GROUPS
from tests.support.aws import REGION, Aws, aws
from tests.support.story import Stage, capture

_numbers = count()
RATES = {
    "aws-ssm": "{put: 9999, get: 9999, describe: 9999, tag: 9999, delete: 9999, resources: 9999}",
    "aws-secretsmanager": "{create: 9999, write: 9999, tag: 9999, delete: 9999, restore: 9999, list: 9999}",
}
NAMES = {"aws-ssm": "/app/{key}", "aws-secretsmanager": "app/{key}"}
Statement = dict[str, Any]


@pytest.fixture(scope="module")
def strict() -> Iterator[Aws]:
    with aws(enforce_iam=True) as server:
        yield server


@dataclass
class Bench:
    """A repository, and an account that nobody has used."""

    stage: Stage
    cloud: Aws
    kind: str
    account: str
    monkeypatch: pytest.MonkeyPatch
    target: str = ""
    rule: str = field(default="")

    def configure(self, target: str = "", *, owner: str = "acme", previous: str = "", store: str = "") -> None:
        """`target`: more of the target, `store`: more of the store."""
        settings = f"type: {self.kind}, region: {REGION}, rates: {RATES[self.kind]}{store}"
        to = f"{{store: s, name: '{NAMES[self.kind]}', prune: true{target}}}"
        lines = ["version: 1", f"owner: {owner}", *([f"previous_owners: [{previous}]"] if previous else [])]
        thresholds = ["thresholds: {updates: {least: 99}, deletes: {least: 99}}"]
        lines += ["stores:", f"  s: {{{settings}}}", *thresholds, "sync:", f"  - {{from: api.yaml, to: [{to}]}}"]
        self.stage.do_write(["sopsync.yaml"], lines)

    def commit(self, **values: str) -> None:
        if values:
            self.stage.do_put(["api.yaml", *(f"{key}={value}" for key, value in values.items())])
        self.stage.do_commit(["A change"])

    def admin(self) -> None:
        self._be(self.cloud.environ(account=self.account))

    def apply(self) -> None:
        """As an administrator."""
        self.admin()
        code, said = capture(["apply", "--yes"])
        assert code == 0, said

    def policy(self, role: str) -> list[Statement]:
        code, said = capture(["policy", "--role", role])
        assert code == 0, said
        (policy,) = json.loads(said)["policies"]
        assert (policy["role"], policy["language"], policy["holder"]) == (role, "iam", None)
        statements: list[Statement] = policy["policy"]["Statement"]
        return statements

    def become(self, statements: list[Statement]) -> None:
        self._be(self.cloud.user(statements, f"u{next(_numbers)}", account=self.account))

    def _be(self, environ: dict[str, str]) -> None:
        for name, value in environ.items():
            self.monkeypatch.setenv(name, value)

    def client(self, service: str) -> Any:
        return self.cloud.client(service, account=self.account)

    def key(self, alias: str = "") -> str:
        """A new KMS key; its ARN."""
        kms = self.client("kms")
        arn: str = kms.create_key()["KeyMetadata"]["Arn"]
        if alias:
            kms.create_alias(AliasName=alias, TargetKeyId=arn)
        return arn

    def live(self, key: str) -> str:
        """The live value, as an administrator reads it."""
        if self.kind == "aws-ssm":
            found = self.client("ssm").get_parameter(Name=f"/app/{key}", WithDecryption=True)
            return str(found["Parameter"]["Value"])
        return str(self.client("secretsmanager").get_secret_value(SecretId=f"app/{key}")["SecretString"])


Deed = tuple[Callable[[Bench], None], str, list[str]]
"""(what happens before, the role that is then needed, its command)."""

PLAN, VERIFY, APPLY = ["plan", "--sealed"], ["plan", "--verify"], ["apply", "--yes"]
BLAME = ["blame", "--history"]


# -- what happens before


def nothing(bench: Bench) -> None:
    """Not even the first apply."""


def first(bench: Bench) -> None:
    bench.apply()


def rotated(bench: Bench) -> None:
    bench.apply()
    bench.stage.do_rotate(["api.yaml"])
    bench.commit()


def many_rotated(bench: Bench) -> None:
    bench.stage.do_put(["api.yaml", *(f"k{i}=canary-{i}" for i in range(6))])
    bench.commit()
    rotated(bench)


def edited(bench: Bench) -> None:
    bench.apply()
    bench.commit(a="canary-new", c="canary-3")


def often_edited(bench: Bench) -> None:
    for i in range(3):
        bench.apply()
        bench.commit(a=f"canary-new-{i}")


def removed(bench: Bench) -> None:
    bench.apply()
    bench.stage.do_unset(["api.yaml", "b"])
    bench.commit()


def tagged(bench: Bench) -> None:
    bench.configure(", tags: {team: x}")
    bench.commit()


def untagged(bench: Bench) -> None:
    tagged(bench)
    bench.apply()
    bench.configure()
    bench.commit(a="canary-new")


def renamed(bench: Bench) -> None:
    bench.apply()
    bench.configure(owner="acme2", previous="acme")
    bench.commit()


def late_mirror(bench: Bench) -> None:
    """What the fence's tags say is not what stands, as after a cut-off raise."""
    bench.apply()
    secrets = bench.client("secretsmanager")
    name = next(one["Name"] for one in secrets.list_secrets()["SecretList"] if "sopsync-fence/" in one["Name"])
    secrets.put_secret_value(SecretId=name, SecretString=secrets.get_secret_value(SecretId=name)["SecretString"])


def deleted_outside(bench: Bench) -> None:
    bench.apply()
    bench.client("secretsmanager").delete_secret(SecretId="app/a")


def replicated(bench: Bench) -> None:
    bench.apply()
    bench.configure(", replicas: us-east-1")
    bench.commit()


def withdrawn(bench: Bench) -> None:
    bench.configure(", replicas: 'us-east-1, us-west-2'")
    bench.commit()
    replicated(bench)


def with_key(option: str = "", alias: str = "") -> Callable[[Bench], None]:
    def prepare(bench: Bench) -> None:
        key = bench.key(alias)
        bench.configure(f", kms_key: '{alias or key}'{option}")
        bench.commit()

    return prepare


def then(*steps: Callable[[Bench], None]) -> Callable[[Bench], None]:
    def prepare(bench: Bench) -> None:
        for step in steps:
            step(bench)

    return prepare


# -- who needs what: (statement, action) → a deed that cannot be done without it

SSM: dict[tuple[str, str], Deed] = {
    ("SsmList", "ssm:DescribeParameters"): (first, "sealed", PLAN),
    ("SsmListTagged", "tag:GetResources"): (many_rotated, "sealed", PLAN),
    ("SsmReadTags", "ssm:ListTagsForResource"): (rotated, "sealed", PLAN),
    ("SsmRead", "ssm:GetParameter"): (first, "plan", VERIFY),
    ("SsmRead", "ssm:GetParameterHistory"): (first, "plan", [*BLAME, "s:/app/a"]),
    ("SsmWrite", "ssm:PutParameter"): (edited, "apply", APPLY),
    ("SsmWrite", "ssm:AddTagsToResource"): (tagged, "apply", APPLY),
    ("SsmWrite", "ssm:RemoveTagsFromResource"): (untagged, "apply", APPLY),
    ("SsmFence", "ssm:PutParameter"): (nothing, "apply", APPLY),
    ("SsmSweepFence", "ssm:DeleteParameters"): (often_edited, "apply", APPLY),
    ("SsmDelete", "ssm:DeleteParameters"): (removed, "prune", APPLY),
}
SSM_KEY: dict[tuple[str, str], Deed] = {
    ("SsmDecrypt", "kms:Decrypt"): (then(with_key(), first), "plan", VERIFY),
    ("SsmEncrypt", "kms:Encrypt"): (with_key(), "apply", APPLY),
}
SSM_KEY_ADVANCED: dict[tuple[str, str], Deed] = {
    ("SsmDecrypt", "kms:Decrypt"): (then(with_key(", tier: advanced", "alias/app"), first), "plan", VERIFY),
    ("SsmEncrypt", "kms:GenerateDataKey"): (with_key(", tier: advanced", "alias/app"), "apply", APPLY),
}
SECRETS: dict[tuple[str, str], Deed] = {
    ("SecretsList", "secretsmanager:ListSecrets"): (first, "sealed", PLAN),
    ("SecretsLook", "secretsmanager:DescribeSecret"): (edited, "sealed", PLAN),
    ("SecretsLook", "secretsmanager:ListSecretVersionIds"): (first, "sealed", [*BLAME, "s:app/a"]),
    ("SecretsReadFence", "secretsmanager:GetSecretValue"): (late_mirror, "sealed", PLAN),
    ("SecretsRead", "secretsmanager:GetSecretValue"): (first, "plan", VERIFY),
    ("SecretsWrite", "secretsmanager:CreateSecret"): (edited, "apply", APPLY),
    ("SecretsWrite", "secretsmanager:PutSecretValue"): (edited, "apply", APPLY),
    ("SecretsWrite", "secretsmanager:UpdateSecretVersionStage"): (edited, "apply", APPLY),
    ("SecretsWrite", "secretsmanager:TagResource"): (rotated, "apply", APPLY),
    ("SecretsWrite", "secretsmanager:UntagResource"): (untagged, "apply", APPLY),
    ("SecretsWrite", "secretsmanager:RestoreSecret"): (deleted_outside, "apply", APPLY),
    ("SecretsFence", "secretsmanager:CreateSecret"): (nothing, "apply", APPLY),
    ("SecretsFence", "secretsmanager:PutSecretValue"): (edited, "apply", APPLY),
    ("SecretsFence", "secretsmanager:UpdateSecretVersionStage"): (edited, "apply", APPLY),
    ("SecretsFence", "secretsmanager:TagResource"): (edited, "apply", APPLY),
    ("SecretsDelete", "secretsmanager:DeleteSecret"): (removed, "prune", APPLY),
}
SECRETS_KEY: dict[tuple[str, str], Deed] = {
    ("SecretsDecrypt", "kms:Decrypt"): (then(with_key(), first), "plan", VERIFY),
    ("SecretsEncrypt", "kms:GenerateDataKey"): (with_key(), "apply", APPLY),
    ("SecretsEncrypt", "kms:Encrypt"): (then(first, with_key()), "apply", APPLY),
    ("SecretsSetKey", "secretsmanager:UpdateSecret"): (then(first, with_key(alias="alias/app")), "apply", APPLY),
}
SECRETS_REPLICAS: dict[tuple[str, str], Deed] = {
    ("SecretsReplicate", "secretsmanager:ReplicateSecretToRegions"): (replicated, "apply", APPLY),
    ("SecretsReplicate", "secretsmanager:RemoveRegionsFromReplication"): (withdrawn, "apply", APPLY),
}
NEEDS = {
    "aws-ssm": [SSM, SSM_KEY, SSM_KEY_ADVANCED],
    "aws-secretsmanager": [SECRETS, SECRETS_KEY, SECRETS_REPLICAS],
}
ALL = [(kind, *needed, *deed) for kind, tables in NEEDS.items() for table in tables for needed, deed in table.items()]


def a_bench(kind: str, tmp: Path, monkeypatch: pytest.MonkeyPatch, strict: Aws) -> Bench:
    bench = Bench(Stage(tmp, monkeypatch, lambda _repo: None), strict, kind, strict.fresh(), monkeypatch)
    bench.configure()
    bench.commit(a="canary-1", b="canary-2")
    return bench


@pytest.mark.parametrize("kind", NEEDS)
def test_each_role_can_do_its_work(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: Aws) -> None:
    bench = a_bench(kind, tmp_path, monkeypatch, strict)
    stage, back = bench.stage, "restore" if kind == "aws-secretsmanager" else "create"

    def run(role: str, argv: list[str], says: str) -> None:
        bench.become(bench.policy(role))
        code, said = capture([*argv, "-q"])
        assert code == 0, f"{role}: {said}"
        assert said.startswith(says), f"{role}: {said}"

    bench.configure(", tags: {team: x}")
    bench.commit()
    run("sealed", PLAN, "Plan: 2 create.")
    run("plan", ["plan"], "Plan: 2 create.")
    run("apply", APPLY, "Applied: 2 create.")
    run("sealed", PLAN, "No changes.")
    stage.do_rotate(["api.yaml"])
    bench.commit()
    run("sealed", PLAN, "Plan: 2 update.")
    run("apply", APPLY, "Applied: 2 restamp.")
    bench.configure()
    bench.commit(a="canary-new", c="canary-3")
    run("apply", APPLY, "Applied: 1 create, 1 update, 1 restamp.")
    stage.do_unset(["api.yaml", "b"])
    bench.commit()
    run("prune", APPLY, "Applied: 1 delete.")
    bench.commit(b="canary-back")
    run("apply", APPLY, f"Applied: 1 {back}.")
    bench.configure(owner="acme2", previous="acme")
    bench.commit()
    run("apply", APPLY, "Applied: 3 restamp.")
    run("plan", VERIFY, "No changes. 3 entries verified by value.")


@pytest.mark.parametrize(("kind", "sid", "action", "prepare", "role", "argv"), ALL)
def test_less_is_not_enough(
    *,
    kind: str,
    sid: str,
    action: str,
    prepare: Callable[[Bench], None],
    role: str,
    argv: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    strict: Aws,
) -> None:
    """The refusal names the action, nothing is lost, and with the action the next run does the rest."""
    bench = a_bench(kind, tmp_path, monkeypatch, strict)
    prepare(bench)
    whole = bench.policy(role)
    bench.become(without(whole, sid, action))
    code, said = capture(argv)
    assert code in (1, 3), said
    assert action in said, said
    if prepare in (edited, often_edited, untagged, removed, rotated, replicated, withdrawn):
        assert bench.live("a").startswith("canary-")
        assert bench.live("b") == "canary-2"
    bench.become(whole)
    code, said = capture(argv)
    assert code == 0, said


def without(statements: list[Statement], sid: str, action: str) -> list[Statement]:
    """Less one action of one statement, which must be there."""
    kept = []
    found = False
    for one in statements:
        if one["Sid"] != sid:
            kept.append(one)
            continue
        found = action in one["Action"]
        if actions := [each for each in one["Action"] if each != action]:
            kept.append({**one, "Action": actions})
    assert found, f"{sid} {action} is not printed"
    return kept


@pytest.mark.parametrize("kind", NEEDS)
def test_everything_printed_is_missed_by_somebody(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: Aws
) -> None:
    bench = a_bench(kind, tmp_path, monkeypatch, strict)
    for table in NEEDS[kind]:
        prepare = next(iter(table.values()))[0] if table is not NEEDS[kind][0] else nothing
        prepare(bench)
        printed = {(one["Sid"], action) for one in bench.policy("prune") for action in one["Action"]}
        assert printed == NEEDS[kind][0].keys() | table.keys()


@pytest.mark.parametrize(("kind", "operations"), [("aws-ssm", GROUPS), ("aws-secretsmanager", OPERATIONS)])
def test_every_call_that_a_store_makes_is_some_roles(kind: str, operations: Mapping[str, str]) -> None:
    """`NEEDS` is just what is printed: the test above."""
    services = {"aws-ssm": "ssm", "aws-secretsmanager": "secretsmanager"}
    calls = {f"{'tag' if name == 'GetResources' else services[kind]}:{name}" for name in operations}
    assert calls <= {action for table in NEEDS[kind] for _, action in table}


# -- whose credentials


def holders(bench: Bench, role: str) -> dict[str | None, list[Statement]]:
    code, said = capture(["policy", "--role", role])
    assert code == 0, said
    return {one["holder"]: one["policy"]["Statement"] for one in json.loads(said)["policies"]}


def test_a_store_with_a_role_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: Aws) -> None:
    """Two policies: one for the role, with its account in every ARN; one for whoever may take it."""
    bench = a_bench("aws-ssm", tmp_path, monkeypatch, strict)
    arn = f"arn:aws:iam::{bench.account}:role/sopsync"
    bench.configure(store=f", role_arn: '{arn}'")
    bench.commit()
    found = holders(bench, "apply")
    assert found.keys() == {None, arn}
    assert found[None] == [
        {"Sid": "AssumeStoreRoles", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [arn]}
    ]
    named = [resource for one in found[arn] for resource in one["Resource"] if resource != "*"]
    assert named
    assert all(f":{REGION}:{bench.account}:" in one for one in named)
    assert strict.role(found[arn], "sopsync", account=bench.account) == arn
    bench.become(found[None])
    code, said = capture(["apply", "--yes", "-q"])
    assert (code, said) == (0, "Applied: 2 create.\n")
    bench.become([{"Sid": "X", "Effect": "Allow", "Action": ["ssm:*"], "Resource": ["*"]}])
    code, said = capture(["plan"])
    assert code == 1
    assert "sts:AssumeRole" in said


@pytest.mark.parametrize("alias", ["", "alias/sops"])
def test_keys_that_files_are_sealed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: Aws, *, alias: str
) -> None:
    """Found in the files' metadata, without a key; an encryption context is asked for."""
    bench = a_bench("aws-ssm", tmp_path, monkeypatch, strict)
    bench.admin()
    key = bench.key(alias)
    arn = key.replace(f"key/{key.rpartition('/')[2]}", alias) if alias else key
    plain = b"a: canary-1\nb: canary-2\n"
    args = [
        "encrypt",
        "--kms",
        arn,
        "--encryption-context",
        "env:prod",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
    ]
    bench.stage.repo.write("api.yaml", bench.stage.sops(*args, "/dev/stdin", data=plain))
    bench.commit()
    assert "OpenSopsFiles" not in {one["Sid"] for one in bench.policy("sealed")}
    whole = bench.policy("apply")
    (opening,) = [one for one in whole if one["Sid"] == "OpenSopsFiles"]
    assert opening["Action"] == ["kms:Decrypt"]
    assert opening["Condition"]["StringEquals"] == {"kms:EncryptionContext:env": ["prod"]}
    monkeypatch.delenv("SOPS_AGE_KEY")
    bench.become([one for one in whole if one is not opening])
    code, said = capture(["apply", "--yes"])
    assert code == 1, said
    assert "grant kms:Decrypt on arn:aws:kms" in said, said
    bench.become(whole)
    code, said = capture(["apply", "--yes", "-q"])
    assert (code, said) == (0, "Applied: 2 create.\n")
