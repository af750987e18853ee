"""`.sops.yaml`: the rule we take for a path is the one the real sops takes, and its keys are those sops writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync import sops
from sopsync.sops.metadata import MasterKey, Metadata
from sopsync.sopsrules import SopsConfig, mismatch, nearest, parse, redirected
from tests.support.servers import tool

A, B, C = (str(pyrage.x25519.Identity.generate().to_public()) for _ in range(3))

RULES = f"""
keys: [&a {A}, &b {B}]
stores: {{yaml: {{indent: 2}}}}
creation_rules:
  - path_regex: ^one/.*\\.yaml$
    age: {A}
  - path_regex: two
    age: "{A}, {B}"
  - path_regex: list/
    age: [*a, *b, {C}]
  - path_regex: groups/
    shamir_threshold: 2
    key_groups:
      - age: [*a]
      - age: [*b, {C}]
  - path_regex: all-groups/
    key_groups: [{{age: [*a]}}, {{age: [*b]}}]
  - path_regex: merged/
    key_groups:
      - merge:
          - age: [*a, *b]
          - age: [*b]
        age: [{C}]
  - path_regex: merge-key/
    <<: {{age: {C}}}
  - path_regex: merge-keys/
    <<: [{{age: {A}}}, {{age: {C}, path_regex: nowhere}}]
  - path_regex: \\.(json|ya?ml)$
    encrypted_regex: ^data$
    age: {B}
