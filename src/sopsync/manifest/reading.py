"""Reads the files that rules match: parsed, checked as a whole, then against every rule. All problems in one run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from sopsync.config import MANIFEST_NAME, Config, owners_of, target_for
from sopsync.config_errors import in_order
from sopsync.errors import ConfigError, DecryptError, Problem, Reason
from sopsync.manifest.checks import collisions, copies, recipients, unfit_file
from sopsync.manifest.entries import Whose, entries, whose
from sopsync.manifest.forms import Source
from sopsync.manifest.selfrouted import routes_itself, self_routed
from sopsync.model import Desired, Ref
from sopsync.rules import Rule, Target
from sopsync.sops.metadata import Metadata
from sopsync.sops.tree import Map
from sopsync.stamp import Origin

if TYPE_CHECKING:
    from sopsync.sops import Format, Sealed

_NEVER = (".sops.yaml", ".sops.yml")


class Parse(Protocol):
    """Parses a SOPS file without keys. DecryptError for what is none."""

    def __call__(self, data: bytes, *, format: Format, where: str) -> Sealed: ...  # noqa: A002 - as in sopsync.sops


@dataclass(frozen=True, slots=True)
class File:
    """A manifest: who may open it, and, if it routes itself, where to, with the captures of the rule it is under."""

    metadata: Metadata
    routes: tuple[tuple[Mapping[str, str], Target], ...] = ()
    name: str = ""
    rotate_after: str = ""


@dataclass(frozen=True, slots=True)
class Manifests:
    """What git wants. `broken` are files that cannot be parsed: their entries stay untouched. `idle` are the rules
    (`path:line`) that match no file: right if the files are yet to come, otherwise a mistake in a pattern."""

    desired: Mapping[Ref, Desired]
    broken: Mapping[str, Problem]
    files: Mapping[str, File]
    idle: tuple[str, ...] = ()

    def target_for(self, config: Config, origin: Origin, ref: Ref, owner: str) -> Target | None:
        """The target that gave `owner` the entry `ref` for what was at `origin`, by config or by what the file says.

        If several would, one that does not prune.
        """
        routes = self.files[origin.path].routes if origin.path in self.files else ()
        found = [
            target
            for captures, target in routes
            if owner in owners_of(config, captures) and target.gives(ref, origin, captures, config.traits)
        ]
        if (by_config := target_for(config, origin, ref, owner)) is not None:
            found.append(by_config)
        return next((target for target in found if not target.prune), found[0] if found else None)


Routed = tuple[Rule, dict[str, str]]
"""A rule that matches a path, and what it captures from it."""


def load(
    tree_paths: Collection[str],
    read: Callable[[Collection[str]], Mapping[str, bytes]],
    config: Config,
    parse: Parse,
    *,
    only: Collection[str] | None = None,
    problems: list[Problem] | None = None,
) -> Manifests:
    """What the files of a commit want. ConfigError holds every problem of every file; what `read` raises passes.

    `problems`: for who only looks: they are put there, none is raised, and what has none is told.
    `only`: look at these paths and no others. Then what takes two files to see (collisions, copies) may go unseen.
    """
    from sopsync.sops import format_of

    routed = _route(tree_paths if only is None else [path for path in tree_paths if path in only], config)
    contents = read(list(routed))
    found: list[Problem] = []
    broken: dict[str, Problem] = {}
    files: dict[str, File] = {}
    roots: dict[str, Map] = {}
    wanted: list[Desired] = []
    for path, rules in routed.items():
        form = format_of(path)
        if path not in contents:
            broken[path] = Problem(path, "could not be read", "is it a plain file?")
            continue
        try:
            sealed = parse(contents[path], format=form, where=path)
        except DecryptError as error:
            if error.reason is Reason.NO_METADATA:
                found.append(_not_encrypted(path, rules))
            else:
                broken[path] = error.problems[0]
            continue
        roots[path] = sealed.root
        files[path], entries_of_it = _file(path, sealed, rules, config, found, binary=form == "binary")
        wanted += entries_of_it
    found += copies(roots)
    found += collisions(wanted, config.traits)
    if problems is not None:
        problems += in_order(found)
    elif found:
        raise ConfigError.of(in_order([*found, *broken.values()]))
    matched = {rule.where for rules in routed.values() for rule, _ in rules}
    idle = tuple(rule.where for rule in config.rules if rule.where not in matched and only is None)
    return Manifests({want.ref: want for want in wanted}, broken, files, idle)


def _route(paths: Collection[str], config: Config) -> dict[str, list[Routed]]:
    """Every path that a rule matches, with those rules. The config and sops' own are never manifests."""
    routed: dict[str, list[Routed]] = {}
    for path in sorted(paths):
        if path == config.path or PurePosixPath(path).name in _NEVER:
            continue
        for rule in config.rules:
            captures = rule.pattern.match(path)
            if captures is not None:
                routed.setdefault(path, []).append((rule, captures))
    return routed


def _not_encrypted(path: str, rules: Sequence[Routed]) -> Problem:
    hint = f"sops encrypt -i {path}; or, if it holds no secrets, narrow the rule at {rules[0][0].where}"
    return Problem(f"{path}:1", "not encrypted: no sops block", hint)


def _file(
    path: str, sealed: Sealed, rules: Sequence[Routed], config: Config, found: list[Problem], *, binary: bool
) -> tuple[File, list[Desired]]:
    """One file: checked as a whole, then against every rule that matches it."""
    unfit = list(unfit_file(path, sealed.root, sealed.documents))
    found += unfit
    wanted: list[Desired] = []
    file = File(sealed.metadata)
    for rule, captures in rules:
        found += recipients(path, sealed.metadata, rule)
        if unfit:
            continue
        common = whose(path, captures, config, found)
        if rule.targets is None:
            if not routes_itself(sealed.root):
                what = f"does not say where it goes: no apiVersion, and the rule at {rule.where} has no to:"
                found.append(Problem(f"{path}:1", what, "give the rule a to:, or make the file a SecretManifest"))
                continue
            file, entries_of_it = _self_routed(path, file, sealed.root, common, config, found=found)
            wanted += entries_of_it
        elif routes_itself(sealed.root) and not binary:
            hint = "drop to: from the rule, or apiVersion and to: from the file"
            found.append(Problem(f"{path}:1", f"routes itself, and the rule at {rule.where} routes it too", hint))
        else:
            source = Source(path, sealed.root, binary=binary)
            wanted += [want for to in rule.targets for want in entries(source, common, to, config, found)]
    return file, wanted


def _self_routed(
    path: str, before: File, root: Map, common: Whose, config: Config, *, found: list[Problem]
) -> tuple[File, list[Desired]]:
    manifest = self_routed(path, root, common.captures, config.traits, found)
    if manifest is None:
        return before, []
    common = replace(
        common,
        captures={**common.captures, MANIFEST_NAME: manifest.name},
        description=manifest.description,
    )
    source = Source(path, manifest.data, ("data",))
    routes = (*before.routes, *((common.captures, target) for target in manifest.targets))
    wanted = [want for to in manifest.targets for want in entries(source, common, to, config, found)]
    return File(before.metadata, routes, manifest.name, manifest.rotate_after), wanted
