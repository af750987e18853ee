"""The entries that one file gives one target: named, owned, digested, and checked against what the store takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sopsync import digest, encode
from sopsync.config import Config
from sopsync.config_errors import unknown
from sopsync.errors import Problem
from sopsync.manifest.forms import Form, Source, forms
from sopsync.model import Desired, Ref, Traits
from sopsync.rules import KEY, Target
from sopsync.sops.tree import pointer
from sopsync.stamp import OWNER, Origin
from sopsync.templates import Template
from sopsync.yamlpos import quoted

_FENCE = "sopsync-fence"
"""Stores that keep fences among entries keep them below this name."""


_LONGEST = 256
"""Characters of a tag's value: the least that any store with tags takes."""


@dataclass(frozen=True, slots=True)
class Whose:
    """What all entries of a file have in common."""

    captures: Mapping[str, str]
    owner: str
    previous_owners: tuple[str, ...]
    description: str = ""


def whose(path: str, captures: Mapping[str, str], config: Config, found: list[Problem]) -> Whose:
    """Owners, with the captures of a path filled in."""

    def owner(form: Template) -> str:
        text = form.fill(captures)
        if not OWNER.fullmatch(text):
            what = f"this path makes the owner {quoted(text)}"
            hint = "an owner has letters, digits and _.:/@+-, at most 64; rename the file, or see owner in the config"
            found.append(Problem(f"{path}:1", what, hint))
        return text

    now = owner(config.owner)
    before = dict.fromkeys(owner(form) for form in config.previous_owners)
    return Whose(captures, now, tuple(name for name in before if name != now))


def entries(source: Source, whose: Whose, target: Target, config: Config, found: list[Problem]) -> Iterator[Desired]:
    """Every entry of `source` for `target`. What cannot be made is added to `found`."""
    store = target.store.fill(whose.captures)
    traits = config.traits.get(store)
    if traits is None:
        what, hint = unknown("store", store, config.traits)
        found.append(Problem(target.where, f"{what} for {source.path}", hint))
        return
    options = {name: text.fill(whose.captures) for name, text in target.options.items()}
    tags = {name: text.fill(whose.captures) for name, text in target.tags.items()}
    found += _misfilled(source.path, target, {**options, **tags})
    found += _unchosen(source.path, target, options, traits)
    shape = ""
    for form in forms(source, target, traits, found):
        shape = shape or _shape(form, options, tags)  # all forms of one target are alike
        name = target.name.fill({**whose.captures, KEY: form.key})
        found += _misnamed(name, form, source, target, traits)
        tokens = {"" if target.per_key else one.name: digest.token(one.node, one.path) for one in form.fields}
        yield Desired(
            ref=Ref(store, name),
            owner=whose.owner,
            previous_owners=whose.previous_owners,
            digest=digest.entry(shape, tokens.items(), ordered=form.ordered),
            origin=Origin(source.path, pointer(form.at)),
            where=f"{source.path}:{form.line}",
            rule=target.where,
            recipe=form.recipe,
            names=form.names,
            tokens=tokens,
            shape=shape,
            size=form.size,
            options=options,
            tags=tags,
            adopt=target.adopt,
            prune=target.prune,
            lifecycle=target.lifecycle,
            on_drift=target.on_drift,
            description=whose.description,
        )


def _misfilled(path: str, target: Target, texts: Mapping[str, str]) -> Iterator[Problem]:
    """Options and tags take what a path gives, and a path may hold anything."""
    for name, text in texts.items():
        if not text.isprintable() or len(text) > _LONGEST:
            what = f"{path} makes {name} longer than {_LONGEST} characters, or not printable"
            yield Problem(target.where, what, "rename the file, or leave the capture out")


def _unchosen(path: str, target: Target, options: Mapping[str, str], traits: Traits) -> Iterator[Problem]:
    """Options that are one of a few words, and are not."""
    for option, choices in traits.choices.items():
        if (said := options.get(option, choices[0])) not in choices:
            what, hint = unknown(option, said, choices)
            yield Problem(target.where, f"{what} for {path}", hint)


def _shape(form: Form, options: Mapping[str, str], tags: Mapping[str, str]) -> str:
    recipe = form.recipe
    return digest.shape(
        form="fields" if form.names else "value",
        encode=recipe.encode,
        template=recipe.template,
        # plain values do not pass through an encoder, so a new one does not touch them
        revision=encode.REVISION if recipe.encode or recipe.template else 0,
        options=options,
        tags=tags,
    )


def _misnamed(name: str, form: Form, source: Source, target: Target, traits: Traits) -> Iterator[Problem]:
    where = f"{source.path}:{form.line}"
    if len(name) > traits.max_name:
        what = f"{quoted(name)} is longer than the {traits.max_name} characters of a name in {traits.kind}"
        yield Problem(where, what, f"{target.where}: a shorter name, or rename")
    elif name.strip("/").split("/")[0].casefold() == _FENCE:
        yield Problem(where, f"{quoted(name)} is where fences are kept", f"{target.where}: another name")
    elif not re.fullmatch(traits.name_pattern, name):
        what = f"{quoted(name)} is no name in {traits.kind}, which takes {traits.name_rule}"
        hint = f"{target.where}: another name; or rename the key, or filter it: {{key|kebab}}"
        yield Problem(where, what, hint)
