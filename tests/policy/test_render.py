"""The command's formats say the same thing, and each is what its reader takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.support.repo import Repo
from tests.support.story import Stage, capture

ROLES = ("sealed", "plan", "apply", "prune")
ROLE = "arn:aws-us-gov:iam::123456789012:role/ops/sopsync"
CONFIG = f"""\
version: 1
owner: acme/{{env}}
stores:
  ssm: {{type: aws-ssm, region: us-gov-west-1, role_arn: "{ROLE}"}}
  sm: {{type: aws-secretsmanager, region: cn-north-1, profile: china}}
  kv: {{type: vault, mount: kv, prefix: pay, namespace: team-a, address: "https://vault.example"}}
  disk: {{type: local, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}}
sync:
  - from: "{{service}}/{{env}}.yaml"
    where: {{env: [prod, test]}}
    to:
      - {{store: ssm, name: "/{{env}}/{{service}}/{{key}}", kms_key: "alias/{{env}}", prune: true}}
      - {{store: sm, name: "{{env}}/{{service}}", kms_key: 1234abcd-12ab-34cd-56ef-1234567890ab}}
      - {{store: kv, name: "{{env}}/${{{{x}}}}/{{service}}", prune: true}}
      - {{store: disk, name: "{{env}}/{{service}}"}}
