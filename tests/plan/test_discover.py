"""What `init` makes of the files it finds: patterns that cover them all and name every entry apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.discover import Found, common_recipients, render, rules
from sopsync.patterns import parse_pattern


def matched(found: Found, path: str) -> bool:
    """Whether the rule that init writes down takes the file."""
    where = {"env": found.environments} if found.environments else {}
    return parse_pattern(found.pattern, where).match(path) is not None


def names(found: Found) -> list[str]:
    """The entry of each file, by matching the pattern."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(found.pattern))
    made = []
    for path in found.files:
        match = re.fullmatch(pattern, path)
        assert match, f"{found.pattern} does not cover {path}"
        made.append(found.name.format(**match.groupdict()))
    return made


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["services/a/prod.yaml", "services/b/prod.yaml"], [("services/{service}/{env}.yaml", "{env}/{service}")]),
        (["services/api/prod.yaml", "services/api/dev.yaml"], [("services/api/{env}.yaml", "{env}/services/api")]),
        (["secrets.yaml"], [("secrets.yaml", "secrets")]),
        (["x/a.yaml", "x/b.yaml", "y/a.yaml"], [("x/{service}.yaml", "{service}"), ("y/a.yaml", "y/a")]),
        (["x/a/prod.yaml", "y/a/prod.yaml"], [("x/a/{env}.yaml", "{env}/x/a"), ("y/a/{env}.yaml", "{env}/y/a")]),
        (["prod.yaml", "staging.yaml"], [("{env}.yaml", "{env}/secrets")]),
        (["a/b.json", "a/b.yaml"], [("a/b.json", "a/b-json"), ("a/b.yaml", "a/b-yaml")]),
        (["prod/api.yaml", "staging/api.yaml", "prod/web.yaml"], [("{env}/{service}.yaml", "{env}/{service}")]),
    ],
)  # fmt: skip
def test_usual_layouts(paths: list[str], expected: list[tuple[str, str]]) -> None:
    assert [(found.pattern, found.name) for found in rules(paths)] == expected


segment = st.sampled_from(["api", "billing", "web", "prod", "dev", "staging", "x"])
path = st.lists(segment, min_size=1, max_size=4).map("/".join)


@given(st.sets(path, min_size=1, max_size=12))
def test_every_file_is_covered_once_and_named_apart(stems: set[str]) -> None:
    paths = [stem + ".yaml" for stem in stems]
    found = rules(paths)
    assert sorted(p for rule in found for p in rule.files) == sorted(paths)
    assert sorted(path for rule in found for path in paths if matched(rule, path)) == sorted(paths)
    made = [name for rule in found for name in names(rule)]
    assert len(set(made)) == len(made)


def test_environments_beside_what_is_none_are_named() -> None:
    (narrowed, _) = rules(["prod/api.yaml", "prod/web.yaml", "shared/a.yaml"])
    assert (narrowed.pattern, narrowed.environments) == ("{env}/{service}.yaml", ("prod",))
    assert "    where: {env: [prod]}\n" in render("acme", "main", ["age1x"], [narrowed])


def test_a_pattern_takes_no_other_file_along() -> None:
    found = rules(["a.yaml", "b.yaml"], others=["docker-compose.yaml"])
    assert [rule.pattern for rule in found] == ["a.yaml", "b.yaml"]


def test_common_recipients() -> None:
    assert common_recipients({"a": ["age1x", "age1y"], "b": ["age1y"]}) == ("age1y",)
    assert common_recipients({"a": ["age1x"], "b": ["age1y"]}) == ()
    assert common_recipients({}) == ()
