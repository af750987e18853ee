"""From files and rules to entries: routing, names, forms, limits, and every way a file can be wrong."""

from __future__ import annotations

import json

import pytest

from sopsync import manifest, sops
from sopsync.config import load_config
from sopsync.errors import ConfigError
from sopsync.limits import breach
from sopsync.model import Drift, Lifecycle, Recipe, Ref
from sopsync.stamp import Origin
from tests.manifest.things import HEAD, block, config, file, load, problems, routed, sealed, wanted

DATA = {"api_key": "canary-key", "db": {"user": "canary-u", "password": "canary-pw"}, "port": 5432}


def one(options: str, data: dict[str, object] | None = None, path: str = "a/prod.yaml") -> list[str]:
    """The problems of one file under one target: `options` are those of the target, besides its store."""
    return problems(f"- {{from: '**', to: [{{store: local, {options}}}]}}", {path: file(data or DATA)})


def test_a_name_with_key_makes_one_entry_of_each_key() -> None:
    made = wanted('- {from: "a/{env}.yaml", to: [{store: local, name: "/{env}/{key}"}]}', DATA)
    assert list(made) == ["local:/prod/api_key", "local:/prod/db/user", "local:/prod/db/password", "local:/prod/port"]
    want = made["local:/prod/db/user"]
    assert want.recipe == Recipe((("", ("db", "user")),))
    assert want.origin == Origin("a/prod.yaml", "/db/user")
    assert (want.where, want.rule, want.names, set(want.tokens)) == ("a/prod.yaml:3", "sopsync.yaml:5", (), {""})
    assert want.size == len("canary-u")
    assert want.owner == "acme"


def test_a_name_without_key_makes_one_map() -> None:
    (want,) = wanted('- {from: "a/{env}.yaml", to: [{store: local, name: "{env}", separator: "."}]}', DATA).values()
    assert want.names == ("api_key", "db.user", "db.password", "port")
    assert want.recipe.fields[1] == ("db.user", ("db", "user"))
    assert set(want.tokens) == set(want.names)
    assert (want.origin, want.where) == (Origin("a/prod.yaml", ""), "a/prod.yaml:1")
    assert want.size == sum(map(len, want.names)) + len("canary-key" + "canary-u" + "canary-pw" + "5432")


def test_everything_a_target_says_reaches_its_entries() -> None:
    head = HEAD.replace("acme", "acme/{env}\nprevious_owners: ['old/{env}', 'acme/{env}', 'old/{env}']")
    rules = """\
- from: a/{env}.yaml
  to:
    - {store: local, name: x, adopt: true, prune: true, lifecycle: seed, on_drift: heal, tags: {env: "{env|upper}"}}
    - {store: narrow, name: "{key|kebab}", keys: [api_key], tier: "{env}-tier"}
"""
    made = load(config(rules, head=head), {"a/prod.yaml": file(DATA)}).desired
    want, single = made[Ref("local", "x")], made[Ref("narrow", "api-key")]
    assert (want.adopt, want.prune, want.lifecycle, want.on_drift) == (True, True, Lifecycle.SEED, Drift.HEAL)
    assert (want.owner, want.previous_owners) == ("acme/prod", ("old/prod",))
    assert want.tags == {"env": "PROD"}
    assert single.options == {"tier": "prod-tier"}
    assert (single.adopt, single.prune, single.lifecycle, single.on_drift) == (
        False, False, Lifecycle.SYNC, Drift.REPORT,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("keys: [db/*]", ("db/user", "db/password")),
        ("keys: ['*', '!db/*']", ("api_key", "port")),
        ("keys: ['!port']", ("api_key", "db/user", "db/password")),
        ("keys: [port, api_*]", ("api_key", "port")),
        ("keys: [port, 'none*']", ("port",)),
        ("keys: [port], rename: {port: PORT}", ("PORT",)),
        ("rename: {db/user: user}", ("api_key", "user", "db/password", "port")),
        ("rename: {api_key: port, port: api_key}", ("port", "db/user", "db/password", "api_key")),
    ],
)
def test_keys_select_and_rename_renames(options: str, names: tuple[str, ...]) -> None:
    (want,) = wanted(f"- {{from: '**', to: [{{store: local, name: x, {options}}}]}}", DATA).values()
    assert want.names == names


