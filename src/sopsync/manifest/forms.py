"""What the entries of one file are made of, by target: one for each key, a map, or one value of many. Still sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sopsync.config_errors import suggest
from sopsync.encode import DOTENV_NAME
from sopsync.errors import Problem
from sopsync.manifest.fields import Field, select, size, unfit
from sopsync.model import Recipe, Traits
from sopsync.rules import Target
from sopsync.sops.tree import Map, Node, Path
from sopsync.yamlpos import quoted


@dataclass(frozen=True, slots=True)
class Source:
    """The secrets of a sealed file: `data` is at `at` of the document; a `binary` file is one value without keys."""

    path: str
    data: Node
    at: Path = ()
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """One entry before it has a name. `key` fills `{key}`; `names` are those of a map; `size` is in bytes, at least."""

    at: Path
    line: int
    fields: tuple[Field, ...]
    recipe: Recipe
    size: int
    key: str = ""
    names: tuple[str, ...] = ()
    ordered: bool = False
    """The order of the fields shows in what is written."""


def forms(source: Source, target: Target, traits: Traits, found: list[Problem]) -> Iterator[Form]:
    """Every entry that `target` makes of `source`. What cannot be made is added to `found`."""
    if source.binary or not isinstance(source.data, Map):
        yield from _binary(source, target, found)
        return
    separator = traits.separator if target.separator is None else target.separator
    keys = select(source.path, source.data, source.at, target, separator)
    found += keys.problems
    if target.template is not None:
        yield from _templated(source, target, keys.fields, found)
    elif target.per_key:
        yield from _singles(source, target, keys.fields, found)
    elif target.encode:
        yield from _encoded(source, target, keys.fields, found)
    else:
        yield from _mapped(source, target, traits, keys.fields, found)


def _binary(source: Source, target: Target, found: list[Problem]) -> Iterator[Form]:
    needs = [
        word
        for word, used in (
            ("{key}", target.per_key),
            ("template", target.template is not None),
            ("keys", bool(target.keys)),
            ("rename", bool(target.rename)),
            (f"encode: {target.encode}", target.encode in ("json", "dotenv")),
        )
        if used
    ]
    if needs:
        what = f"{source.path} is a binary file, which has no keys for {', '.join(needs)}"
        found.append(Problem(target.where, what, "route such files by a rule of their own"))
        return
    whole = Field("", source.at, source.data, 1)
    recipe = Recipe(encode=target.encode, whole=True)
    yield Form(source.at, 1, (whole,), recipe, _grown(size(source.data), target))


def _templated(source: Source, target: Target, fields: Sequence[Field], found: list[Problem]) -> Iterator[Form]:
    """Only the keys that the template names count; whatever else is in the file need not be fit for it."""
    assert target.template is not None  # noqa: S101 - asked for before
    by_name = {one.name: one for one in fields}
    missing = [name for name in target.template.names if name not in by_name]
    for name in missing:
        what = f"template: {source.path} has no key {quoted(name)}"
        found.append(Problem(target.where, what, suggest(name, by_name) or f"it has {_some(by_name)}"))
    used = tuple(one for one in fields if one.name in target.template.names)
    bad = [problem for one in used for problem in unfit(source.path, one, target)]
    found += bad
    if not missing and not bad:
        literal = "".join(part for part in target.template.parts if isinstance(part, str))
        least = len(literal.encode()) + sum(size(one.node) for one in used)
        recipe = Recipe(_paths(used), target.encode, target.template.text)
        yield Form(source.at, source.data.line, used, recipe, _grown(least, target))


def _singles(source: Source, target: Target, fields: Sequence[Field], found: list[Problem]) -> Iterator[Form]:
    for one in fields:
        bad = [] if target.encode == "json" else list(unfit(source.path, one, target))
        found += bad
        if not bad:
            recipe = Recipe((("", one.path),), target.encode)
            yield Form(one.path, one.line, (one,), recipe, _grown(size(one.node), target), key=one.name)


def _encoded(source: Source, target: Target, fields: Sequence[Field], found: list[Problem]) -> Iterator[Form]:
    """One value of all keys, in file order."""
    if target.encode == "base64":
        what = f"encode: base64 is for one value, and {source.path} gives a map"
        found.append(Problem(target.where, what, "{key} in the name makes one entry of each key; or add a template"))
        return
    bad = [] if target.encode == "json" else [p for one in fields for p in _not_dotenv(source, one, target)]
    bad += _none(source, target, fields)
    found += bad
    if not bad:
        recipe = Recipe(_paths(fields), target.encode)
        yield Form(source.at, source.data.line, tuple(fields), recipe, _sum(fields), ordered=True)


def _mapped(
    source: Source, target: Target, traits: Traits, fields: Sequence[Field], found: list[Problem]
) -> Iterator[Form]:
    if not traits.fields:
        what = f"{traits.kind} stores hold one value an entry, and {source.path} gives a map"
        hint = "{key} in the name makes one entry of each key; encode: json makes one value of all"
        found.append(Problem(target.where, what, hint))
        return
    bad = [problem for one in fields for problem in unfit(source.path, one, target)]
    bad += _none(source, target, fields)
    found += bad
    if not bad:
        names = tuple(one.name for one in fields)
        yield Form(source.at, source.data.line, tuple(fields), Recipe(_paths(fields)), _sum(fields), names=names)


def _none(source: Source, target: Target, fields: Sequence[Field]) -> Iterator[Problem]:
    """An entry without a single key is more likely a mistake than meant; and it would replace one that has some."""
    if not fields:
        yield Problem(
            target.where, f"keys: none of the keys of {source.path} is selected", "widen keys, or narrow from"
        )


def _not_dotenv(source: Source, one: Field, target: Target) -> Iterator[Problem]:
    yield from unfit(source.path, one, target)
    if not DOTENV_NAME.fullmatch(one.name):
        hint = f"{target.where}: rename it, or separator: _ for nested keys"
        what = f"{quoted(one.name)} is no name for a variable: letters, digits and _, not starting with a digit"
        yield Problem(f"{source.path}:{one.line}", what, hint)


def _paths(fields: Sequence[Field]) -> tuple[tuple[str, Path], ...]:
    return tuple((one.name, one.path) for one in fields)


def _sum(fields: Sequence[Field]) -> int:
    return sum(len(one.name.encode("utf-8", "surrogatepass")) + size(one.node) for one in fields)


def _grown(least: int, target: Target) -> int:
    """Four characters of base64 for each three bytes begun."""
    return (least + 2) // 3 * 4 if target.encode == "base64" else least


def _some(names: dict[str, Field]) -> str:
    return ", ".join(list(names)[:8]) + (", …" if len(names) > 8 else "") if names else "none"
