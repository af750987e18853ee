"""Whatever file is added later, the policies of today cover what the config makes of it; and little else."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.config import Config, load_config, owners_of
from sopsync.grants import Glob, Role, Wild, distinct
from sopsync.reach import routes

_SEGMENT = st.text("ab-_.", min_size=1, max_size=5).filter(lambda text: text not in (".", ".."))
_NAMES = (
    "{key}",
    "/{env}/{service}/{key}",
    "{env|upper}-{service|kebab}/{key}",
    "x/{service}",
    "all/{env}/{key|lower}/end",
    "fixed",
)


def config(name: str = "{key}", *, store: str = "s", owner: str = "acme", where: str = "", more: str = "") -> Config:
    text = f"""\
version: 1
owner: '{owner}'
stores:
  s: {{type: vault, mount: a}}
  prod: {{type: vault, mount: b}}
  test: {{type: vault, mount: c}}
sync:
  - from: '{{service}}/{{env}}.yaml'
    where: {{{where}}}
    to: [{{store: '{store}', name: '{name}', prune: true{more}}}]
"""
    return load_config(text.encode(), "sopsync.yaml")


def form(glob: Glob) -> str:
    wild = {Wild.SEGMENT: "[^/]+", Wild.ANY: ".+"}
    return "".join(re.escape(part) if isinstance(part, str) else wild[part] for part in glob)


@pytest.mark.parametrize("listed", [{}, {"env": ["prod", "test"]}, {"env": ["prod"], "service": ["a", "b"]}])
@pytest.mark.parametrize("store", ["s", "{env}"])
@pytest.mark.parametrize("owner", ["acme", "acme/{env}", "{service}"])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), name=st.sampled_from(_NAMES), key=_SEGMENT)
def test_every_entry_has_a_route(
    *, data: st.DataObject, name: str, listed: dict[str, list[str]], store: str, owner: str, key: str
) -> None:
    where = ", ".join(f"{capture}: [{', '.join(values)}]" for capture, values in listed.items())
    made = config(name, store=store, owner=owner, where=where)
    (rule,) = made.rules
    known = {"service": _SEGMENT, "env": st.sampled_from(["prod", "test"]) | _SEGMENT}
    known |= {capture: st.sampled_from(values) for capture, values in listed.items()}
    captures = rule.pattern.match(f"{data.draw(known['service'])}/{data.draw(known['env'])}.yaml")
    assert captures is not None
    found = routes(made, [])
    for target in rule.targets or ():
        into, entry = target.store.fill(captures), target.name.fill({**captures, "key": key})
        owners = owners_of(made, captures)
        assert into not in made.stores or any(
            re.fullmatch(form(route.name), entry) and (route.owners is None or owners <= route.owners)
            for route in found[into]
        )


def names(made: Config, store: str = "s") -> set[str]:
    spelt = {Wild.SEGMENT: "+", Wild.ANY: "*"}
    found = routes(made, [])[store]
    return {"".join(part if isinstance(part, str) else spelt[part] for part in route.name) for route in found}


def test_listed_captures_are_told_apart() -> None:
    made = config("/{env}/{service}/{key}", where="env: [prod, test]")
    assert names(made) == {"/prod/+/*", "/test/+/*"}


def test_filters_are_those_of_the_name() -> None:
    assert names(config("{env|upper}/{key}", where="env: [prod]")) == {"PROD/*"}


def test_a_store_tells_the_capture_in_its_name() -> None:
    """`{env}` is free, but what goes to the store `prod` is of that environment."""
    made = config("{env}/{key}", store="{env}", owner="acme/{env}")
    assert (names(made, "prod"), names(made, "test")) == ({"prod/*"}, {"test/*"})
    assert [route.owners for route in routes(made, [])["prod"]] == [frozenset({"acme/prod"})]


def test_a_store_that_nothing_goes_to_has_no_route() -> None:
    assert routes(config(store="prod"), [])["s"] == ()


def test_an_owner_that_depends_on_files_is_open() -> None:
    (route,) = routes(config(owner="acme/{service}"), [])["s"]
    assert route.owners is None


def test_too_many_forms_are_one() -> None:
    many = ", ".join(f"v{i}" for i in range(40))
    assert names(config("{env}/{service}/{key}", where=f"env: [{many}], service: [a, b]")) == {"+/a/*", "+/b/*"}


def test_roles_hold_those_before_them() -> None:
    for one, other in product(Role, Role):
        assert one.covers(other) == (list(Role).index(other) <= list(Role).index(one))


@settings(deadline=None)
@given(st.lists(st.text("ab/*", max_size=6)))
def test_distinct_covers_all_and_says_nothing_twice(globs: list[str]) -> None:
    kept = distinct(globs)
    for glob in (re.sub(r"\*+", "*", glob) for glob in globs):
        assert any(glob == one or (one.endswith("*") and glob.startswith(one[:-1])) for one in kept)
    for one, other in product(kept, kept):
        assert one == other or not (one.endswith("*") and other.startswith(one[:-1]))
