"""From an opened document to a payload: every value arrives as it was, or is refused without a word of it."""

from __future__ import annotations

import json
import math
import subprocess
from base64 import b64decode
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sopsync.encode import build
from sopsync.errors import DecryptError, Reason
from sopsync.model import Payload, Recipe
from sopsync.sops import Document
from sopsync.sops.metadata import Metadata
from sopsync.sops.tree import Kind, List, Map, Node, Scalar
from tests.manifest.things import examples

_KINDS = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.STR, bytes: Kind.BYTES, type(None): Kind.NULL}


def tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Map(tuple((key, 1, tree(child)) for key, child in value.items()))
    if isinstance(value, list):
        return List(tuple(map(tree, value)))
    return Scalar(_KINDS[type(value)], 1, value)


def opened(data: dict[str, Any]) -> Document:
    root = tree(data)
    assert isinstance(root, Map)
    return Document((root,), Metadata((), "", ""))


def single(recipe: Recipe, data: dict[str, Any]) -> bytes:
    payload = build(recipe, opened(data))
    assert payload.fields is None
    assert payload.value is not None
    return payload.value.reveal()


def fields(payload: Payload) -> dict[str, bytes]:
    assert payload.fields is not None
    return {name: secret.reveal() for name, secret in payload.fields.items()}


def of_all(data: dict[str, Any], encode: str) -> bytes:
    return single(Recipe(tuple((key, (key,)) for key in data), encode), data)


def test_a_map_keeps_names_and_texts() -> None:
    data = {"a": {"b": "canary-1"}, "n": 7, "f": 3.0, "t": True, "e": "", "raw": b"\xff\x00"}
    recipe = Recipe((("a/b", ("a", "b")), *((key, (key,)) for key in ("n", "f", "t", "e", "raw"))))
    assert fields(build(recipe, opened(data))) == {
        "a/b": b"canary-1", "n": b"7", "f": b"3", "t": b"true", "e": b"", "raw": b"\xff\x00",
    }  # fmt: skip


def test_one_field_without_a_name_is_a_single_value() -> None:
    recipe = Recipe((("", ("a", "b")),))
    assert single(recipe, {"a": {"b": "canary-é"}}) == "canary-é".encode()
    assert single(Recipe(recipe.fields, "base64"), {"a": {"b": b"\xff"}}) == b"/w=="


def test_binary_files_are_their_bytes() -> None:
    data = {"data": "canary-bytes"}
    assert single(Recipe(whole=True), data) == b"canary-bytes"
    assert b64decode(single(Recipe(encode="base64", whole=True), data)) == b"canary-bytes"


_FLAT = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text())
_JSON: st.SearchStrategy[Any] = st.recursive(
    _FLAT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@examples(100)
@given(st.dictionaries(st.text(min_size=1, max_size=3), _JSON, min_size=1, max_size=3))
def test_json_reads_back_as_it_was_in_its_order_compact_and_not_escaped(data: dict[str, Any]) -> None:
    text = of_all(data, "json")
    assert json.loads(text, parse_int=float) == data
    assert list(json.loads(text)) == list(data)
    each = [single(Recipe((("", (key,)),), "json"), data) for key in data]
    names = [json.dumps(key, ensure_ascii=False).encode() for key in data]
    assert text == b"{" + b",".join(name + b":" + value for name, value in zip(names, each, strict=True)) + b"}"


def test_json_is_compact_and_says_no_more_in_escapes_than_it_must() -> None:
    assert of_all({"é": ["a", {"b": None}], "c": {}}, "json").decode() == '{"é":["a",{"b":null}],"c":{}}'


def test_json_spells_numbers_as_sops_does() -> None:
    data = {"a": 3.0, "b": 1e21, "c": 1e-7, "d": -0.0, "e": 9007199254740993, "f": 0.1, "g": "é\u2028<"}
    assert (
        of_all(data, "json").decode() == '{"a":3,"b":1e+21,"c":1e-7,"d":-0,"e":9007199254740993,"f":0.1,"g":"é\u2028<"}'
    )


def test_deep_trees_need_no_stack() -> None:
    node: Node = Scalar(Kind.STR, 1, "canary-deep")
    for _ in range(1500):
        node = List((Map((("k", 1, node),)),))
    document = Document((Map((("a", 1, node),)),), Metadata((), "", ""))
    payload = build(Recipe((("a", ("a",)),), "json"), document)
    assert payload.value is not None
    assert payload.value.reveal().count(b"[") == 1500


_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True).map(lambda name: f"X{name}")
_VALUES = st.text(st.sampled_from("ab \t\n'\"$\\`!#=;&|<>(){}*?~[]%,:é\0\r"), max_size=8) | st.text(max_size=8)


