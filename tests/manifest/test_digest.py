"""What a digest depends on, and what it does not. Its bytes are unambiguous."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.digest import Part, stream, token
from sopsync.model import Desired
from sopsync.sops.tree import Kind, List, Map, Node, Scalar
from tests.manifest.things import block, config, examples, load, sealed, wanted

_PARTS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text("sb:1;é\udc80", max_size=4), st.binary(max_size=4)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


def _same(a: Part, b: Part) -> bool:
    """Equal, and of equal types: True is not 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


@examples(200)
@given(_PARTS, _PARTS)
def test_no_two_parts_give_one_stream_of_bytes(a: Part, b: Part) -> None:
    assert (stream(a) == stream(b)) == _same(a, b)


@examples(100)
@given(_PARTS, _PARTS)
def test_no_stream_is_the_beginning_of_another(a: Part, b: Part) -> None:
    """So what follows cannot be taken for a part of what came before."""
    one, other = stream(a), stream(b)
    assert one == other or not one.startswith(other)


_SCALARS = st.one_of(
    st.builds(lambda n: Scalar(Kind.STR, n, cipher=f"ENC[{n % 3}]"), st.integers(0, 8)),
    st.builds(lambda n: Scalar(Kind.INT, n, cipher=f"ENC[{n % 3}]"), st.integers(0, 8)),
    st.sampled_from([Scalar(Kind.STR, 1, "1"), Scalar(Kind.INT, 2, 1), Scalar(Kind.FLOAT, 3, 1.0)]),
    st.sampled_from(
        [Scalar(Kind.BOOL, 4, value=True), Scalar(Kind.NULL, 5), Scalar(Kind.STR, 6, ""), Map(()), List(())]
    ),
    st.sampled_from([Scalar(Kind.FLOAT, 1, -0.0), Scalar(Kind.FLOAT, 1, 0.0), Scalar(Kind.BYTES, 1, b"1")]),
)
_TREES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: List(tuple(items))),
        st.dictionaries(st.sampled_from("ab/1"), inner, max_size=3).map(
            lambda items: Map(tuple((key, 1, child) for key, child in items.items()))
        ),
    ),
    max_leaves=5,
)


def _content(node: Node) -> object:
    """The tree without its lines."""
    if isinstance(node, Map):
        return ["map", [[key, _content(child)] for key, _, child in node.items]]
    if isinstance(node, List):
        return ["list", [_content(child) for child in node.items]]
    return [node.kind, repr(node.value), node.cipher]


@examples(200)
@given(_TREES, _TREES)
def test_two_trees_have_one_token_only_if_they_are_the_same_but_for_lines(a: Node, b: Node) -> None:
    assert (token(a, ("x",)) == token(b, ("x",))) == (_content(a) == _content(b))
    assert token(a, ("x",)) != token(a, ("y",))


RULE = """\
- from: a/{env}.yaml
  to:
    - {store: local, name: "{env}/map"}
    - {store: local, name: "{env}/json", encode: json}
    - {store: local, name: "{env}/url", template: "{user}:{password|urlencode}"}
    - {store: other, name: "{env}/{key}"}
"""
DATA = {"user": "canary-u", "password": "canary-p", "port": 5432, "db": {"host": "canary-h", "name": "canary-n"}}


def digests(rules: str, data: dict[str, Any], **more: Any) -> dict[str, str]:
    return {ref: want.digest for ref, want in wanted(rules, data, **more).items()}


def of_bytes(data: bytes, rules: str = RULE) -> dict[str, str]:
    found = load(config(rules), {"a/prod.yaml": data}).desired
    return {str(ref): want.digest for ref, want in found.items()}


def test_formatting_comments_metadata_and_place_do_not_enter() -> None:
    before = digests(RULE, DATA)
    document = {key: sealed(value, f"/{key}") for key, value in DATA.items()}
    assert of_bytes(json.dumps({"sops": block(), **document}).encode()) == before
    folded = "# a comment\n" + "".join(
        f"{json.dumps(k)}:   # here\n    {json.dumps(v)}\n\n" for k, v in document.items()
    )
    updated = block("age1new", "age1other", lastmodified="2027-01-01T00:00:00Z", mac=sealed("another"))
    assert of_bytes((folded + f"sops: {json.dumps(updated)}\n").encode()) == before
    moved = "# moved\n\n" + RULE.replace("a/{env}", "b/{env}")
    assert digests(moved, DATA, path="b/prod.yaml") == before


def test_only_the_entries_of_an_edited_key_change() -> None:
    before, after = digests(RULE, DATA), digests(RULE, {**DATA, "password": "canary-new"})
    assert {ref for ref in before if before[ref] != after[ref]} == {
        "local:prod/map", "local:prod/json", "local:prod/url", "other:prod/password",
    }  # fmt: skip
    before, after = digests(RULE, DATA), digests(RULE, {**DATA, "more": "canary-more"})
    assert {ref for ref in before if before[ref] != after[ref]} == {"local:prod/map", "local:prod/json"}


