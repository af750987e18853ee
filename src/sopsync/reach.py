"""Which entries the config may ever give a store, whatever files are yet to come: what its policy must allow.

Captures that `where` lists are told apart; other captures, and keys, stay open. Pure.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod

from sopsync.config import Config
from sopsync.grants import Glob, Route, Wild, few
from sopsync.rules import KEY, Rule, Target
from sopsync.templates import Hole, Template

Captures = Mapping[str, str]


def routes(config: Config, self_routed: Iterable[tuple[Captures, Target]]) -> dict[str, tuple[Route, ...]]:
    """Store → what may be written there. `self_routed`: targets of manifests that route themselves, with the captures
    of their rule; of such manifests those are covered that there are."""
    found: dict[str, dict[Route, None]] = {name: {} for name in config.stores}
    wanted = [(captures, target) for rule in config.rules for captures, target in _known(rule, config)]
    for captures, target in itertools.chain(wanted, self_routed):
        for store, bound in _stores(target.store, captures, config):
            found[store][_route(target, bound, config)] = None
    return {name: tuple(each) for name, each in found.items()}


def _known(rule: Rule, config: Config) -> Iterator[tuple[Captures, Target]]:
    """Each target of a rule with every combination of listed captures that it, or the owner, asks for: the store's
    first, then as many others as are worth telling apart."""
    owners = (config.owner, *config.previous_owners)
    for target in rule.targets or ():
        texts = (target.store, target.name, *owners, *target.options.values())
        asked = dict.fromkeys(name for text in texts for name in text.names)
        listed = {name: rule.pattern.listed[name] for name in asked if name in rule.pattern.listed}
        told: dict[str, list[str]] = {}
        for name, values in listed.items():
            if name in target.store.names or few(prod(map(len, told.values())) * len(values)):
                told[name] = list(values)
        for values in itertools.product(*told.values()):
            yield dict(zip(told, values, strict=True)), target


def _stores(template: Template, captures: Captures, config: Config) -> Iterator[tuple[str, Captures]]:
    """Every store that a target may mean, and what its name says of a capture that is not known."""
    rest = template.partly(captures)
    open_ = [part for part in rest if isinstance(part, Hole)]
    form = re.compile("".join(re.escape(part) if isinstance(part, str) else "([^/]+)" for part in rest))
    for store in config.stores:
        if (match := form.fullmatch(store)) is None:
            continue
        told = len(open_) == 1 and not open_[0].filters
        yield store, {**captures, open_[0].name: match[1]} if told else captures


def _route(target: Target, captures: Captures, config: Config) -> Route:
    owners = (config.owner, *config.previous_owners)
    known = all(set(owner.names) <= captures.keys() for owner in owners)
    return Route(
        name=_glob(target.name, captures),
        owners=frozenset(owner.fill(captures) for owner in owners) if known else None,
        prune=target.prune,
        options=tuple(sorted((name, _glob(text, captures)) for name, text in target.options.items())),
    )


def _glob(template: Template, captures: Captures) -> Glob:
    def part(one: str | Hole) -> str | Wild:
        if isinstance(one, str):
            return one
        return Wild.ANY if one.name == KEY else Wild.SEGMENT

    return tuple(map(part, template.partly(captures)))