def test_encode_json_keeps_nesting_and_its_keys_are_the_outermost() -> None:
    rule = "- {from: '**', to: [{store: narrow, name: NAME, encode: json, keys: ['!port']}]}"
    data = {**DATA, "list": [1, None]}
    (want,) = wanted(rule.replace("NAME", "x"), data).values()
    assert want.recipe.fields == (("api_key", ("api_key",)), ("db", ("db",)), ("list", ("list",)))
    assert want.recipe.encode == "json"
    assert (want.names, list(want.tokens)) == ((), ["api_key", "db", "list"])
    each = wanted(rule.replace("NAME", "'{key|kebab}'"), data)
    assert list(each) == ["narrow:api-key", "narrow:db", "narrow:list"]
    assert each["narrow:db"].recipe == Recipe((("", ("db",)),), "json")


def test_a_template_takes_the_keys_it_names_and_minds_no_others() -> None:
    rule = "- {from: '**', to: [{store: narrow, name: x, template: 'pg://{db-user}:{db-password|urlencode}@h'}]}"
    (want,) = wanted(rule, {**DATA, "list": [1], "none": None}).values()
    assert want.recipe.fields == (("db-user", ("db", "user")), ("db-password", ("db", "password")))
    assert list(want.tokens) == ["db-user", "db-password"]
    assert want.size == len("pg://:@h" + "canary-u" + "canary-pw")


def test_a_binary_file_is_one_value() -> None:
    rule = "- {from: 'a/{name}', to: [{store: local, name: '{name}'}, {store: other, name: b, encode: base64}]}"
    data = json.dumps({"data": sealed("canary-bytes"), "sops": block()}).encode()
    made = load(config(rule), {"a/cert.pem": data}).desired
    want, encoded = made[Ref("local", "cert.pem")], made[Ref("other", "b")]
    assert want.recipe == Recipe(whole=True)
    assert (want.size, encoded.size) == (12, 16)
    assert (want.names, list(want.tokens), want.origin.pointer) == ((), [""], "")
    assert want.digest != encoded.digest
    for options in ("name: '{key}'", "name: x, encode: json", "name: x, keys: [a]", "name: x, template: '{a}'"):
        (problem,) = problems(f"- {{from: '**', to: [{{store: local, {options}}}]}}", {"cert.pem": data})
        assert problem.startswith("sopsync.yaml:5: cert.pem is a binary file, which has no keys for"), options


def test_sizes_are_told_without_opening_and_break_limits_in_the_plan_not_here() -> None:
    rule = "- {from: '**', to: [{store: narrow, name: '{key}'}]}"
    made = wanted(rule, {"a": "canary-" + "x" * 94, "b": "canary-" + "é" * 47})
    traits = config(rule).traits["narrow"]
    assert [want.size for want in made.values()] == [101, 101]
    assert all(breach(want, traits) for want in made.values())


