"""Rules and their targets, compiled: which files, to which store, under which name, in which form."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sopsync.config_errors import Loc, Where, unknown
from sopsync.config_model import TargetModel
from sopsync.errors import Problem
from sopsync.model import Drift, Lifecycle, Ref, Traits
from sopsync.patterns import Pattern
from sopsync.stamp import Origin
from sopsync.templates import NAME_FILTERS, VALUE_FILTERS, Template, parse_template
from sopsync.yamlpos import quoted

KEY = "key"
"""The hole in a name that makes one entry of each key."""
_TAG = re.compile(r"(?!sopsync|aws:)[A-Za-z0-9_.:/=+@ -]{1,128}", re.IGNORECASE)
_MOST_TAGS = 32
"""The least any store with tags takes is 50; some are ours."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the secrets of a file go, and how."""

    where: str
    """`path:line`, for hints."""
    store: Template
    name: Template
    keys: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    encode: str = ""
    template: Template | None = None
    separator: str | None = None
    adopt: bool = False
    prune: bool = False
    lifecycle: Lifecycle = Lifecycle.SYNC
    on_drift: Drift = Drift.REPORT
    tags: Mapping[str, Template] = field(default_factory=dict)
    options: Mapping[str, Template] = field(default_factory=dict)

    @property
    def per_key(self) -> bool:
        """One entry for each key, rather than one for the file."""
        return KEY in self.name.names

    def gives(self, ref: Ref, origin: Origin, captures: Mapping[str, str], stores: Mapping[str, Traits]) -> bool:
        """Whether this target made the entry of what was at `origin` in a file with these captures: the same name, of
        that very key; of all keys only where one entry holds them all."""
        if self.store.fill(captures) != ref.store or ref.store not in stores:
            return False
        traits = stores[ref.store]
        keys = [part.replace("~1", "/").replace("~0", "~") for part in origin.pointer.split("/")[1:]]
        within = keys[1:] if keys[:1] == ["data"] else keys  # a manifest that routes itself keeps its keys there
        if not self.per_key:
            return not within and _alike(self.name.fill({**captures, KEY: ""}), ref.name, traits)
        separator = traits.separator if self.separator is None else self.separator
        joined = [separator.join(path) for path in (keys, within) if path]
        names = [self.name.fill({**captures, KEY: self.rename.get(key, key)}) for key in joined]
        return any(_alike(name, ref.name, traits) for name in names)


def _alike(name: str, other: str, traits: Traits) -> bool:
    return name.casefold() == other.casefold() if traits.folds_case else name == other


@dataclass(frozen=True, slots=True)
class Rule:
    """Files and their targets; `targets` None: the files route themselves."""

    where: str
    pattern: Pattern
    recipients: frozenset[str] | None
    targets: tuple[Target, ...] | None


