"""Path patterns and texts with holes."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.patterns import parse_pattern
from sopsync.templates import NAME_FILTERS, VALUE_FILTERS, parse_template
from tests.manifest.things import examples


@pytest.mark.parametrize(
    ("pattern", "path", "captured"),
    [
        ("services/{service}/{env}.yaml", "services/api/prod.yaml", {"service": "api", "env": "prod"}),
        ("services/{service}/{env}.yaml", "services/a/b/prod.yaml", None),
        ("services/{service}/{env}.yaml", "services//prod.yaml", None),
        ("{service}-{env}.yaml", "my-api-prod.yaml", {"service": "my", "env": "api-prod"}),
        ("*.yaml", "x.yaml", {}),
        ("*.yaml", ".yaml", {}),
        ("*.yaml", "a/x.yaml", None),
        ("a/**", "a/b/c", {}),
        ("a/**", "a", None),
        ("**/x", "x", {}),
        ("**/x", "a/b/x", {}),
        ("**/x", "a/bx", None),
        ("a/**/{x}/z", "a/b/c/z", {"x": "c"}),
        ("a.yaml", "aXyaml", None),
        ("{x}", "two\nlines", {"x": "two\nlines"}),
        ("{x}.y", "a.y\n", None),
        ("{x}.y", "b\udcff.y", {"x": "b\udcff"}),
    ],
)
def test_patterns(pattern: str, path: str, captured: dict[str, str] | None) -> None:
    assert parse_pattern(pattern, {}).match(path) == captured


def test_listed_values_decide_where_a_capture_ends() -> None:
    pattern = parse_pattern("{service}-{env}.yaml", {"env": ["prod", "eu-prod"]})
    assert pattern.match("my-api-prod.yaml") == {"service": "my-api", "env": "prod"}
    assert pattern.match("my-api-eu-prod.yaml") == {"service": "my-api", "env": "eu-prod"}
    assert pattern.match("my-api-test.yaml") is None


def test_of_listed_values_the_longest_that_fits_is_taken() -> None:
    pattern = parse_pattern("{env}-{service}.yaml", {"env": ["prod", "prod-eu"]})
    assert pattern.match("prod-eu-api.yaml") == {"env": "prod-eu", "service": "api"}
    assert pattern.match("prod-eu.yaml") == {"env": "prod", "service": "eu"}


@pytest.mark.parametrize(
    "pattern",
    ["", "/a", "a/", "a//b", "./a", "a/../b", "a?", "[ab]", "a\\b", "{a}{b}", "*{a}", "a**", "{a", "a}", "{}", "{A}",
     "{key}", "{a}/{a}", "**/**/**", "{a}-{b}-{c}-{d}"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_pattern(pattern, {})


def test_a_hostile_path_costs_little() -> None:
    pattern = parse_pattern("**/*a*a*b/**/*a*a*b", {})
    began = time.process_time()
    assert pattern.match("a" * 250 + "/" + "a" * 250) is None
    assert pattern.match("/".join("a" * 1000)) is None
    assert time.process_time() - began < 1


@examples(100)
@given(st.text(alphabet="ab/{}*.", max_size=12), st.text(alphabet="ab/.", max_size=12))
def test_a_pattern_without_wildcards_matches_itself_only(text: str, path: str) -> None:
    try:
        pattern = parse_pattern(text, {})
    except ValueError:
        return
    found = pattern.match(path)
    if not set(text) & set("{}*"):
        assert (found is not None) == (text == path)
    if found is not None and "**" not in text:
        assert path.count("/") == text.count("/")
        assert all("/" not in value for value in found.values())


@pytest.mark.parametrize(
    ("name", "kebab", "snake"),
    [
        ("DB_Password", "db-password", "db_password"),
        ("stripeKey", "stripe-key", "stripe_key"),
        ("HTTPServer", "http-server", "http_server"),
        ("a.b c", "a-b-c", "a_b_c"),
        ("db/userName", "db/user-name", "db/user_name"),
        ("v2Key", "v2-key", "v2_key"),
        ("plain", "plain", "plain"),
    ],
)
def test_filters_of_names(name: str, kebab: str, snake: str) -> None:
    assert parse_template("{k|kebab}").fill({"k": name}) == kebab
    assert parse_template("{k|snake}").fill({"k": name}) == snake
    assert parse_template("{k|snake|upper}").fill({"k": name}) == snake.upper()


def test_braces_escape_and_values_are_only_text() -> None:
    made = parse_template("{{{a}}}-{b}")
    assert made.names == ("a", "b")
    assert made.fill({"a": "{b}", "b": "x"}) == "{{b}}-x"


@pytest.mark.parametrize("text", ["{", "}", "{a", "a}", "{}", "{|upper}", "{a|nope}", "{a}}", "{{a}", "{a{b}}"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_template(text)


def test_filters_of_values() -> None:
    made = parse_template("{p|urlencode} {p|base64} {p|json}", VALUE_FILTERS)
    assert made.fill({"p": 'ä/"@'}, VALUE_FILTERS) == '%C3%A4%2F%22%40 w6QvIkA= "ä/\\"@"'


@examples(100)
@given(st.dictionaries(st.sampled_from("abc"), st.text(min_size=1), min_size=3), st.sampled_from(sorted(NAME_FILTERS)))
def test_the_pattern_of_a_template_matches_what_it_fills(values: dict[str, str], name: str) -> None:
    made = parse_template("x{a|" + name + "}/{b}-{{{c}")
    text = made.fill(values)
    assert made.pattern(values, "nothing").fullmatch(text)
    assert made.pattern({"a": values["a"]}, "(?:.+)").fullmatch(text)
    assert made.pattern({}, ".*").fullmatch(text)
    assert not re.fullmatch(made.pattern(values, ""), text + "x")
