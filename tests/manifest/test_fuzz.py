"""Whatever is in a repository: manifests, or a ConfigError that says where."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sopsync.errors import ConfigError
from tests.manifest.things import block, config, examples, load, sealed

RULES = """\
- {from: "any/{x}", to: [{store: local, name: "{x}/{key}"}, {store: other, name: "{x}", encode: json}]}
- {from: "self/{x}"}
- {from: "narrow/{x}", to: [{store: narrow, name: "{key|kebab}", keys: ["a*", "!b"]}]}
- {from: "template/{x}", to: [{store: local, name: "{x}", template: "{a}{b/c|json}"}]}
- {from: "env/{x}", to: [{store: local, name: "{x}", encode: dotenv, separator: _, rename: {a: A}}]}
"""
HERE = config(RULES)
_KEYS = st.sampled_from(
    ["a", "b", "c", "", "b/c", "data", "to", "apiVersion", "kind", "metadata", "name", "store", "sops"]
)
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.sampled_from(["sopsync/v1", "SecretManifest", "local", "{key}", "{name}"]),
    st.text(min_size=1, max_size=4).map(sealed),
)  # fmt: skip
_TREES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=10,
)
_FILES = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda tree: json.dumps({**tree, "sops": block()}).encode(), st.dictionaries(_KEYS, _TREES, max_size=5)),
    st.builds(
        lambda tree: json.dumps({**tree, "sops": block(encrypted_regex="^data$")}).encode(),
        st.dictionaries(_KEYS, _TREES, max_size=5),
    ),
)
_PATHS = st.builds(
    lambda folder, name, suffix: f"{folder}/{name}{suffix}",
    st.sampled_from(["any", "self", "narrow", "template", "env", "none"]),
    st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=5),
    st.sampled_from([".yaml", ".json", ".env", ".ini", ""]),
)


@examples(200)
@given(st.dictionaries(_PATHS, _FILES, max_size=3))
def test_any_files_are_manifests_or_a_config_error(files: dict[str, bytes]) -> None:
    with contextlib.suppress(ConfigError):
        made = load(HERE, files)
        assert set(made.files) | set(made.broken) <= set(files)
        assert {want.origin.path for want in made.desired.values()} <= set(made.files)


@examples(100)
@given(st.dictionaries(_KEYS, _TREES, max_size=4), st.dictionaries(_KEYS, _TREES, min_size=1, max_size=4))
def test_any_manifest_that_routes_itself_is_judged_line_by_line(clear: dict[str, Any], data: dict[str, Any]) -> None:
    good: dict[str, Any] = {"apiVersion": "sopsync/v1", "kind": "SecretManifest", "metadata": {"name": "x"}}
    good |= {"to": [{"store": "local", "name": "{key}"}], "data": sealed(data)}
    made = {**good, **{key: value for key, value in clear.items() if key != "sops"}}
    text = json.dumps({**made, "sops": block(encrypted_regex="^data$")}, indent=1).encode()
    try:
        load(HERE, {"self/x.yaml": text})
    except ConfigError as error:
        for problem in error.problems:
            assert problem.where.startswith("self/x.yaml"), problem
