"""A thousand parameters that a shell script made are taken over, and those that are git's already are not rewritten."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.aws import Aws
from tests.support.clouds import aws_stage
from tests.support.story import Stage, capture

FILES, KEYS, OTHER = 100, 10, 7
CONFIG = """
version: 1
owner: acme
stores:
  ssm: {type: aws-ssm, rates: {put: 10000, get: 10000, describe: 10000, tag: 10000, resources: 10000}}
sync:
  - from: "services/{service}.yaml"
    to: [{store: ssm, name: "/prod/{service}/{key}"%s}]
"""


def value(service: int, key: int) -> str:
    return f"canary-{service}-{key}"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> Stage:
    """In git: a thousand values. In the store: the same, but for a few; nobody's by any stamp."""
    made = aws_stage(tmp_path, monkeypatch, cloud, "ssm")

    def encrypt(service: int) -> None:
        plain = "".join(f"key{key}: {value(service, key)}\n" for key in range(KEYS))
        made.repo.write(f"services/s{service:03}.yaml", made.encrypt("x.yaml", plain))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(encrypt, range(FILES)))
    live = (
        {"name": f"/prod/s{s:03}/key{k}", "value": value(s, k) if (s, k) >= (0, OTHER) else "canary-old"}
        for s in range(FILES)
        for k in range(KEYS)
    )
    cloud.seed_parameters(live, account=made.variables["ACCOUNT"])
    return made


def configure(stage: Stage, options: str, why: str) -> None:
    stage.repo.write("sopsync.yaml", CONFIG % options)
    stage.repo.commit(why)


@pytest.mark.slow
def test_a_thousand_live_parameters(stage: Stage, cloud: Aws) -> None:
    total = FILES * KEYS
    configure(stage, "", "Before anything is taken over")
    # 1. Nothing is taken by accident; the plan says what would take it.
    code, said = capture(["plan"])
    assert code == 0
    assert said.splitlines()[-1] == f"Plan: {total} conflict. No files decrypted."
    assert "sopsync.yaml:8: adopt: true takes it over" in said
    # 2. Asked to, it says of each whether the live value is git's already.
    configure(stage, ", adopt: true", "Take them over")
    cloud.calls.clear()
    code, said = capture(["plan", "-q"])
    equal = f"{total} adopt ({total - OTHER} only stamped, {OTHER} overwritten)"
    assert said == f"Plan: {equal}. {FILES} files decrypted, {total} values read.\n"
    asked = Counter(operation for _, operation in cloud.calls)
    assert asked == {
        "DescribeParameters": total // 50,
        "GetResources": 1,
        "ListTagsForResource": 100,
        "GetParameter": total,
    }
    # 3. What is equal keeps its version.
    cloud.calls.clear()
    assert capture(["apply", "--yes", "-q"]) == (0, f"Applied: {total} adopt.\n")
    puts = [call for call in cloud.calls if call == ("ssm", "PutParameter")]
    fence = 1
    assert OTHER + fence <= len(puts) <= OTHER + fence + 1, "a value that was git's already was written again"
    ssm = cloud.client("ssm", account=stage.variables["ACCOUNT"])
    live = [ssm.get_parameter(Name=f"/prod/s000/key{k}", WithDecryption=True)["Parameter"] for k in range(KEYS)]
    assert [parameter["Version"] for parameter in live] == [2] * OTHER + [1] * (KEYS - OTHER)
    assert all(parameter["Value"] == value(0, k) for k, parameter in enumerate(live))
    # 4. From here on they are ours, and adopt: true can go.
    configure(stage, "", "Taken over")
    assert capture(["plan", "--detailed-exitcode", "-q"])[0] == 0
    code, said = capture(["plan", "--verify", "-q"])
    assert said == f"No changes. {total} entries verified by value.\n"