@examples(25)
@given(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=20))
def test_a_shell_reads_dotenv_back_as_it_was(data: dict[str, str]) -> None:
    """Values that are refused are left out; everything that is written must arrive, and nothing else may happen."""
    kept: dict[str, str] = {}
    for name, value in data.items():
        try:
            of_all({name: value}, "dotenv")
        except DecryptError as error:
            assert error.reason is Reason.UNREPRESENTABLE  # noqa: PT017 - most values are not refused
        else:
            kept[name] = value
    assume(kept)
    text = of_all(kept, "dotenv")
    script = "set -a; . /dev/stdin; exec /usr/bin/env -0"
    done = subprocess.run(["/bin/sh", "-c", script], input=text, capture_output=True, env={}, check=True)
    assert not done.stderr
    got = dict(item.split("=", 1) for item in done.stdout.decode().split("\0") if item.startswith("X"))
    assert got == kept


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain-1.2/x:y@z%+,=", "K=plain-1.2/x:y@z%+,=\n"),
        ("", "K=\n"),
        ("two words", "K='two words'\n"),
        ("a\nb", "K='a\nb'\n"),
        ('say "hi" $HOME `x` \\n', "K='say \"hi\" $HOME `x` \\n'\n"),
        ("it's", 'K="it\'s"\n'),
        ("-----BEGIN X-----\nabc+/=\n-----END X-----\n", "K='-----BEGIN X-----\nabc+/=\n-----END X-----\n'\n"),
    ],
)
def test_how_dotenv_is_quoted(value: str, line: str) -> None:
    assert of_all({"K": value}, "dotenv").decode() == line


@pytest.mark.parametrize("value", ["it's $5", "'\n'", "${HOME}", "a\\\\b", "ends in \\", "a\r\nb", "nul\0", "bell\a"])
def test_what_readers_of_dotenv_disagree_about_is_refused(value: str) -> None:
    with pytest.raises(DecryptError) as caught:
        of_all({"K": value}, "dotenv")
    assert caught.value.reason is Reason.UNREPRESENTABLE
    assert value not in str(caught.value)


@examples(100)
@given(st.text(min_size=1), st.text())
def test_templates_fill_in_values_as_they_are_or_filtered(user: str, password: str) -> None:
    recipe = Recipe((("user", ("u",)), ("db/password", ("p",))), "", "{{x}}{user}|{db/password|urlencode}")
    text = single(recipe, {"u": user, "p": password}).decode()
    assert text.startswith("{x}" + user + "|")
    assert unquote(text.removeprefix("{x}" + user + "|"), errors="strict") == password


def test_a_template_may_be_encoded() -> None:
    recipe = Recipe((("u", ("u",)), ("p", ("p",))), "base64", "{u}:{p}")
    assert b64decode(single(recipe, {"u": "canary-u", "p": 7})) == b"canary-u:7"


SURROGATE = "canary-\ud800"


@pytest.mark.parametrize(
    ("recipe", "data"),
    [
        (Recipe((("a", ("a",)),), "json"), {"a": math.inf}),
        (Recipe((("a", ("a",)),), "json"), {"a": {"b": [math.nan]}}),
        (Recipe((("a", ("a",)),), "json"), {"a": b"canary-\xff"}),
        (Recipe((("a", ("a",)),), "json"), {"a": SURROGATE}),
        (Recipe((("a", ("a",)),), "json"), {"a": {"\ud800": "canary-1"}}),
        (Recipe((("a", ("a",)),), "dotenv"), {"a": SURROGATE}),
        (Recipe((("a", ("a",)),), "dotenv"), {"a": b"canary-\xff"}),
        (Recipe((("a", ("a",)),)), {"a": SURROGATE}),
        (Recipe((("a", ("a",)),)), {"a": ["canary-1"]}),
        (Recipe((("a", ("a",)),)), {"a": None}),
        (Recipe((("a", ("a", "b")),)), {"a": "canary-1"}),
        (Recipe((("", ("a",)),)), {}),
        (Recipe((("a", ("a",)),), "", "{a}"), {"a": b"canary-\xff"}),
        (Recipe((("a", ("a",)),), "", "{a|base64}"), {"a": SURROGATE}),
        (Recipe(whole=True), {"a": "canary-1"}),
    ],
)
def test_what_cannot_be_written_is_refused_naming_the_key_only(recipe: Recipe, data: dict[str, Any]) -> None:
    with pytest.raises(DecryptError) as caught:
        build(recipe, opened(data))
    assert caught.value.reason is Reason.UNREPRESENTABLE
    assert caught.value.problems[0].hint
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "canary" not in str(caught.value)
