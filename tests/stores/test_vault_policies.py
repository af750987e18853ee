"""The policies in docs/stores.md are enough for each command, and no more than enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, vault_stage

DOCS = Path(__file__).parents[2] / "docs" / "stores.md"


def policies() -> dict[str, str]:
    """Role → HCL, as the page has them; `prune` is what `apply` has and its own line."""
    found = {m[1]: m[2] for m in re.finditer(r"```hcl\n# (\w+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)}
    return {**found, "prune": found["apply"] + found["prune"]}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao, request: pytest.FixtureRequest) -> Stage:
    mount = "policy-" + re.sub(r"\W+", "-", request.node.name)
    made = vault_stage(tmp_path, monkeypatch, bao, mount)
    store = f"{{type: vault, address: '{bao.address}', mount: {mount}, prefix: p}}"
    rule = "  - {from: api.yaml, to: [{store: s, name: 'api/{key}', prune: true}]}"
    made.do_write(["sopsync.yaml"], ["version: 1", "owner: acme", "stores:", f"  s: {store}", "sync:", rule])
    made.do_put(["api.yaml", "a=canary-1", "b=canary-2"])
    made.do_commit(["Start"])
    made.variables["MOUNT"] = mount
    return made


def become(stage: Stage, bao: OpenBao, role: str, monkeypatch: pytest.MonkeyPatch, *, less: str = "") -> None:
    """From now on a token with just that role's policy, less the line that holds a text."""
    mount = stage.variables["MOUNT"]
    lines = policies()[role].replace('"kv/', f'"{mount}/').replace("/payments/", "/p/").splitlines()
    kept = [line for line in lines if not less or f"{mount}{less}" not in line]
    assert len(kept) == len(lines) - bool(less)
    monkeypatch.setenv("VAULT_TOKEN", bao.token_for("\n".join(kept), f"{mount}-{role}"))


def test_each_role_can_do_its_work(stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    for role, argv, says in (
        ("sealed", ["plan", "--sealed", "-q"], "Plan: 2 create. Sealed"),
        ("plan", ["plan", "-q"], "Plan: 2 create."),
        ("apply", ["apply", "--yes", "-q"], "Applied: 2 create."),
        ("sealed", ["plan", "--sealed", "-q"], "No changes."),
        ("plan", ["plan", "--verify", "-q"], "No changes. 2 entries verified by value."),
    ):
        become(stage, bao, role, monkeypatch)
        code, said = capture(argv)
        assert code == 0, f"{role}: {said}"
        assert said.startswith(says), f"{role}: {said}"
    stage.do_unset(["api.yaml", "b"])
    stage.do_put(["api.yaml", "a=canary-3"])
    stage.do_commit(["Edit one, remove the other"])
    become(stage, bao, "prune", monkeypatch)
    assert capture(["apply", "--yes", "-q"]) == (0, "Applied: 1 update, 1 delete.\n")


@pytest.mark.parametrize(
    ("role", "less", "argv"),
    [
        ("plan", "/data/", ["plan", "--verify", "-q"]),
        ("apply", "/data/", ["apply", "--yes", "-q"]),
        ("apply", "/metadata/", ["apply", "--yes", "-q"]),
        ("apply", "", ["apply", "--yes", "-q"]),  # there is something to prune
    ],
)
def test_less_is_not_enough(
    stage: Stage, bao: OpenBao, monkeypatch: pytest.MonkeyPatch, *, role: str, less: str, argv: list[str]
) -> None:
    assert capture(["apply", "--yes", "-q"])[0] == 0
    stage.do_unset(["api.yaml", "b"])
    stage.do_put(["api.yaml", "a=canary-3"])
    stage.do_commit(["Edit one, remove the other"])
    become(stage, bao, role, monkeypatch, less=less)
    code, said = capture(argv)
    assert code in (1, 3), said