@pytest.mark.parametrize(
    ("options", "data", "expected"),
    [
        ("name: x", {"a": None}, 'a/prod.yaml:2: "a" is null, which cannot be written'),
        ("name: x", {"a": "canary-1", "b": {"c": [1]}}, 'a/prod.yaml:3: "b/c" is a list'),
        ("name: '{key}'", {"a": "canary-1", "b": None}, 'a/prod.yaml:3: "b" is null'),
        ("name: x", {"b/c": "canary-1", "b": {"c": "canary-2"}}, 'a/prod.yaml:3: "b/c" is the name of two keys: here'),
        ("name: '{key}'", {"b": {"c": "canary-2"}, "b/c": "canary-1"}, 'a/prod.yaml:3: "b/c" is the name of two keys'),
        ("name: x, rename: {a: b}", {"a": "canary-1", "b": "canary-2"}, 'a/prod.yaml:3: "b" is the name of two keys'),
        ("name: x", {"": "canary-1"}, "a/prod.yaml:2: a key without a name"),
        ("name: x, keys: [potr]", DATA, 'sopsync.yaml:5: keys: a/prod.yaml has no key "potr"; hint: did you mean'),
        ("name: x, keys: ['!potr']", DATA, 'sopsync.yaml:5: keys: a/prod.yaml has no key "potr"'),
        ("name: x, rename: {potr: a}", DATA, 'sopsync.yaml:5: rename: a/prod.yaml has no key "potr"'),
        ("name: x, keys: ['none*']", DATA, "sopsync.yaml:5: keys: none of the keys of a/prod.yaml is selected"),
        ("name: x, keys: ['none*'], encode: json", DATA, "sopsync.yaml:5: keys: none of the keys of a/prod.yaml is"),
        ("name: x, template: '{potr}'", DATA, 'sopsync.yaml:5: template: a/prod.yaml has no key "potr"; hint: did you'),
        ("name: x, template: '{a}'", {"a": None}, 'a/prod.yaml:2: "a" is null'),
        ("name: x, encode: base64", DATA, "sopsync.yaml:5: encode: base64 is for one value"),
        ("name: x, encode: dotenv", DATA, 'a/prod.yaml:3: "db/user" is no name for a variable'),
        ("name: x, encode: dotenv", {"a": [1]}, 'a/prod.yaml:2: "a" is a list'),
        ("name: 'sopsync-fence/{key}'", DATA, 'a/prod.yaml:2: "sopsync-fence/api_key" is where fences are kept'),
        ("name: '/Sopsync-Fence'", DATA, 'a/prod.yaml:1: "/Sopsync-Fence" is where fences are kept'),
        ("name: \"a\\n{key}\"", DATA, 'a/prod.yaml:2: "a\\x0aapi_key" is no name in local, which takes any characters'),
        (f"name: '{'n' * 1025}'", DATA, f'a/prod.yaml:1: "{"n" * 80}…" is longer than the 1024 characters'),
    ],
)  # fmt: skip
def test_what_cannot_be_an_entry(options: str, data: dict[str, object], expected: str) -> None:
    found = one(options, data)
    assert any(problem.startswith(expected) for problem in found), found
    assert "canary" not in "".join(found)


def test_what_a_narrow_store_does_not_take() -> None:
    rule = "- {from: '**', to: [{store: narrow, name: NAME}]}"
    assert problems(rule.replace("NAME", "x"), {"a.yaml": file(DATA), "b.yaml": file(DATA, nonce="b")}) == [
        f"sopsync.yaml:5: narrow stores hold one value an entry, and {path} gives a map; hint: "
        "{key} in the name makes one entry of each key; encode: json makes one value of all"
        for path in ("a.yaml", "b.yaml")
    ]
    found = problems(rule.replace("NAME", "'{key}'"), {"a.yaml": file({"a_b": "canary-1", "x" * 21: "canary-2"})})
    assert found[0].startswith('a.yaml:2: "a_b" is no name in narrow, which takes letters, digits and -')
    assert found[1].startswith('a.yaml:3: "xxxxxxxxxxxxxxxxxxxxx" is longer than the 20 characters of a name in narrow')


AWS = """\
version: 1
owner: acme
stores:
  plain: {type: aws-ssm, region: eu-west-1, paths: [/prod, /more.prod]}
  chamber: {type: aws-ssm, region: eu-west-2, layout: chamber}
  secrets: {type: aws-secretsmanager, prefix: prod+}
sync:
"""


