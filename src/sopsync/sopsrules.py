"""`.sops.yaml`: which keys sops would encrypt a file to, read as sops reads it (sops, config/config.go).

The first creation rule whose `path_regex` is found in the path, seen from the directory of the `.sops.yaml`, counts;
one without `path_regex` is for every path. sops looks for the file from its working directory upward. Nobody here knows
that directory, so the nearest one above the encrypted file counts, as for who works beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sopsync import yamlpos
from sopsync.errors import ConfigError, Problem
from sopsync.sops.metadata import Metadata, same_key
from sopsync.sops.selectors import searcher
from sopsync.sops.tree import List, Map, Node, Scalar
from sopsync.yamlpos import children, quoted

NAME = ".sops.yaml"
_FLAT = ("age", "pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri")
_PARTIAL = ("encrypted_regex", "encrypted_suffix", "encrypted_comment_regex")


@dataclass(frozen=True, slots=True)
class CreationRule:
    """One rule. `groups`: who may open, by group; empty if it names nobody (sops then takes the command line's)."""

    where: str
    matches: Callable[[str], bool] | None
    """None: every path."""
    groups: tuple[frozenset[str], ...] = ()
    threshold: int = 0
    """Groups needed; 0 is all."""
    partial: bool = False
    """Only what a selector names is encrypted, so that a file may well have nothing to encrypt."""

    @property
    def labels(self) -> frozenset[str]:
        """Everybody the rule names."""
        return frozenset().union(*self.groups)


@dataclass(frozen=True, slots=True)
class SopsConfig:
    """One `.sops.yaml`."""

    directory: str
    """With a slash at its end; "" is the top."""
    rules: tuple[CreationRule, ...]
    problems: tuple[Problem, ...] = ()

    def rule_for(self, path: str) -> CreationRule | None:
        """The rule sops would take for a path of the repository."""
        seen = path.removeprefix(self.directory)
        return next((rule for rule in self.rules if rule.matches is None or rule.matches(seen)), None)


def parse(data: bytes, path: str) -> SopsConfig:
    """The file's rules; what is wrong with it is in `problems`, and sops would stop at the first of them."""
    directory = path.removesuffix(NAME)
    try:
        root = yamlpos.parse(data, path)
    except ConfigError as error:
        return SopsConfig(directory, (), error.problems)
    found: list[Problem] = []
    listed = _get(root, "creation_rules")
    rules = [_rule(node, f"{path}:{line}", found) for _, line, node in children(listed)] if listed else []
    if listed is not None and not isinstance(listed, List):
        found.append(Problem(path, "creation_rules must be a list", "see the documentation of sops"))
    return SopsConfig(directory, tuple(rules), tuple(found))


def nearest(configs: Mapping[str, SopsConfig], path: str) -> SopsConfig | None:
    """Of configs by directory, the one closest above a path."""
    while path:
        path = path.rpartition("/")[0]
        found = configs.get(f"{path}/" if path else "")
        if found is not None:
            return found
    return None


def _rule(node: Node, where: str, found: list[Problem]) -> CreationRule:
    regex = _text(_get(node, "path_regex"))
    matches = searcher(regex) if regex else None
    if regex and matches is None:
        what = f"path_regex {quoted(regex)} is no valid regular expression, and sops stops there"
        found.append(Problem(where, what, "Go's syntax: https://pkg.go.dev/regexp/syntax"))
        matches = _nothing
    groups = _get(node, "key_groups")
    if groups is not None and children_of(groups):
        labels = tuple(frozenset(_group(group)) for group in children_of(groups))
    else:
        flat = frozenset(label for name in _FLAT for label in _labels(_get(node, name)))
        labels = (flat,) if flat else ()
    threshold = _get(node, "shamir_threshold")
    needed = threshold.value if isinstance(threshold, Scalar) and isinstance(threshold.value, int) else 0
    partial = any(_text(_get(node, name)) for name in _PARTIAL)
    return CreationRule(where, matches, labels, int(needed), partial)


def _nothing(_path: str) -> bool:
    return False


def _group(group: Node) -> Iterator[str]:
    """A key group's members, merged groups included."""
    for name in ("age", "pgp", "hc_vault"):
        yield from _labels(_get(group, name))
    for name, part in (("kms", "arn"), ("gcp_kms", "resource_id"), ("hckms", "key_id")):
        for one in children_of(_get(group, name)):
            yield from _labels(_get(one, part))
    for one in children_of(_get(group, "azure_keyvault")):
        vault, key, version = (_text(_get(one, part)) for part in ("vaultUrl", "key", "version"))
        yield f"{vault.rstrip('/')}/keys/{key}/{version}"
    for merged in children_of(_get(group, "merge")):
        yield from _group(merged)


def _labels(node: Node | None) -> Iterator[str]:
    """A comma-separated text, or a list of texts."""
    texts = [_text(node)] if isinstance(node, Scalar) else [_text(one) for one in children_of(node)]
    for text in texts:
        for label in text.split(","):
            if label.strip():
                yield _label(label.strip())


def _label(text: str) -> str:
    """As the metadata of a file names it: an ARN without the role, an Azure key with a slash for its version."""
    if text.startswith("arn:"):
        return text.partition("+")[0]
    if "/keys/" in text and ".vault." in text and text.rstrip("/").count("/") == 4:
        return text.rstrip("/") + "/"
    return text


def _get(node: Node | None, name: str) -> Node | None:
    """What a map has under a name, its own before what it merges (`<<`, YAML 1.1, which sops' reader knows)."""
    if not isinstance(node, Map):
        return None
    merged: list[Node] = []
    for key, _, child in node.items:
        if key == name:
            return child
        if key == "<<":
            merged += [child] if isinstance(child, Map) else children_of(child)
    return next((found for one in merged if (found := _get(one, name)) is not None), None)


def children_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; nothing for anything else."""
    return node.items if isinstance(node, List) else ()


def _text(node: Node | None) -> str:
    return str(node.value) if isinstance(node, Scalar) and node.value is not None else ""


# -- comparing


def mismatch(path: str, metadata: Metadata, rule: CreationRule) -> Iterator[Problem]:
    """Whoever can open the file is who the rule names. It is the file that says who: labels, not proof."""
    if not rule.groups:
        return
    extra, missing = _apart(metadata.labels, rule.labels)
    for label in extra:
        what = f"can be opened by {label}, which {rule.where} does not name"
        yield Problem(f"{path}:1", what, f"sops updatekeys {path} && sops rotate -i {path}; or name it there")
    for label in missing:
        what = f"cannot be opened by {label}, which {rule.where} names"
        yield Problem(f"{path}:1", what, f"sops updatekeys {path}")
    if extra or missing:
        return
    shape = [{key.label for key in group} for group in metadata.groups]
    if not _grouped_alike(rule.groups, shape):
        yield Problem(f"{path}:1", f"its keys are grouped otherwise than {rule.where} says", f"sops updatekeys {path}")
    elif len(shape) > 1 and (metadata.threshold or len(shape)) != (rule.threshold or len(shape)):
        what = f"opens with {metadata.threshold or len(shape)} groups, {rule.where} says {rule.threshold or len(shape)}"
        yield Problem(f"{path}:1", what, f"sops updatekeys {path}")


def redirected(
    before: Mapping[str, SopsConfig], after: Mapping[str, SopsConfig], paths: Collection[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(what another `.sops.yaml` would mean, the paths it would mean that for), for each change that matters."""
    meant: dict[str, list[str]] = {}
    for path in sorted(paths):
        old, new = (_names(configs, path) for configs in (before, after))
        if old is None or new is None:
            if (old is None) != (new is None):
                said = "sops would have no rule for" if new is None else "sops would have a rule for"
                meant.setdefault(said, []).append(path)
            continue
        gone, come = _apart(old, new)
        for label in come:
            meant.setdefault(f"{label} could open what is encrypted from then on in", []).append(path)
        for label in gone:
            meant.setdefault(f"{label} could no longer open what is encrypted from then on in", []).append(path)
    yield from ((what, tuple(paths)) for what, paths in meant.items())


def _names(configs: Mapping[str, SopsConfig], path: str) -> frozenset[str] | None:
    config = nearest(configs, path)
    rule = config.rule_for(path) if config else None
    return rule.labels if rule else None


def _apart(have: Iterable[str], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """(only in the first, only in the second). A key named without a version is every version of it."""
    ours, theirs = ({same_key(label) for label in labels} for labels in (have, wanted))
    extra = [label for label in sorted(ours) if not _within(label, theirs)]
    missing = [label for label in sorted(theirs) if not _within(label, ours)]
    return extra, missing


def _within(label: str, labels: Collection[str]) -> bool:
    if label in labels:
        return True
    if "/keys/" not in label:
        return False
    bare = label.rpartition("/")[0] + "/"
    return bare in labels or (label == bare and any(one.startswith(bare) for one in labels))


def _grouped_alike(wanted: Collection[Collection[str]], have: list[set[str]]) -> bool:
    left = list(have)
    for group in wanted:
        same = next((one for one in left if _apart(one, group) == ([], [])), None)
        if same is None:
            return False
        left.remove(same)
    return not left