"""


@pytest.fixture(autouse=True)
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    made = Repo.init(tmp_path / "acme")
    made.write("sopsync.yaml", CONFIG)
    made.commit("Configure")
    monkeypatch.chdir(made.path)
    return made


def printed(*argv: str) -> str:
    code, said = capture(["policy", *argv])
    assert code == 0, said
    return said


def as_json(*argv: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(printed(*argv))
    return told


def allowed(policy: dict[str, Any]) -> set[tuple[str, str, str]]:
    """(action, resource, condition) of a document."""
    return {
        (action, resource, json.dumps(one.get("Condition", {}), sort_keys=True))
        for one in policy["Statement"]
        for action in one["Action"]
        for resource in one["Resource"]
    }


def test_every_role_and_holder() -> None:
    told = as_json()
    seen = [(one["role"], one["holder"]) for one in told["policies"]]
    assert seen == [(role, holder) for role in ROLES for holder in (None, ROLE, "profile china", "kv")]
    assert told["format_version"] == 1
    assert any(note.startswith("disk: ") for note in told["notes"])


@pytest.mark.parametrize("holder", [None, ROLE, "profile china"])
def test_roles_are_nested(holder: str | None) -> None:
    before: set[tuple[str, str, str]] = set()
    for role in ROLES:
        (policy,) = [one["policy"] for one in as_json("--role", role)["policies"] if one["holder"] == holder]
        now = allowed(policy)
        assert before <= now
        before = now


def test_sids_are_unique_and_legal() -> None:
    for policy in as_json()["policies"]:
        if policy["language"] == "iam":
            sids = [one["Sid"] for one in policy["policy"]["Statement"]]
            assert len(sids) == len(set(sids))
            assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)


def test_partition_account_and_region_are_the_stores() -> None:
    found = {one["holder"]: one["policy"] for one in as_json("--role", "prune")["policies"]}
    ssm = {resource for _, resource, _ in allowed(found[ROLE])}
    assert "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/prod/*/*" in ssm
    assert "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/*" in ssm
    assert not any("parameter//" in resource for resource in ssm)
    secrets = {resource for _, resource, _ in allowed(found["profile china"])}
    assert "arn:aws-cn:secretsmanager:cn-north-1:*:secret:prod/*-??????" in secrets
    assert "arn:aws-cn:kms:cn-north-1:*:key/1234abcd-12ab-34cd-56ef-1234567890ab" in secrets


def test_keys_are_for_the_service_and_its_parameters_only() -> None:
    (policy,) = [one["policy"] for one in as_json("--role", "apply")["policies"] if one["holder"] == ROLE]
    (prod,) = [one for one in policy["Statement"] if one["Action"] == ["kms:Encrypt"] and "prod" in json.dumps(one)]
    assert prod["Condition"] == {
        "StringEquals": {"kms:ViaService": ["ssm.us-gov-west-1.amazonaws.com"]},
        "ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/prod"]},
        "StringLike": {
            "kms:EncryptionContext:PARAMETER_ARN": ["arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/prod/*/*"]
        },
    }


def test_one_store_alone() -> None:
    assert {one["holder"] for one in as_json("--store", "kv")["policies"]} == {"kv"}
    code, said = capture(["policy", "--store", "nope"])
    assert (code, 'unknown store "nope"' in said) == (1, True)


def test_terraform_says_the_same() -> None:
    """Through a parser of HCL, back to what JSON says."""
    read = hcl2.loads(printed("--format", "terraform"))
    documents = {name.strip('"'): body for one in read["data"] for name, body in _labelled(one)}
    policies = {name.strip('"'): body for one in read["resource"] for name, body in _labelled(one)}
    for policy in as_json()["policies"]:
        if policy["language"] == "vault":
            body = policies[f"sopsync_kv_{policy['role']}"]
            lines = [line.strip().replace("$${", "${") for line in body["policy"].splitlines()[1:-1]]
            assert lines == policy["policy"].splitlines()
            assert body["namespace"] == '"team-a"'
            continue
        slug = {None: "", ROLE: "123456789012_ops_sopsync_", "profile china": "profile_china_"}[policy["holder"]]
        body = documents[f"sopsync_{slug}{policy['role']}"]
        assert [_statement(one) for one in body["statement"]] == policy["policy"]["Statement"]


def _labelled(block: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [pair for named in block.values() for pair in named.items()]


def _statement(block: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"Sid": json.loads(block["sid"]), "Effect": "Allow"}
    made |= {"Action": list(map(json.loads, block["actions"])), "Resource": list(map(json.loads, block["resources"]))}
    for one in block.get("condition", ()):
        test, key = json.loads(one["test"]), json.loads(one["variable"])
        made.setdefault("Condition", {}).setdefault(test, {})[key] = list(map(json.loads, one["values"]))
    return made


def test_hcl_is_of_vault_alone() -> None:
    said = printed("--format", "hcl", "--role", "plan")
    (policy,) = [one["policy"] for one in as_json("--role", "plan")["policies"] if one["language"] == "vault"]
    assert [line for line in said.splitlines() if not line.startswith("#")] == policy.splitlines()
    assert "# plan: kv" in said


def test_a_policy_too_long_for_aws_is_said(repo: Repo) -> None:
    many = "".join(f'      - {{store: ssm, name: "/a-rather-long-name-{i:03}/{{key}}"}}\n' for i in range(60))
    repo.write("sopsync.yaml", CONFIG + many)
    repo.commit("Many")
    assert any("characters, and a managed policy holds 6144" in note for note in as_json("--role", "apply")["notes"])


def test_it_needs_no_key_and_makes_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert as_json()["policies"]


def test_hcl_without_a_vault_store_is_a_usage_error() -> None:
    code, said = capture(["policy", "--format", "hcl", "--store", "ssm"])
    assert (code, "--format json" in said) == (64, True)


MANIFEST = """\
apiVersion: sopsync/v1
kind: SecretManifest
metadata: {name: payments}
to: [{store: ssm, name: "/own/{name}/{env}/{key}", prune: true}]
data: {a: canary-1}
"""


def test_manifests_that_route_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the commit are covered, by what they say in the clear; which ones is said."""
    stage = Stage(tmp_path / "own", monkeypatch, lambda _repo: None)
    head, _, _ = CONFIG.partition("sync:")
    stage.repo.write("sopsync.yaml", f'{head}sync:\n  - {{from: "own/{{env}}.yaml"}}\n')
    args = ["encrypt", "--age", stage.recipient, "--encrypted-regex", "^data$"]
    args += ["--input-type", "yaml", "--output-type", "yaml", "/dev/stdin"]
    stage.repo.write("own/prod.yaml", stage.sops(*args, data=MANIFEST.encode()))
    stage.do_commit(["Route itself"])
    monkeypatch.delenv("SOPS_AGE_KEY")
    told = as_json("--role", "prune", "--store", "ssm")
    (policy,) = [one["policy"] for one in told["policies"] if one["holder"] == ROLE]
    assert {(one["Sid"], *one["Resource"]) for one in policy["Statement"]} >= {
        ("SsmRead", "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/own/payments/prod/*"),
        ("SsmDelete", "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/own/payments/prod/*"),
    }
    assert any("route themselves" in note for note in told["notes"])