@pytest.mark.parametrize(
    ("store", "names", "wrong"),
    [
        ("plain", "/prod/a /more.prod/a", ""),
        ("plain", "/prods/a /prod /moreXprod/a prod/a", "below one of the store's paths: /prod, /more.prod"),
        ("chamber", "/svc/api_key /a/b/c", ""),
        ("chamber", "/svc/API_KEY /alone /_chamber/x", "`/service/key` as chamber has it"),
        ("secrets", "prod+api prod+/x", ""),
        ("secrets", "prod prodd/x staging/x", "beginning with the store's prefix `prod+`"),
    ],
)
def test_a_name_must_fit_the_store_as_it_is_configured(store: str, names: str, wrong: str) -> None:
    for name in names.split():
        rules = AWS + f"- {{from: a.yaml, to: [{{store: {store}, name: '{name}', encode: json}}]}}\n"
        try:
            load(load_config(rules.encode(), "sopsync.yaml"), {"a.yaml": file(DATA)})
            found = ""
        except ConfigError as error:
            found = str(error)
        assert (f'a.yaml:1: "{name}" is no name in aws-' in found, wrong in found) == (bool(wrong), True), found


@pytest.mark.parametrize(
    ("store", "option", "expected"),
    [
        ("plain", "tier: advanced", ""),
        (
            "plain",
            "tier: Advanced",
            'sopsync.yaml:8: unknown tier "Advanced" for a.yaml; hint: did you mean "advanced"?',
        ),
        ("plain", "type: StringList", 'sopsync.yaml:8: unknown type "StringList" for a.yaml; hint: did you mean'),
        ("chamber", "type: String", 'sopsync.yaml:8: unknown option "type"; hint: one of: adopt'),
    ],
)
def test_an_option_must_be_one_the_store_has(store: str, option: str, expected: str) -> None:
    rules = AWS + f"- {{from: a.yaml, to: [{{store: {store}, name: /prod/x, encode: json, {option}}}]}}\n"
    try:
        load(load_config(rules.encode(), "sopsync.yaml"), {"a.yaml": file(DATA)})
        found = ""
    except ConfigError as error:
        found = str(error)
    assert found[: len(expected) or None] == expected


def test_two_that_want_one_entry_are_both_named_also_where_case_is_folded() -> None:
    rules = "- {from: '*.yaml', to: [{store: narrow, name: '{key}'}, {store: local, name: '{key}'}]}"
    found = problems(rules, {"a.yaml": file({"Key": "canary-1"}), "b.yaml": file({"key": "canary-2"})})
    assert [problem.split("; hint")[0] for problem in found] == [
        'b.yaml:2: "narrow:key", which narrow does not tell from "Key" is wanted by a.yaml:2 too (sopsync.yaml:5)'
    ]
    rules = "- {from: a.yaml, to: [{store: local, name: x}]}\n- {from: '{y}.yaml', to: [{store: local, name: x}]}"
    assert [problem.split("; hint")[0] for problem in problems(rules, {"a.yaml": file({"key": "canary-1"})})] == [
        'a.yaml:1: "local:x" is wanted by a.yaml:1 too (sopsync.yaml:5)'
    ]


def test_all_rules_that_match_apply() -> None:
    rules = "- {from: '*.yaml', to: [{store: local, name: x}]}\n- {from: 'a.yaml', to: [{store: other, name: x}]}"
    assert list(wanted(rules, DATA, "a.yaml")) == ["local:x", "other:x"]


def test_ciphertext_in_two_files_is_a_copied_secret() -> None:
    rule = "- {from: '{x}.yaml', to: [{store: local, name: '{x}'}]}"
    files = {
        "a.yaml": file({"a": "canary-1", "b": "canary-2", "empty": ""}),
        "b.yaml": file({"b": "canary-2", "empty": ""}),
    }
    (found,) = problems(rule, files)
    assert found.startswith(
        "b.yaml:2: /b is the ciphertext of a.yaml:/b: copied to where others may read it; hint: remove"
    )
    (found,) = problems(rule, {"a.yaml": files["a.yaml"], "b.yaml": files["a.yaml"]})
    assert found.startswith("b.yaml:2: /a is the ciphertext of a.yaml:/a (and 1 more)")
    twice = {
        "a.yaml": file({"a": ["canary-1"]}).replace(b'["', b'["X", "').replace(b'"X"', json.dumps(sealed("x")).encode())
    }
    assert not problems(rule.replace("'{x}'}", "'{x}', encode: json}"), twice)