"""
PATHS = (
    "one/x.yaml", "one/x.yml", "a/one/x.yaml", "some-two.yaml", "deep/two/x.json", "list/x.yaml", "groups/x.yaml",
    "all-groups/x.yaml", "merged/x.yaml", "merge-key/x.yaml", "merge-keys/x.yaml", "x.yml", "x.ini", "two", "One/x.env",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("catch_all", ["", f"  - age: {C}\n"], ids=["rules", "catch-all"])
def test_the_rule_is_the_one_sops_takes(path: str, catch_all: str, tmp_path: Path) -> None:
    text = RULES + catch_all
    (tmp_path / ".sops.yaml").write_text(text)
    at = tmp_path / path
    at.parent.mkdir(parents=True, exist_ok=True)
    kind = {"yaml": "yaml", "yml": "yaml", "json": "json", "ini": "ini", "env": "dotenv"}.get(
        path.rpartition(".")[2], "binary"
    )
    plain = {"json": '{"data": "canary-1"}', "ini": "[s]\ndata = canary-1\n", "dotenv": "data=canary-1\n"}
    at.write_text(plain.get(kind, "data: canary-1\n"))
    done = subprocess.run([tool("sops"), "encrypt", path], cwd=tmp_path, capture_output=True, check=False)
    rule = parse(text.encode(), ".sops.yaml").rule_for(path)
    if rule is None:
        assert b"no matching creation rules" in done.stderr
        return
    assert done.returncode == 0, done.stderr.decode()
    metadata = sops.parse(done.stdout, format=kind).metadata  # type: ignore[arg-type]
    assert list(mismatch(path, metadata, rule)) == []
    assert rule.partial == (metadata.selector is not None and metadata.selector[0] == "encrypted_regex")
    others = [other for other in parse(text.encode(), ".sops.yaml").rules if other.groups != rule.groups]
    assert all(list(mismatch(path, metadata, other)) for other in others), "every other rule is told apart"


def config(rule: str, path: str = ".sops.yaml") -> SopsConfig:
    return parse(f"creation_rules:\n  - {rule}\n".encode(), path)


def metadata(*groups: tuple[MasterKey, ...], threshold: int = 0) -> Metadata:
    return Metadata(groups, "", "", threshold=threshold)


KMS = "arn:aws:kms:eu-west-1:111122223333:key/ab12"
FP = "85D77543B3D624B63CEA9E6DBC17301B491B3F21"
AZURE = {"vault_url": "https://acme.vault.azure.net", "name": "k", "version": "v1"}
TRANSIT = {"vault_address": "https://vault.example.com", "engine_path": "transit", "key_name": "k"}
KEYS = {
    f"kms: {KMS}+arn:aws:iam::111122223333:role/r": MasterKey("kms", "e", {"arn": KMS}),
    f"key_groups: [{{kms: [{{arn: '{KMS}+arn:aws:iam::1:role/r'}}]}}]": MasterKey("kms", "e", {"arn": KMS}),
    f"pgp: '{FP[:4]} {FP[4:].lower()}'": MasterKey("pgp", "e", {"fp": FP}),
    "gcp_kms: projects/p/x": MasterKey("gcp_kms", "e", {"resource_id": "projects/p/x"}),
    "key_groups: [{gcp_kms: [{resource_id: projects/p/x}]}]": MasterKey(
        "gcp_kms", "e", {"resource_id": "projects/p/x"}
    ),
    "key_groups: [{hckms: [{key_id: k}]}]": MasterKey("hckms", "e", {"key_id": "k"}),
    "azure_keyvault: https://acme.vault.azure.net/keys/k/v1": MasterKey("azure_kv", "e", AZURE),
    "azure_keyvault: https://acme.vault.azure.net/keys/k": MasterKey("azure_kv", "e", AZURE),
    "key_groups: [{azure_keyvault: [{vaultUrl: 'https://acme.vault.azure.net', key: k}]}]": MasterKey(
        "azure_kv", "e", AZURE
    ),
    "hc_vault_transit_uri: https://vault.example.com/v1/transit/keys/k": MasterKey("hc_vault", "e", TRANSIT),
    "key_groups: [{hc_vault: ['https://vault.example.com/v1/transit/keys/k']}]": MasterKey("hc_vault", "e", TRANSIT),
}


@pytest.mark.parametrize("rule", KEYS)
def test_every_kind_of_key_is_known_by_what_the_file_calls_it(rule: str) -> None:
    (made,) = config(rule).rules
    assert list(mismatch("x", metadata((KEYS[rule],)), made)) == []
    stranger = MasterKey("age", "e", {"recipient": A})
    told = [problem.what for problem in mismatch("x", metadata((KEYS[rule], stranger)), made)]
    assert told == [f"can be opened by {A}, which .sops.yaml:2 does not name"]
    told = [problem.what for problem in mismatch("x", metadata((stranger,)), made)]
    assert len(told) == 2
    assert any(what.startswith("cannot be opened by") for what in told)


def test_groups_and_threshold_count() -> None:
    one, two = (MasterKey("age", "e", {"recipient": who}) for who in (A, B))
    (rule,) = config(f"key_groups: [{{age: [{A}]}}, {{age: [{B}]}}]").rules
    assert list(mismatch("x", metadata((two,), (one,), threshold=2), rule)) == [], "their order says nothing"
    (problem,) = mismatch("x", metadata((one, two)), rule)
    assert "grouped otherwise" in problem.what
    (problem,) = mismatch("x", metadata((one,), (two,), threshold=1), rule)
    assert "opens with 1 groups, .sops.yaml:2 says 2" in problem.what


def test_a_rule_without_keys_leaves_them_to_the_command_line() -> None:
    (rule,) = config("path_regex: x").rules
    assert list(mismatch("x", metadata((MasterKey("age", "e", {"recipient": A}),)), rule)) == []


def test_an_invalid_expression_is_told_and_matches_nothing() -> None:
    made = config("path_regex: '(?=x)'")
    assert [problem.where for problem in made.problems] == [".sops.yaml:2"]
    assert made.rule_for("x") is None


@pytest.mark.parametrize(
    "text", ["", "a: [", "creation_rules: {a: b}", "creation_rules:\n  - !x y", "\x00", "- a\n- b"]
)
def test_nonsense_is_no_crash(text: str) -> None:
    made = parse(text.encode(), ".sops.yaml")
    assert made.problems or not made.rules


def test_the_nearest_one_counts_and_sees_paths_from_where_it_is() -> None:
    top, deep = config("path_regex: ^a/"), config("path_regex: ^b", "a/.sops.yaml")
    configs = {"": top, "a/": deep}
    assert nearest(configs, "a/b.yaml") is deep
    assert nearest(configs, "ab/c.yaml") is top
    assert nearest({}, "a/b.yaml") is None
    assert deep.rule_for("a/b.yaml") is not None
    assert deep.rule_for("a/a/b.yaml") is None


def test_what_another_file_would_mean() -> None:
    old, new = ({"": config(f"age: '{who}'")} for who in (f"{A},{B}", f"{A},{C}"))
    assert list(redirected(old, new, ["y", "x"])) == [
        (f"{C} could open what is encrypted from then on in", ("x", "y")),
        (f"{B} could no longer open what is encrypted from then on in", ("x", "y")),
    ]
    assert list(redirected(old, old, ["x"])) == []
    assert list(redirected(old, {}, ["x"])) == [("sops would have no rule for", ("x",))]


WORDS = st.sampled_from(
    [
        "creation_rules",
        "path_regex",
        "age",
        "key_groups",
        "merge",
        "kms",
        "arn",
        "azure_keyvault",
        "vaultUrl",
        "(",
        "a,b",
        "",
    ]
)
TREES: st.SearchStrategy[object] = st.one_of(WORDS, st.integers(), st.none(), st.booleans())
for _ in range(4):  # deep enough for a key in a group that is merged into another
    TREES = st.one_of(WORDS, st.lists(TREES, max_size=3), st.dictionaries(WORDS, TREES, max_size=3))


@given(st.one_of(st.dictionaries(st.just("creation_rules"), TREES), TREES), st.text(max_size=10))
@settings(max_examples=200, deadline=None)
def test_whatever_is_in_the_file_is_read_or_refused(tree: object, path: str) -> None:
    made = parse(yaml.safe_dump(tree).encode(), ".sops.yaml")
    rule = made.rule_for(path)
    if rule is not None:
        assert all(isinstance(label, str) for label in rule.labels)
        list(mismatch(path, metadata((MasterKey("age", "e", {"recipient": A}),)), rule))
