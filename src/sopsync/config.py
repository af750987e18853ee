"""The config file: read from the commit as bytes, checked as a whole, compiled into rules. Every problem in one run."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pydantic import ValidationError

from sopsync import digest, yamlpos
from sopsync.config_errors import Loc, Where, in_order, problems, unknown, validate
from sopsync.config_model import ConfigModel, RuleModel, ThresholdModel
from sopsync.config_schema import json_schemas
from sopsync.errors import ConfigError, Problem
from sopsync.guard import Threshold, Thresholds
from sopsync.model import Ref, Traits
from sopsync.patterns import Pattern, parse_pattern
from sopsync.rules import Captures, Compiler, Rule, Target
from sopsync.stamp import OWNER, Origin
from sopsync.stores.kinds import KINDS, Kind
from sopsync.templates import Template
from sopsync.yamlpos import line_at, quoted

__all__ = ["Config", "json_schemas", "load_config", "owner_pattern", "target_for"]

MANIFEST_NAME = "name"
"""In a manifest that routes itself, `{name}` is its `metadata.name`."""


class Settings(Protocol):
    """What every kind of store has in its settings."""

    @property
    def type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Config:
    """A config file that was found right."""

    path: str
    digest: str
    """32 hex digits over its meaning: formatting, comments and the order of options play no part."""
    owner: Template
    previous_owners: tuple[Template, ...]
    branch: str
    stores: Mapping[str, Settings]
    traits: Mapping[str, Traits]
    rules: tuple[Rule, ...]
    thresholds: Thresholds
    allow_hosts: frozenset[str]
    accept_history: frozenset[str]


def load_config(data: bytes, path: str, kinds: Mapping[str, Kind] = KINDS) -> Config:
    """The config in `data`, which is at `path` of a commit. ConfigError holds all of its problems.

    1. Parse, and validate against the models. What does not fit is reported, cut away, and the rest is looked at on.
    2. Validate the settings of each store against its kind.
    3. Compile the rules.
    """
    root = yamlpos.parse(data, path)

    def where(loc: Loc) -> str:
        return f"{path}:{line_at(root, loc)}"

    found: list[Problem] = []
    document = yamlpos.plain(root)
    if not isinstance(document, dict):
        raise ConfigError("must be a map", where=where(()), hint="start it with version: 1")
    stores_named = tuple(names) if isinstance(names := document.get("stores"), dict) else ()
    model, at = validate(ConfigModel, document, where, found, else_={"version": 1, "owner": "-"})  # 1
    if model is None:
        raise ConfigError.of(in_order(found))
    stores = {name: _settings(name, raw, kinds, at, found) for name, raw in model.stores.items()}  # 2
    traits: dict[str, Traits | None] = dict.fromkeys(stores_named)
    traits |= {
        name: kinds[settings.type].traits_of(settings) for name, settings in stores.items() if settings is not None
    }
    compiler = Compiler(traits, at, found)  # 3
    owners = [compiler.template(model.owner, None, ("owner",))]
    owners += [compiler.template(text, None, ("previous_owners", i)) for i, text in enumerate(model.previous_owners)]
    found += _misfit_owners(owners, at)
    found += _overlapping(stores, kinds, at)
    rules = tuple(_rule(rule, ("sync", i), owners, compiler) for i, rule in enumerate(model.sync))
    if found:
        raise ConfigError.of(in_order(found))
    return Config(
        path=path,
        digest=_digest(model, stores),
        owner=owners[0],
        previous_owners=tuple(owners[1:]),
        branch=model.branch,
        stores=cast("Mapping[str, Settings]", stores),
        traits=cast("Mapping[str, Traits]", traits),
        rules=rules,
        thresholds=Thresholds(_threshold(model.thresholds.updates), _threshold(model.thresholds.deletes)),
        allow_hosts=frozenset(model.allow_hosts),
        accept_history=frozenset(model.accept_history),
    )


def _settings(
    name: str, raw: Mapping[str, Any], kinds: Mapping[str, Kind], where: Where, found: list[Problem]
) -> Settings | None:
    """The settings of one store, or None and why not."""
    loc = ("stores", name)
    kind = raw.get("type")
    if "type" not in raw:
        found.append(Problem(where(loc), "type is missing", f"one of: {', '.join(kinds)}"))
    elif not isinstance(kind, str) or kind not in kinds:
        what, hint = unknown("type", kind if isinstance(kind, str) else "", kinds)
        found.append(Problem(where((*loc, "type")), what, hint))
    else:
        try:
            return cast("Settings", kinds[kind].settings.model_validate(raw))
        except ValidationError as error:
            found += problems(error, kinds[kind].settings, where, loc)
    return None


def _overlapping(stores: Mapping[str, Settings | None], kinds: Mapping[str, Kind], where: Where) -> Iterator[Problem]:
    """Two stores that are one place, or one within the other: they would undo each other's work."""
    places = {name: [(s.type, *place) for place in kinds[s.type].places(s)] for name, s in stores.items() if s}
    for one, other in itertools.combinations(places, 2):
        pairs = itertools.product(places[one], places[other])
        if any(
            len(shorter := min(pair, key=len)) > 1 and all(p[: len(shorter)] == shorter for p in pair) for pair in pairs
        ):
            what = f"stores {quoted(one)} and {quoted(other)} are the same place, or one is within the other"
            yield Problem(where(("stores", other)), what, "give each a path, paths or prefix of its own, or merge them")