Captures = Mapping[str, Sequence[str] | None]
"""What a rule captures, and the values it may have where they are listed."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """Turns validated models into targets; what cannot be turned becomes a problem.

    `captures` None: the pattern is broken, so nothing can be said of captures. A store whose kind is not known has no
    traits, and nothing can be said of its options.
    """

    stores: Mapping[str, Traits | None]
    where: Where
    problems: list[Problem]

    def target(self, model: TargetModel, captures: Captures | None, loc: Loc) -> Target:
        """The target at `loc`; not fit for use if problems were found."""
        of_file = None if captures is None else list(captures)
        name = self.template(model.name, None if of_file is None else [*of_file, KEY], (*loc, "name"))
        store = self.template(model.store, of_file, (*loc, "store"))
        target = Target(
            where=self.where(loc),
            store=store,
            name=name,
            keys=tuple(model.keys),
            rename=dict(model.rename),
            encode=model.encode or "",
            template=self._payload_template(model, (*loc, "template")),
            separator=model.separator,
            adopt=model.adopt,
            prune=model.prune,
            lifecycle=Lifecycle(model.lifecycle),
            on_drift=Drift(model.on_drift),
            tags={k: self.template(v, of_file, (*loc, "tags", k)) for k, v in model.tags.items()},
            options=self._options(model, of_file, loc),
        )
        self._check_form(target, loc)
        self._check_tags(target, loc)
        names = list(dict.fromkeys(_candidates(target.store, captures or {}, self.stores)))
        self._check_store(target, names, loc)
        self._check_options(target, names, loc)
        return target

    def template(self, text: str, known: Collection[str] | None, loc: Loc) -> Template:
        """A template whose holes are all `known` (None: whatever they are)."""
        try:
            made = parse_template(text)
        except ValueError as error:
            self._add(loc, f"{loc[-1]}: {error}")
            return Template("", ())
        for name in made.names:
            if known is not None and name not in known:
                self._add(loc, *unknown("capture", name, known))
        return made

    def _payload_template(self, model: TargetModel, loc: Loc) -> Template | None:
        """Its holes are keys of the files, so which there are is known later."""
        if model.template is None:
            return None
        try:
            return parse_template(model.template, VALUE_FILTERS)
        except ValueError as error:
            self._add(loc, f"template: {error}")
            return None

    def _options(self, model: TargetModel, known: Collection[str] | None, loc: Loc) -> Mapping[str, Template]:
        """The store's own options: texts, or numbers and truths that are written as such."""
        made: dict[str, Template] = {}
        for name, value in (model.__pydantic_extra__ or {}).items():
            if isinstance(value, bool):
                made[name] = Template(str(value).lower(), (str(value).lower(),))
            elif isinstance(value, str | int | float) and value != "":
                made[name] = self.template(str(value), known, (*loc, name))
            else:
                # a problem either way, which _check_options words better if the option is unknown
                made[name] = Template("", ())
        return made

    def _check_form(self, target: Target, loc: Loc) -> None:
        if target.template is not None and target.encode in ("json", "dotenv"):
            hint = "leave encode out; encode: base64 may follow a template"
            self._add(
                (*loc, "encode"), f"template makes one value already, so there is nothing for {target.encode}", hint
            )
        if target.template is not None and not target.template.names and target.template.parts:
            self._add((*loc, "template"), "template names no key", "write a key in braces: {password}")
        one = "template" if target.template is not None else "encode: dotenv" if target.encode == "dotenv" else ""
        if one and target.per_key:
            self._add((*loc, "name"), f"{one} makes one value of all keys, and {{key}} one entry of each", "drop one")

    def _check_tags(self, target: Target, loc: Loc) -> None:
        if len(target.tags) > _MOST_TAGS:
            self._add((*loc, "tags"), f"more than {_MOST_TAGS} tags")
        for name in target.tags:
            if not _TAG.fullmatch(name):
                hint = "letters, digits, space and _.:/=+@-, at most 128, not starting with sopsync or aws:"
                self._add((*loc, "tags", name), f"{quoted(name)} is not a name for a tag", hint)

    def _check_store(self, target: Target, names: Sequence[str], loc: Loc) -> None:
        """The stores that the target can mean are there."""
        if target.store.parts:
            for name in names or [target.store.text]:
                if name not in self.stores:
                    self._add((*loc, "store"), *unknown("store", name, self.stores))

    def _check_options(self, target: Target, names: Sequence[str], loc: Loc) -> None:
        """Each store that the target can mean takes its options and tags."""
        every = {t.kind: t for t in self.stores.values() if t is not None}
        meant = {t.kind: t for name in names if (t := self.stores.get(name)) is not None}
        options = {option for t in (meant or every).values() for option in t.options}
        for option, value in target.options.items():
            if option not in options:
                known = [*(f.alias or n for n, f in TargetModel.model_fields.items()), *options]
                self._add((*loc, option), *unknown("option", option, known))
                continue
            if not value.parts:
                self._add((*loc, option), f"{option} must be text")
            for kind, traits in meant.items():
                if option not in traits.options:
                    self._add(
                        (*loc, option), f"{option} is no option of {kind} stores", "give each kind its own target"
                    )
        for kind, traits in meant.items():
            if target.tags and not traits.tags:
                self._add((*loc, "tags"), f"{kind} stores keep no tags", "leave tags out")

    def _add(self, loc: Loc, what: str, hint: str = "") -> None:
        self.problems.append(Problem(self.where(loc), what, hint))


def _candidates(store: Template, captures: Captures, stores: Collection[str]) -> Iterator[str]:
    """Every store that a target may mean; where a capture is free, those of its form that there are."""
    listed = [captures.get(name) for name in store.names]
    if all(values is not None for values in listed):
        combinations = itertools.product(*(values for values in listed if values is not None))
        for combination in itertools.islice(combinations, 1000):
            yield store.fill(dict(zip(store.names, combination, strict=True)), NAME_FILTERS)
    else:
        form = store.pattern({}, ".+")
        yield from (name for name in stores if form.fullmatch(name))