def test_the_order_of_keys_enters_only_where_it_shows() -> None:
    before, after = digests(RULE, DATA), digests(RULE, dict(reversed(DATA.items())))
    assert {ref for ref in before if before[ref] != after[ref]} == {"local:prod/json"}


def test_re_encryption_changes_every_digest() -> None:
    before, after = digests(RULE, DATA), digests(RULE, DATA, nonce="rotated")
    assert all(before[ref] != after[ref] for ref in before)


def test_a_clear_value_enters_as_it_is() -> None:
    def clear(value: object) -> str:
        text = {"a_unencrypted": value, "sops": block(unencrypted_suffix="_unencrypted")}
        return of_bytes(json.dumps(text).encode(), "- {from: '**', to: [{store: local, name: x}]}")["local:x"]

    assert len({clear(value) for value in ("1", 1, True, "true", "", 1.5)}) == 6
    assert clear("1") == clear("1")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("name: x", "name: x, separator: ."),
        ("name: x", "name: x, rename: {a: b}"),
        ("name: x", "name: x, tags: {a: b}"),
        ("name: x, tags: {a: b}", "name: x, tags: {a: c}"),
        ("name: x, tags: {a: b}", "name: x, tags: {b: a}"),
        ("name: x", "name: x, encode: json"),
        ("name: x, encode: json", "name: x, encode: dotenv"),
        ("name: x", "name: x, keys: [a]"),
        ("name: x, template: '{a}'", "name: x, template: '{a}', encode: base64"),
        ("name: x, template: '{a}'", "name: x, template: '{a} '"),
        ("name: x, template: '{a}'", "name: x, template: '{a|base64}'"),
        ("name: '{key}', keys: [a]", "name: '{key}', keys: [a], encode: base64"),
        ("name: '{key}', keys: [a]", "name: '{key}', keys: [a], encode: json"),
        ("name: '{key}', keys: [a]", "name: 'a', keys: [a]"),
    ],
)
def test_everything_that_shapes_what_is_written_enters(was: str, now: str) -> None:
    data = {"a": "canary-1", "n": {"b_c": "canary-2"}} if "separator" in now else {"a": "canary-1", "b_c": "canary-2"}
    one, other = (digests(f"- {{from: '**', to: [{{store: local, {how}}}]}}", data) for how in (was, now))
    assert set(one.values()).isdisjoint(other.values())


def test_a_write_option_enters() -> None:
    rule = "- {from: '**', to: [{store: narrow, name: '{key}'TIER}]}"
    made = [digests(rule.replace("TIER", tier), {"a": "canary-1"}) for tier in ("", ", tier: a", ", tier: b")]
    assert len({one["narrow:a"] for one in made}) == 3


def test_what_decides_but_is_not_written_does_not_enter() -> None:
    rule = "- {from: '**', to: [{store: local, name: x, encode: jsonMORE}]}"
    options = ["", ", prune: true", ", adopt: true", ", lifecycle: seed", ", on_drift: heal"]
    made = [digests(rule.replace("MORE", more), {"a": "canary-1"})["local:x"] for more in options]
    assert len(set(made)) == 1


def _tokens(want: Desired) -> dict[str, str]:
    return dict(want.tokens)


def test_tokens_say_which_keys_a_change_touches_and_shape_that_only_the_routing_did() -> None:
    before, after = wanted(RULE, DATA), wanted(RULE, {**DATA, "password": "canary-new"})
    one, other = before["local:prod/map"], after["local:prod/map"]
    assert {key for key in _tokens(one) if one.tokens[key] != other.tokens[key]} == {"password"}
    assert one.shape == other.shape
    tagged = wanted(RULE.replace('"{env}/map"', '"{env}/map", tags: {a: b}'), DATA)["local:prod/map"]
    assert tagged.tokens == one.tokens
    assert tagged.shape != one.shape


def test_a_later_encoder_touches_only_what_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests(RULE, DATA)
    monkeypatch.setattr("sopsync.encode.REVISION", 2)
    after = digests(RULE, DATA)
    assert {ref for ref in before if before[ref] != after[ref]} == {"local:prod/json", "local:prod/url"}


def test_digests_are_32_hex_digits() -> None:
    for want in wanted(RULE, DATA).values():
        for text in (want.digest, want.shape, *want.tokens.values()):
            assert len(text) == 32
            assert set(text) <= set(string.hexdigits.lower())


def test_digests_stay_what_they_are_from_release_to_release() -> None:
    """Stamps in stores hold them: a change here re-opens every entry of every user. Raise encode.REVISION instead."""
    scalar = Scalar(Kind.STR, 1, cipher="ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]")
    assert token(scalar, ("a", "b")) == "37dde7569c0f537908cebe7c73d9216f"