def _rule(model: RuleModel, loc: Loc, owners: list[Template], compiler: Compiler) -> Rule:
    pattern: Pattern | None = None
    captures: Captures | None = None
    try:
        pattern = parse_pattern(model.from_, model.where)
        captures = {name: model.where.get(name) for name in pattern.captures}
    except ValueError as error:
        compiler.problems.append(Problem(compiler.where((*loc, "from")), f"from: {error}"))
    if captures is not None:
        compiler.problems.extend(_misfit_captures(model, captures, loc, owners, compiler.where))
    if model.to is None and MANIFEST_NAME in (captures or ()) and not compiler.problems:
        # with other problems about, a to: may have been cut out
        what = "{name} cannot be captured without to: in a SecretManifest it is metadata.name"
        compiler.problems.append(Problem(compiler.where((*loc, "from")), what, "call the capture something else"))
    targets = None
    if model.to is not None:
        targets = tuple(compiler.target(one, captures, (*loc, "to", i)) for i, one in enumerate(model.to))
    recipients = None if model.recipients is None else frozenset(model.recipients)
    return Rule(compiler.where(loc), pattern or _NOTHING, recipients, targets)


_NOTHING = Pattern("", re.compile(r"(?!)"), ())


def _misfit_captures(
    model: RuleModel, captures: Captures, loc: Loc, owners: list[Template], where: Where
) -> Iterator[Problem]:
    for name in model.where:
        if name not in captures:
            yield Problem(where((*loc, "where", name)), *unknown("capture", name, captures))
    for owner in owners:
        for name in owner.names:
            if name not in captures:
                what = f"owner {quoted(owner.text)} asks for {{{name}}}, which this pattern does not capture"
                hint = f"write {{{name}}} where the path says it; where: limits it to one value if need be"
                yield Problem(where((*loc, "from")), what, hint)


_OWNER_HINT = "letters, digits and _.:/@+-, at most 64 characters in all"


def _misfit_owners(owners: list[Template], where: Where) -> Iterator[Problem]:
    """Owners are part of a stamp, and a stamp must be legal in every store."""
    for i, owner in enumerate(owners):
        loc: Loc = ("previous_owners", i - 1) if i else ("owner",)
        clear = "".join(part for part in owner.parts if isinstance(part, str))
        if clear and not OWNER.fullmatch(clear):
            yield Problem(where(loc), f"{quoted(owner.text)} cannot be an owner", _OWNER_HINT)


def _threshold(model: ThresholdModel) -> Threshold:
    return Threshold(model.share, model.least)


def _digest(model: ConfigModel, stores: Mapping[str, Any]) -> str:
    """Over everything said or left at its default, whatever it looks like in the file."""
    meaning = model.model_dump(mode="json", by_alias=True)
    meaning["stores"] = {name: settings.model_dump(mode="json") for name, settings in stores.items()}
    return digest.digest("config", json.dumps(meaning, sort_keys=True))


def owner_pattern(config: Config) -> re.Pattern[str]:
    """What every owner looks like that this config gives, or gave: entries of files that are all gone have one."""
    # a capture never holds a slash
    forms = [owner.pattern({}, "[A-Za-z0-9_.:@+-]+").pattern for owner in (config.owner, *config.previous_owners)]
    return re.compile("|".join(forms))


def target_for(config: Config, origin: Origin, ref: Ref, owner: str) -> Target | None:
    """The target that gave `owner` the entry `ref` for what was at `origin`; None if none would today.

    If several would, one that does not prune. Only rules with targets count: what a file said about itself is known to
    whoever read it.
    """
    found: Target | None = None
    for rule in config.rules:
        captures = rule.pattern.match(origin.path)
        if captures is None or owner not in owners_of(config, captures):
            continue
        for target in rule.targets or ():
            if target.gives(ref, origin, captures, config.traits) and (found is None or not target.prune):
                found = target
    return found


def owners_of(config: Config, captures: Mapping[str, str]) -> frozenset[str]:
    """Who manages, or managed, the entries of a file with these captures."""
    forms = (config.owner, *config.previous_owners)
    return frozenset(form.fill(captures) for form in forms if set(form.names) <= captures.keys())
