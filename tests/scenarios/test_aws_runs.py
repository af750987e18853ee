"""sopsync's own command line over Parameter Store: what a run costs, and two accounts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aws import Aws
from tests.support.story import Stage, capture, local_outside

RATES = "rates: {put: 100000, get: 100000, describe: 100000, tag: 100000, delete: 100000, resources: 100000}"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> Stage:
    for name, text in cloud.environ(account=cloud.fresh()).items():
        monkeypatch.setenv(name, text)
    return Stage(tmp_path, monkeypatch, local_outside)


def test_parameter_store_from_end_to_end(stage: Stage, cloud: Aws) -> None:
    other = cloud.fresh()
    stage.do_write(
        ["sopsync.yaml"],
        [
            "version: 1",
            "owner: acme",
            "stores:",
            f"  here: {{type: aws-ssm, {RATES}}}",
            f"  there: {{type: aws-ssm, region: us-east-2, role_arn: 'arn:aws:iam::{other}:role/x', {RATES}}}",
            "sync:",
            "  - from: api.yaml",
            "    to:",
            "      - {store: here, name: '/api/{key}', prune: true, tags: {team: web}, tier: intelligent}",
            "      - {store: there, name: '/api/{key}'}",
        ],
    )
    stage.do_put(["api.yaml", *(f"k{number:04}=canary-{number}" for number in range(60))])
    stage.do_commit(["Start"])
    code, said = capture(["apply", "--yes", "-q"])
    assert (code, said) == (0, "Applied: 120 create.\n")
    found = cloud.client("ssm", account=other, region="us-east-2").get_parameter(Name="/api/k0007", WithDecryption=True)
    assert found["Parameter"]["Value"] == "canary-7"

    cloud.calls.clear()
    code, said = capture(["plan", "-v", "-q"])
    nothing = "No changes. 120 entries in step with git. No files decrypted.\nhere: 2 calls\nthere: 2 calls\n"
    assert (code, said) == (0, nothing)
    assert sorted({operation for _, operation in cloud.calls}) == ["AssumeRole", "DescribeParameters"]

    stage.do_rotate(["api.yaml"])
    stage.do_commit(["Rotate"])
    assert capture(["apply", "--yes", "-q"]) == (0, "Applied: 120 restamp.\n")
    code, said = capture(["plan", "-v", "-q"])
    # a listing of tags: 60 of them are one page
    assert (code, said) == (0, nothing.replace("2 calls", "3 calls"))

    stage.do_put(["api.yaml", "k0007=canary-new"])
    stage.do_unset(["api.yaml", "k0008"])
    stage.do_commit(["One of them, and one less"])
    code, said = capture(["apply", "--yes", "-q"])
    assert (code, said) == (0, "Applied: 2 update, 1 delete.\n")
    assert capture(["plan", "--verify", "-q"])[0] == 0