def test_recipients_are_exactly_those_of_the_rule() -> None:
    pin = "recipients: [age1alice, 'ABCDEF0123456789ABCDEF0123456789abcdef01']"
    rule = f"- {{from: a.yaml, {pin}, to: [{{store: local, name: x}}]}}"
    fingerprint = {"fp": "abcdef0123456789abcdef0123456789ABCDEF01", "enc": "x", "created_at": "2026-01-01T00:00:00Z"}
    assert not problems(rule, {"a.yaml": file(DATA, pgp=[fingerprint])})
    found = problems(rule, {"a.yaml": file(DATA, recipients=["age1alice", "age1mallory"])})
    assert [problem.split("; hint")[0] for problem in found] == [
        "a.yaml:1: can be opened by age1mallory, which recipients at sopsync.yaml:5 does not list",
        f"a.yaml:1: cannot be opened by {fingerprint['fp'].upper()}, which recipients at sopsync.yaml:5 lists",
    ]


def test_files_that_cannot_be_manifests_are_all_reported_together() -> None:
    rule = "- {from: '**', to: [{store: local, name: '{key}'}]}"
    two = b'a: "' + str(sealed("x")).encode() + b'"\nsops: ' + json.dumps(block()).encode() + b"\n---\nb: ''\n"
    repeated = file({"a": "canary-1"}, nonce="r").replace(b'"a":', b'"b": {"c": "", "c": ""},\n"a":')
    found = problems(
        rule,
        {
            "clear.yaml": b"password: canary-clear\n",
            "clear.env": b"PASSWORD=canary-clear\n",
            "empty.yaml": file({}),
            "hollow.yaml": file({"a": {}, "b": []}),
            "repeated.json": repeated,
            "two.yaml": two,
            "broken.yaml": b"canary-broken: [",
            "merge.yaml": b"<<<<<<< HEAD\ncanary-x: 1\n",
            "sopsync.yaml": HEAD.encode(),
            ".sops.yaml": b"creation_rules: []",
        },
    )
    starts = [
        "broken.yaml:",
        "clear.env:1: not encrypted: no sops block; hint: sops encrypt -i clear.env; or, if it holds",
        "clear.yaml:1: not encrypted: no sops block",
        "empty.yaml:1: has no keys",
        "hollow.yaml:1: has no keys",
        "merge.yaml:",
        'repeated.json:2: "c" is on line 2 too',
        "two.yaml:1: more than one YAML document",
    ]
    assert len(found) == len(starts), found
    assert all(problem.startswith(start) for problem, start in zip(found, starts, strict=True)), found
    assert "canary" not in "".join(found)


def test_a_file_that_does_not_parse_is_set_apart_and_the_rest_proceeds() -> None:
    made = load(
        config("- {from: '{x}.yaml', to: [{store: local, name: '{x}'}]}"), {"a.yaml": file(DATA), "b.yaml": b"[b"}
    )
    assert list(made.desired) == [Ref("local", "a")]
    assert list(made.broken) == ["b.yaml"]
    assert made.broken["b.yaml"].where.startswith("b.yaml")
    assert list(made.files) == ["a.yaml"]


def test_a_file_that_was_not_read_is_set_apart() -> None:
    rule = config("- {from: '{x}', to: [{store: local, name: '{x}'}]}")
    made = manifest.load(["a.yaml"], lambda _paths: {}, rule, sops.parse)
    assert (list(made.broken), dict(made.desired)) == (["a.yaml"], {})


def test_where_limits_which_files_a_rule_is_for_and_idle_rules_are_told() -> None:
    rules = """\
- {from: "{env}.yaml", where: {env: [prod]}, to: [{store: local, name: "{env}"}]}
- {from: "nothing/*", to: [{store: local, name: y}]}
"""
    made = load(config(rules), {"prod.yaml": file(DATA), "notes.yaml": b"not a secret: true"})
    assert list(made.desired) == [Ref("local", "prod")]
    assert made.idle == ("sopsync.yaml:6",)


