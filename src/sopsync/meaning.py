"""What merging a change to the config or to a `.sops.yaml` would mean: for whoever reviews a pull request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from sopsync.compare import compare
from sopsync.config import Config
from sopsync.errors import ConfigError
from sopsync.git import Repository, Tree
from sopsync.manifest import Manifests
from sopsync.model import Desired, Ref
from sopsync.report import Finding, Severity, finding, place
from sopsync.side import find_config, load_side
from sopsync.sopsrules import NAME, SopsConfig, parse, redirected

_SHOWN = 3


def sops_configs(repo: Repository, tree: Tree) -> dict[str, SopsConfig]:
    """Every `.sops.yaml` of a commit, by its directory (with a slash at its end; "" is the top)."""
    paths = [path for path in tree if path.rpartition("/")[2] == NAME]
    return {path.removesuffix(NAME): parse(data, path) for path, data in repo.read(tree, paths, strict=False).items()}


def sops_yaml_findings(repo: Repository, before: Tree, after: Tree, files: Collection[str]) -> Iterator[Finding]:
    """For each `.sops.yaml` that differs, what is wrong with the new one; and who could then open which of `files`."""
    changed = [
        path for path in {**before, **after} if path.rpartition("/")[2] == NAME and before.get(path) != after.get(path)
    ]
    if not changed:
        return
    old, new = sops_configs(repo, before), sops_configs(repo, after)
    for path in changed:
        config = new.get(path.removesuffix(NAME))
        yield from (finding(problem, "sops-yaml") for problem in (config.problems if config else ()))
    meant = list(redirected(old, new, files))
    where = changed[0]
    for what, paths in meant:
        said = f"merging it means: {what} {_some(paths)}"
        yield Finding(Severity.WARNING, "sops-yaml-changed", said, path=where, line=1)
    if not meant:
        what = "changed; for the files there are, the same keys as before"
        yield Finding(Severity.NOTE, "sops-yaml-changed", what, path=where, line=1)


def config_meaning(
    repo: Repository, tree: Tree, used: Config, desired: Mapping[Ref, Desired], source: str
) -> str | None:
    """What would be different if the config of `tree` counted, and not `used`, by which `desired` is wanted.

    `source`: where `used` is from. None if both mean the same.
    """
    path = used.path
    head = f"{path} differs from {source}'s, which was used"
    try:
        new = find_config(repo, tree, path)
    except ConfigError as error:
        where, line = place(error.problems[0].where)
        return f"{head}; it cannot be used as it is: {where}:{line}: {error.problems[0].what}"
    if new.digest == used.digest:
        return None
    rows = compare(desired, load_side(repo, tree, new).manifests.desired, lambda _before, _after: False)
    parts = []
    for action in ("added", "changed", "removed"):
        names = [row.entry for row in rows if row.action == action]
        if names:
            parts.append(f"{len(names)} entr{'y' if len(names) == 1 else 'ies'} {action} ({_some(names)})")
    parts += other_options(used, new)
    return f"{head}; merging it means: {'; '.join(parts) or 'nothing for the entries there are'}"


def rule_changes(
    repo: Repository, rules: Tree, tree: Tree, used: Config, wanted: Manifests, *, source: str
) -> Iterator[str]:
    """What `tree` changes about config and `.sops.yaml`, of which those of `rules` were used: a sentence each."""
    meaning = config_meaning(repo, tree, used, wanted.desired, source)
    if meaning is not None:
        yield meaning
    for found in sops_yaml_findings(repo, rules, tree, wanted.files):
        yield f"{found.path} differs from {source}'s: {found.message}"


def other_options(old: Config, new: Config) -> Iterator[str]:
    """What decides over where entries are, and who may write them, without being part of any."""
    for name in {**old.stores, **new.stores}:
        if name not in new.stores or name not in old.stores:
            yield f"store {name} {'added' if name in new.stores else 'removed'}"
        elif old.stores[name] != new.stores[name]:
            yield f"store {name} is another place, or is reached otherwise"
    for option in ("previous_owners", "branch", "thresholds", "allow_hosts", "accept_history"):
        if getattr(old, option) != getattr(new, option):
            yield f"other {option}"
    # by rule, not only by entry: what was orphaned earlier is none, and a file to come has none yet
    if _pinned(old) != _pinned(new):
        yield "other recipients"
    for option in ("prune", "adopt"):
        if _granted(old, option) != _granted(new, option):
            yield f"other {option}"


def _pinned(config: Config) -> Collection[object]:
    return {(rule.pattern.text, rule.recipients) for rule in config.rules if rule.recipients is not None}


def _granted(config: Config, option: str) -> Collection[object]:
    """The targets that have it."""
    targets = ((rule.pattern.text, target) for rule in config.rules for target in rule.targets or ())
    return {(files, target.store.text, target.name.text) for files, target in targets if getattr(target, option)}


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
