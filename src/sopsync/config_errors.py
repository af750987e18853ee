"""Validate an input with pydantic, and say what is wrong with it: a line, a hint, and never a value."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sopsync.errors import Problem
from sopsync.yamlpos import quoted

Loc = tuple[str | int, ...]
Where = Callable[[Loc], str]
"""Location in a document → `path:line`."""

_KINDS = {
    "string": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list",
    "dict": "a map",
    "model": "a map",
    "model_attributes": "a map",
}
_FORMS = {
    "accept_history": ("not a full commit id", "40 (or 64) hex digits, as the message about the fence prints them"),
    "allow_hosts": ("not a host", "host or host:port, without https:// and path"),
    "rotate_after": ("not a time", "days, weeks, months or years: 90d, 2w, 6m, 1y"),
    "where": ("not one path segment", "a capture never holds a /"),
    "stores": ("not a name for a store", "letters, digits, dot, _ and -, at most 64, starting with a letter or digit"),
    "separator": ("not a separator", "one to eight printable characters"),
}


M = TypeVar("M", bound=BaseModel)
_ROUNDS = 8


def validate(
    model: type[M], document: Any, where: Where, found: list[Problem], *, else_: Mapping[str, object] | None = None
) -> tuple[M | None, Where]:
    """The document as a `model`, and where its parts are. What does not fit is added to `found` and cut out of
    `document`, so that the rest can be looked at in the same run; None if nothing useful is left.

    `else_`: what to go on with where a required option of the outermost map does not fit.
    """
    kept: dict[Loc, list[int]] = {}

    def original(loc: Loc) -> Loc:
        """A location in what is left → in what was given: items behind one that was cut out have moved."""
        given: Loc = ()
        for part in loc:
            given = (*given, kept[given][part] if isinstance(part, int) and given in kept else part)
        return given

    for attempt in range(_ROUNDS):
        try:
            return model.model_validate(document), lambda loc: where(original(loc))
        except ValidationError as error:
            if attempt == 0:
                found += problems(error, model, where)
            doomed = {_doomed(document, one["loc"]) for one in error.errors(include_input=False)}
            if () in doomed:
                break
            _cut(document, doomed, kept, original)
            if else_ is not None:
                document = {**else_, **document}
    return None, where


def _doomed(document: Any, loc: Loc) -> Loc:
    """The smallest part of the document without which the error is gone."""
    at: Loc = ()
    for part in loc:
        if isinstance(part, int) if isinstance(document, list) else isinstance(document, dict) and part in document:
            document = document[part]
            at = (*at, part)
    return at


def _cut(document: Any, doomed: Collection[Loc], kept: dict[Loc, list[int]], original: Callable[[Loc], Loc]) -> None:
    """Remove the doomed parts, inner ones and later items first; note which items of a list are still there."""
    lists = {loc[:-1]: original(loc[:-1]) for loc in doomed if isinstance(loc[-1], int)}
    for loc in sorted(doomed, key=lambda one: [(isinstance(part, str), part) for part in one], reverse=True):
        *path, last = loc
        holder = document
        for part in path:
            holder = holder[part]
        if isinstance(last, int):
            del kept.setdefault(lists[loc[:-1]], list(range(len(holder))))[last]
        del holder[last]


def problems(error: ValidationError, model: type[BaseModel], where: Where, prefix: Loc = ()) -> Iterator[Problem]:
    """Every problem of a document that is not a `model`. `prefix`: where in the document the model is."""
    for found in error.errors(include_url=False, include_context=True):
        what, hint = _say(found, model)
        yield Problem(where((*prefix, *found["loc"])), what, hint)


def _say(found: Mapping[str, Any], model: type[BaseModel]) -> tuple[str, str]:
    loc: Loc = found["loc"]
    name, context = _name(loc), found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return unknown("option", str(loc[-1]), _options(model, loc[:-1]))
        case "missing":
            return f"{name} is missing", f"add {loc[-1]}:" if loc else ""
        case "union_tag_not_found":
            return f"{context.get('discriminator', name)} is missing".replace("'", ""), ""
        case "literal_error" | "enum" | "union_tag_invalid":
            allowed = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags") or ""))
            what = f"{name} must be {', '.join(allowed) or context.get('expected', 'something else')}"
            return what, suggest(found.get("input"), allowed)
        case "string_pattern_mismatch":
            form = next((_FORMS[part] for part in reversed(loc) if part in _FORMS), None)
            return (f"{name} is {form[0]}", form[1]) if form else (f"{name} does not have the right form", "")
        case "string_too_short" | "too_short":
            return f"{name} is empty", ""
        case "value_error":
            return f"{name}: {context['error']}" if name else str(context["error"]), ""
        case kind if (base := str(kind).removesuffix("_type")) in _KINDS:
            quote = "write it in quotes" if base == "string" and not isinstance(found["input"], dict | list) else ""
            return f"{name} must be {_KINDS[base]}", quote
        case _:
            # pydantic's own words for bounds and the like: they name the rule, not the input
            return f"{name}: {str(found['msg']).replace('Input should', 'should')}", ""


def _name(loc: Loc) -> str:
    """The innermost option of a location, with the index of an item."""
    parts = [part for part in loc if part != "[key]"]
    names = [part for part in parts if isinstance(part, str)]
    if not names:
        return "it"
    if isinstance(parts[-1], int):
        return f"item {parts[-1] + 1} of {names[-1]}"
    return names[-1] if len(names[-1]) <= 80 else quoted(names[-1])


def unknown(what: str, name: str, known: Collection[str]) -> tuple[str, str]:
    """(message, hint) for a name that is not one of those `known`."""
    listed = f"one of: {', '.join(sorted(known))}" if known else ""
    return f"unknown {what} {quoted(name)}", suggest(name, known) or listed


def suggest(given: object, known: Collection[str]) -> str:
    """`did you mean "x"?`, or nothing. Names what is known, never what was given."""
    if not isinstance(given, str) or len(given) > 100:
        return ""
    close = get_close_matches(given, known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def _options(model: type[BaseModel], loc: Loc) -> list[str]:
    """Names of the options of the models at `loc` below `model`."""
    at = [model]
    for part in loc:
        if any(part in _aliases(one) for one in at):
            hints = [one.model_fields[_aliases(one)[part]].annotation for one in at if part in _aliases(one)]
            at = [found for hint in hints for found in _models(hint)]
    return sorted({str(name) for one in at for name in _aliases(one)})


def _aliases(model: type[BaseModel]) -> dict[str | int, str]:
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _models(hint: object) -> Iterator[type[BaseModel]]:
    """Every model inside a type annotation."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for inner in typing.get_args(hint):
        yield from _models(inner)


def in_order(found: Collection[Problem]) -> list[Problem]:
    """Each problem once, by file and line."""

    def place(problem: Problem) -> tuple[str, int, str]:
        path, _, line = problem.where.rpartition(":")
        return (path, int(line), problem.what) if line.isdecimal() else (problem.where, 0, problem.what)

    return sorted(dict.fromkeys(found), key=place)