def test_only_some_paths() -> None:
    rules = config("- {from: '{x}.yaml', to: [{store: local, name: '{x}'}]}")
    made = load(rules, {"a.yaml": file(DATA), "b.yaml": b"clear: canary-1"}, only=["a.yaml"])
    assert list(made.desired) == [Ref("local", "a")]
    assert load(rules, {"a.yaml": file(DATA)}, only=["b.yaml"]).idle == ()  # it looked at too little to tell


def test_what_a_path_gives_must_fit_where_it_goes() -> None:
    rules = "- {from: '{x}.yaml', to: [{store: local, name: a, tags: {t: '{x}'}}]}"
    (found,) = problems(rules, {"a\nb.yaml": file(DATA)})
    assert found.startswith("sopsync.yaml:5: a\nb.yaml makes t longer than 256 characters, or not printable")
    head = HEAD.replace("acme", "acme/{x}")
    for path in ("a b.yaml", "ä.yaml", "a" * 70 + ".yaml"):
        with pytest.raises(ConfigError, match="this path makes the owner"):
            load(config("- {from: '{x}.yaml', to: [{store: local, name: a}]}", head=head), {path: file(DATA)})
    (found,) = problems("- {from: '{x}.yaml', to: [{store: '{x}', name: a}]}", {"locl.yaml": file(DATA)})
    assert found == 'sopsync.yaml:5: unknown store "locl" for locl.yaml; hint: did you mean "local"?'


# -- manifests that route themselves

SELF = "- from: m/{env}/**\n"
TO = [{"store": "local", "name": "{env}/{name}/{key}", "prune": True}]


def test_a_manifest_routes_itself() -> None:
    data = routed(DATA, to=TO, metadata={"name": "pay", "description": "card processor", "rotate_after": "90d"})
    made = load(config(SELF), {"m/prod/x/y.yaml": data})
    names = ["prod/pay/api_key", "prod/pay/db/user", "prod/pay/db/password", "prod/pay/port"]
    assert [ref.name for ref in made.desired] == names
    want = made.desired[Ref("local", "prod/pay/db/user")]
    assert want.recipe == Recipe((("", ("data", "db", "user")),))
    assert want.origin == Origin("m/prod/x/y.yaml", "/data/db/user")
    assert (want.where, want.rule) == ("m/prod/x/y.yaml:6", "m/prod/x/y.yaml:5")
    assert want.description == "card processor"
    assert want.prune
    it = made.files["m/prod/x/y.yaml"]
    assert (it.name, it.rotate_after) == ("pay", "90d")
    assert [key.label for key in it.metadata.keys()] == ["age1alice"]  # noqa: SIM118


def test_the_store_of_a_manifest_may_depend_on_its_name_and_captures() -> None:
    to = [{"store": "{name}", "name": "{env}/{key}"}]
    made = load(config(SELF), {"m/prod/x.yaml": routed({"a": "canary-1"}, to=to, metadata={"name": "local"})})
    assert list(made.desired) == [Ref("local", "prod/a")]
    (found,) = problems(SELF, {"m/prod/x.yaml": routed({"a": "canary-1"}, to=to, metadata={"name": "pay"})})
    assert found.startswith('m/prod/x.yaml:5: unknown store "pay"')


OWNER = "acme"
"""Of the config in `things`."""


def at(key: str) -> Origin:
    """A key of a manifest that routes itself."""
    return Origin("m/prod/x.yaml", f"/data/{key}")


def test_who_would_give_a_name_is_also_what_a_manifest_says_of_itself() -> None:
    rules = config(SELF)
    made = load(rules, {"m/prod/x.yaml": routed(DATA, to=TO)})
    found = made.target_for(rules, at("gone"), Ref("local", "prod/pay/gone"), OWNER)
    assert found is not None
    assert found.prune
    assert made.target_for(rules, at("gone"), Ref("local", "prod/other/gone"), OWNER) is None
    both = load(rules, {"m/prod/x.yaml": routed(DATA, to=[*TO, {"store": "local", "name": "prod/pay/x/{key}"}])})
    kept = both.target_for(rules, at("gone"), Ref("local", "prod/pay/x/gone"), OWNER)
    assert kept is not None
    assert not kept.prune
    assert (
        made.target_for(rules, Origin("m/prod/gone.yaml", "/data/gone"), Ref("local", "prod/pay/gone"), OWNER) is None
    )


