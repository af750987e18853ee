"""The config file: every problem in one run, with its line; its meaning; what it says of owners and names."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.config import Config, json_schemas, load_config, owner_pattern, target_for
from sopsync.errors import ConfigError
from sopsync.model import Ref
from sopsync.stamp import Origin
from sopsync.stores.kinds import KINDS
from sopsync.yamlpos import parse, plain
from tests.manifest.things import CONFIG, HEAD, HERE, config, config_problems, examples

GOOD = """\
version: 1
owner: acme/payments/{env}   # who
previous_owners: ["old/{env}"]
stores:
  staging: {type: local, recipients: [age1x]}
  prod: {type: vault, mount: kv}
sync:
  - from: services/{service}/{env}.yaml
    where: {env: [staging, prod]}
    recipients: [age1x]
    to:
      - {store: "{env}", name: "{env}/{service}/{key|kebab}", prune: true, tags: {team: "{service}", n: 1}}
  - from: manifests/{env}/**
thresholds: {updates: {share: 50%}}
allow_hosts: [vault.example.com, "[::1]:8200"]
accept_history: [0123456789012345678901234567890123456789]
"""


def good(text: str = GOOD) -> Config:
    return load_config(text.encode(), CONFIG)


def test_a_config_says_what_it_says() -> None:
    made = good()
    assert made.branch == "main"
    assert list(made.stores) == ["staging", "prod"]
    assert made.stores["prod"].type == made.traits["prod"].kind == "vault"
    assert [rule.where for rule in made.rules] == ["sopsync.yaml:8", "sopsync.yaml:13"]
    assert made.rules[0].targets is not None
    assert made.rules[0].targets[0].where == "sopsync.yaml:12"
    assert made.rules[1].targets is None
    update, delete = made.thresholds.update, made.thresholds.delete
    assert (update.share, update.least, delete.share, delete.least) == (0.5, 10, 0.3, 3)
    assert made.accept_history == {"0123456789012345678901234567890123456789"}
    assert "[::1]:8200" in made.allow_hosts


BAD = """\
version: 1
owner: acme/{env}
stores:
  prod-ssm: {type: local, recipients: [age1x]}
  staging-ssm: {type: locale}
  prod-vault:
    type: vault
    adress: https://canary-x
    auth: {method: kubernetes, rol: canary-x}
sync:
  - from: services/{service}/{env}.yaml
    where: {env: [staging, prod], evn: [canary-x]}
    to:
      - {store: "{env}-ssm", name: "/{env}/{servce}/{key}", prunes: true}
      - {store: prod-vault, name: "{env}/{service|kebob}", on_drift: healed, keys: canary-x}
      - {store: prod-smm, name: x, template: "{a}", encode: json}
  - from: [canary-x]
  - from: b/{env}/?
    to:
      - store: prod-vault
  - from: b/{env}/x
    to:
      - name: prod-vault
      - {store: prod-vaul, name: "a}", tags: {sopsync-x: canary-x, b: "{nope}"}}
  - from: b/x
  - from: b/{name}
unknown: canary-x
thresholds: {updates: {share: 130%, least: true}, delete: {}}
accept_history: [canary-x]
allow_hosts: [https://canary-x]
branch:
"""

EXPECTED = """\
sopsync.yaml:5: unknown type "locale"; hint: did you mean "local"?
sopsync.yaml:8: unknown option "adress"; hint: did you mean "address"?
sopsync.yaml:9: role is missing; hint: add role:
sopsync.yaml:9: unknown option "rol"; hint: did you mean "role"?
sopsync.yaml:12: unknown capture "evn"; hint: did you mean "env"?
sopsync.yaml:14: unknown capture "servce"; hint: did you mean "service"?
sopsync.yaml:14: unknown option "prunes"; hint: did you mean "prune"?
sopsync.yaml:15: keys must be a list
sopsync.yaml:15: name: unknown filter "kebob" in "{service|kebob}": there are kebab, snake, upper, lower
sopsync.yaml:15: on_drift must be report, heal, block; hint: did you mean "heal"?
sopsync.yaml:16: template makes one value already, so there is nothing for json; hint: leave encode out; encode: base64 may follow a template
sopsync.yaml:16: unknown store "prod-smm"; hint: did you mean "prod-ssm"?
sopsync.yaml:17: from must be text
sopsync.yaml:18: from: ? is not a wildcard here: use *, ** or a capture in braces
sopsync.yaml:20: name is missing; hint: add name:
sopsync.yaml:23: store is missing; hint: add store:
sopsync.yaml:24: name: a lone } in "a}": write }} for the character itself
sopsync.yaml:24: "sopsync-x" is not a name for a tag; hint: letters, digits, space and _.:/=+@-, at most 128, not starting with sopsync or aws:
sopsync.yaml:24: unknown capture "nope"; hint: one of: env
sopsync.yaml:24: unknown store "prod-vaul"; hint: did you mean "prod-vault"?
sopsync.yaml:25: owner "acme/{env}" asks for {env}, which this pattern does not capture; hint: write {env} where the path says it; where: limits it to one value if need be
sopsync.yaml:26: owner "acme/{env}" asks for {env}, which this pattern does not capture; hint: write {env} where the path says it; where: limits it to one value if need be
sopsync.yaml:27: unknown option "unknown"; hint: one of: accept_history, allow_hosts, branch, owner, previous_owners, stores, sync, thresholds, version
sopsync.yaml:28: least must be a whole number
sopsync.yaml:28: share: should be less than or equal to 1
sopsync.yaml:28: unknown option "delete"; hint: did you mean "deletes"?
sopsync.yaml:29: item 1 of accept_history is not a full commit id; hint: 40 (or 64) hex digits, as the message about the fence prints them
sopsync.yaml:30: item 1 of allow_hosts is not a host; hint: host or host:port, without https:// and path
sopsync.yaml:31: branch must be text; hint: write it in quotes
"""  # noqa: E501


def test_all_problems_in_one_run_each_with_its_line_and_none_with_a_value() -> None:
    assert sorted(config_problems(BAD)) == sorted(EXPECTED.splitlines())
    assert "canary" not in "".join(config_problems(BAD))


MANY = json.dumps({f"t{i}": "x" for i in range(33)})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "sopsync.yaml: is empty"),
        ("a", "sopsync.yaml:1: must be a map"),
        ("version: 1\nversion: 1", 'sopsync.yaml:2: "version" is here twice; hint: it is on line 1 too'),
        ("version: 1\n---\nversion: 1", "sopsync.yaml:2: a second document"),
        ("a: [", "sopsync.yaml:2: not YAML"),
        ("a:\n  b: \tc: d", "sopsync.yaml:2: not YAML"),
        ("a: &a [*a]", "sopsync.yaml:1: an alias"),
        ("a: !!python/name:os.system x", "sopsync.yaml:1: a YAML tag"),
        ("? [a]\n: b", "sopsync.yaml:1: a key that is not text"),
        ("a: \x01", "sopsync.yaml: not YAML: holds control characters"),
        (b"a: 1\nb: \xff", "sopsync.yaml:2: not UTF-8"),
        ("[" * 5000, "sopsync.yaml:1: nested deeper"),
        ("- " * 5000, "sopsync.yaml:1: nested deeper"),
        ("a: " + "x" * 2**20, "sopsync.yaml: larger than 1 MiB"),
        ("a: &a [1]\n" + "".join(f"b{i}: &a [{'*a, ' * 9}*a]\n" for i in range(9)), "sopsync.yaml:6: more than 100000"),
        ("a: &a [1]\n" + "".join(f"b{i}: &a [*a]\n" for i in range(99)), "sopsync.yaml:32: nested deeper"),
        (HEAD.replace("version: 1\n", ""), "sopsync.yaml:1: version is missing"),
        (HEAD.replace("version: 1", "version: 2"), "sopsync.yaml:1: version must be 1"),
        (HEAD, "sopsync.yaml:4: sync must be a list"),
        (HEAD + "  []", "sopsync.yaml:4: sync is empty"),
        (HEAD + "- {from: a, to: []}", "sopsync.yaml:5: to is empty"),
        (HEAD.replace("acme", "ac me") + "- from: a", 'sopsync.yaml:2: "ac me" cannot be an owner'),
        (HEAD.replace("acme", "a" * 65) + "- from: a", 'sopsync.yaml:2: "aaa'),
        (HEAD + "- from: a/{name}", "sopsync.yaml:5: {name} cannot be captured without to:"),
        (HEAD + "- {from: a, to: [{store: narrow, name: a, tags: {a: b}}]}", "sopsync.yaml:5: narrow stores keep no"),
        (HEAD + f"- {{from: a, to: [{{store: local, name: a, tags: {MANY}}}]}}",
         "sopsync.yaml:5: more than 32 tags"),
        (HEAD + "- {from: a, to: [{store: local, name: a, tier: b}]}", 'sopsync.yaml:5: unknown option "tier"'),
        (HEAD + "- {from: a, to: [{store: narrow, name: a, tier: [b]}]}", "sopsync.yaml:5: tier must be text"),
        (HEAD + "- {from: a, to: [{store: local, name: '{key}', template: '{a}'}]}", "sopsync.yaml:5: template makes"),
        (HEAD + "- {from: a, to: [{store: local, name: '{key}', encode: dotenv}]}", "sopsync.yaml:5: encode: dotenv"),
        (HEAD + "- {from: a, to: [{store: local, name: a, template: 'x'}]}", "sopsync.yaml:5: template names no key"),
        (HEAD + "- {from: a, to: [{store: local, name: a, template: '{x|no}'}]}", "sopsync.yaml:5: template: unknown"),
        (HEAD + "- {from: a, to: [{store: '{x}', name: a}]}", 'sopsync.yaml:5: unknown capture "x"'),
        (HEAD + "- {from: '{x}', to: [{store: '{x}-ssm', name: a}]}", 'sopsync.yaml:5: unknown store "{x}-ssm"'),
        (HEAD + "- {from: '{x}', where: {x: [a/b]}}", "sopsync.yaml:5: item 1 of x is not one path segment"),
        (HEAD.replace("local:", "'lo cal':"), "sopsync.yaml:3: lo cal is not a name for a store"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, expected: str) -> None:
    found = config_problems(text)
    assert any(problem.startswith(expected) for problem in found), found


def test_a_store_option_is_taken_only_where_every_store_meant_takes_it() -> None:
    rule = "- {from: '{x}', to: [{store: '{x}', name: a, tier: 1}]}"
    assert config_problems(HEAD + rule) == [
        "sopsync.yaml:5: tier is no option of local stores; hint: give each kind its own target"
    ]
    assert not config_problems(HEAD + rule.replace("to:", "where: {x: [narrow]}, to:"))


def test_the_digest_is_of_the_meaning() -> None:
    same = GOOD.replace("   # who", "").replace("owner: acme/payments/{env}", "'owner':   'acme/payments/{env}'")
    same = "branch: main\n# note\n" + same.replace("prune: true, ", "").replace(
        'name: "{env}', 'prune: true, name: "{env}'
    )
    assert same != GOOD
    assert good(same).digest == good().digest
    assert len(good().digest) == 32
    for old, new in [
        ("mount: kv", "mount: kv2"),
        ("prune: true", "prune: false"),
        ("50%", "51%"),
        ("[staging, prod]", "[prod]"),
        ("age1x]}", "age1y]}"),
        ("|kebab", ""),
        ("n: 1}", "n: 2}"),
    ]:
        assert good(GOOD.replace(old, new)).digest != good().digest, old


def test_owner_pattern_matches_what_the_config_can_give_and_gave() -> None:
    form = owner_pattern(good())
    assert form.fullmatch("acme/payments/prod")
    assert form.fullmatch("acme/payments/gone-env")
    assert form.fullmatch("old/prod")
    assert not form.fullmatch("acme/payments/a/b")
    assert not form.fullmatch("acme/paymentsX/prod")
    assert not form.fullmatch("acme/payments/")


OWNER = "acme"
"""Of the config in `things`."""


def test_the_target_that_gave_an_entry() -> None:
    made = good()
    path, owner = "services/api/prod.yaml", "acme/payments/prod"
    found = target_for(made, Origin(path, "/some/key"), Ref("prod", "prod/api/some/key"), owner)
    assert found is not None
    assert found.where == "sopsync.yaml:12"
    for other, at, ref, whose in [
        (path, "/key", Ref("staging", "prod/api/key"), owner),
        (path, "/key", Ref("prod", "prod/apy/key"), owner),
        (path, "/other", Ref("prod", "prod/api/key"), owner),
        (path, "", Ref("prod", "prod/api/key"), owner),
        (path, "/key", Ref("prod", "prod/api/key"), "acme/payments/test"),
        ("services/api/test.yaml", "/key", Ref("prod", "test/api/key"), owner),
        ("manifests/prod/x", "/key", Ref("prod", "prod/api/key"), owner),
    ]:
        assert target_for(made, Origin(other, at), ref, whose) is None


def test_of_two_targets_the_one_that_keeps_wins_and_case_folds_where_the_store_folds_it() -> None:
    made = config("- {from: a, to: [{store: narrow, name: 'X-{key}', prune: true}, {store: narrow, name: '{key}-Y'}]}")
    kept = target_for(made, Origin("a", "/x-1"), Ref("narrow", "x-1-y"), OWNER)
    pruned = target_for(made, Origin("a", "/1"), Ref("narrow", "x-1"), OWNER)
    assert kept is not None
    assert not kept.prune
    assert pruned is not None
    assert pruned.prune


def test_the_schema_takes_what_the_loader_takes() -> None:
    schemas = json.loads(json.dumps(json_schemas()))
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schemas["config"])
    document = json.loads(json.dumps(plain(parse(GOOD.encode(), "x"))))
    assert not list(validator.iter_errors(document))
    assert list(validator.iter_errors(document | {"unknown": 1}))
    for bad in ({"type": "nope"}, {"recipients": ["x"]}, {"type": "vault", "adress": "x"}):
        assert list(validator.iter_errors(document | {"stores": {"x": bad}})), bad
    (by_name,) = schemas["config"]["properties"]["stores"]["patternProperties"].values()
    assert len(by_name["oneOf"]) == len(KINDS)


def test_the_schema_of_manifests() -> None:
    validator = jsonschema.Draft202012Validator(json_schemas()["manifest"])
    document = {
        "apiVersion": "sopsync/v1",
        "kind": "SecretManifest",
        "metadata": {"name": "x", "rotate_after": "90d"},
        "to": [{"store": "x", "name": "{key}"}],
        "data": {"a": {"b": "ENC[...]"}},
        "sops": {"age": []},
    }
    assert not list(validator.iter_errors(document))
    assert list(validator.iter_errors(document | {"too": []}))
    assert list(validator.iter_errors(document | {"to": [{"store": "x", "name": "x", "prunes": True}]}))


_WORDS = st.sampled_from(
    ["version", "owner", "stores", "sync", "from", "to", "where", "store", "name", "type", "local", "recipients",
     "keys", "tags", "{env}", "{env}/{key}", "a/*", "true", "1", "0.5", "~", "&a", "*a", "<<", "'", '"', "|", "!"]
)  # fmt: skip
_LINES = st.builds(
    lambda depth, dash, key, value: " " * depth + ("- " if dash else "") + f"{key}: {value}\n",
    st.integers(0, 6), st.booleans(), _WORDS, st.one_of(_WORDS, st.lists(_WORDS).map(lambda w: f"[{', '.join(w)}]")),
)  # fmt: skip


@examples(150)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.lists(_LINES, max_size=12).map("".join)))
def test_any_bytes_are_a_config_or_a_config_error(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    with contextlib.suppress(ConfigError):
        load_config(data, CONFIG, HERE)


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False), _WORDS, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=12,
)


def _places(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in pairs:
        yield (*path, key)
        yield from _places(child, (*path, key))


_DOCUMENT = plain(parse(GOOD.encode(), CONFIG))


@examples(150)
@given(st.sampled_from(list(_places(_DOCUMENT))), _VALUES)
def test_anything_in_any_place_of_a_good_config_is_judged_with_a_line(place: tuple[str | int, ...], value: Any) -> None:
    document: Any = copy.deepcopy(_DOCUMENT)
    holder = document
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = value
    try:
        load_config(json.dumps(document, indent=1).encode(), CONFIG)
    except ConfigError as error:
        for problem in error.problems:
            assert problem.where.startswith("sopsync.yaml:"), problem


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("type: local, recipients: [a]", "type: local, recipients: [b]", True),
        ("type: local, recipients: [a]", "type: local, recipients: [b], path: ./.sopsync/x/../store.db", True),
        ("type: local, recipients: [a]", "type: local, recipients: [a], path: other.db", False),
        (
            "type: vault, address: 'https://v', mount: kv",
            "type: vault, address: 'https://V/', mount: kv, prefix: p",
            True,
        ),
        ("type: vault, mount: kv, prefix: p/q", "type: vault, mount: kv, prefix: p", True),
        ("type: vault, mount: kv, prefix: pq", "type: vault, mount: kv, prefix: p", False),
        ("type: vault, mount: kv, namespace: n", "type: vault, mount: kv", False),
        ("type: vault, mount: kv", "type: vault, mount: kv2", False),
        ("type: aws-secretsmanager", "type: aws-secretsmanager, prefix: p", True),
        ("type: aws-secretsmanager, prefix: pq", "type: aws-secretsmanager, prefix: p", True),
        ("type: aws-secretsmanager, prefix: q", "type: aws-secretsmanager, prefix: p", False),
        ("type: aws-secretsmanager, region: eu-west-1", "type: aws-secretsmanager, region: us-east-1", False),
        ("type: aws-secretsmanager, profile: a", "type: aws-secretsmanager, profile: b", False),
    ],
)
def test_no_store_is_within_another(one: str, other: str, same: bool) -> None:
    stores = f"stores:\n  one: {{{one}}}\n  other: {{{other}}}\n"
    text = f"version: 1\nowner: acme\n{stores}sync: [{{from: a, to: [{{store: one, name: a}}]}}]\n"
    said = ""
    try:
        load_config(text.encode(), "sopsync.yaml")
    except ConfigError as error:
        said = str(error)
    assert ('sopsync.yaml:5: stores "one" and "other" are the same place' in said) is same