@pytest.mark.parametrize(
    ("clear", "expected"),
    [
        ({"to": TO, "metadata": {}}, "m/p/x.yaml:4: name is missing"),
        ({"to": TO, "metadata": {"name": "x", "rotate_after": "90"}}, "m/p/x.yaml:4: rotate_after is not a time"),
        ({"to": TO, "metadata": {"name": "x", "nam": "canary-x"}}, 'm/p/x.yaml:4: unknown option "nam"; hint: did'),
        ({"to": []}, "m/p/x.yaml:5: to is empty"),
        ({}, "m/p/x.yaml:1: to is missing"),
        ({"to": [{"store": "locl", "name": "{kye}"}]}, 'm/p/x.yaml:5: unknown store "locl"; hint: did you'),
        ({"to": [{"store": "locl", "name": "{kye}"}]}, 'm/p/x.yaml:5: unknown capture "kye"; hint: did you'),
        ({"to": [{"store": "local", "name": "{key}", "prunes": 1}]}, 'm/p/x.yaml:5: unknown option "prunes";'),
        ({"to": TO, "apiVersion": "sopsync/v2"}, "m/p/x.yaml:2: apiVersion must be sopsync/v1"),
        ({"to": TO, "kind": "Secret"}, "m/p/x.yaml:3: kind must be SecretManifest"),
        ({"to": TO, "spec": 1}, 'm/p/x.yaml:6: unknown option "spec"'),
        ({"to": TO, "apiVersion": "v1"}, "m/p/x.yaml:1: does not say where it goes: no apiVersion, and the"),
    ],
)  # fmt: skip
def test_errors_in_a_manifest_have_its_lines(clear: dict[str, object], expected: str) -> None:
    found = problems(SELF, {"m/p/x.yaml": routed({"a": "canary-1"}, **clear)})
    assert any(problem.startswith(expected) for problem in found), found
    assert "canary" not in "".join(found)


def test_the_data_of_a_manifest_is_a_map_with_keys() -> None:
    def with_data(data: object) -> list[str]:
        text = {"apiVersion": "sopsync/v1", "kind": "SecretManifest", "metadata": {"name": "x"}, "to": TO, "data": data}
        text["sops"] = block(encrypted_regex="^data$")
        return problems(SELF, {"m/p/x.yaml": json.dumps(text).encode()})

    assert with_data({"a": sealed("canary-1")}) == []
    for data in (sealed("canary-1"), [], None):
        assert with_data(data)[0].startswith("m/p/x.yaml:1: data must be a map"), data
    assert with_data({})[0].startswith("m/p/x.yaml:1: data has no keys")


def test_routing_that_is_encrypted_cannot_be_read() -> None:
    manifest_ = {
        "apiVersion": "sopsync/v1",
        "kind": "SecretManifest",
        "to": sealed([{"store": "canary-store", "name": "x"}]),
        "data": sealed({"a": "canary-1"}),
        "sops": block(encrypted_regex="^(data|to)$"),
    }
    found = problems(SELF, {"m/p/x.yaml": json.dumps(manifest_, indent=1).encode()})
    assert found[0].startswith("m/p/x.yaml:1: metadata is missing")
    assert any(problem.startswith("m/p/x.yaml:6: /to/0/store is encrypted; only data may be") for problem in found), (
        found
    )


def test_a_file_that_routes_itself_is_not_routed_by_a_rule_too() -> None:
    (found,) = problems("- {from: '**', to: [{store: local, name: x}]}", {"m/p.yaml": routed(DATA, to=TO)})
    assert found.startswith("m/p.yaml:1: routes itself, and the rule at sopsync.yaml:5 routes it too")
