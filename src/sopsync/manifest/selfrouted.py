"""Manifests that route themselves: the clear part of a SecretManifest, validated, and its targets compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sopsync.config import MANIFEST_NAME
from sopsync.config_errors import Loc, validate
from sopsync.config_model import ManifestModel
from sopsync.errors import Problem
from sopsync.model import Traits
from sopsync.rules import Compiler, Target
from sopsync.sops.tree import Map, Node, Scalar, leaves, pointer
from sopsync.yamlpos import line_at, plain

_DATA = "data"
_API = "sopsync/"


@dataclass(frozen=True, slots=True)
class SelfRouted:
    """What a manifest says of itself."""

    name: str
    description: str
    rotate_after: str
    targets: tuple[Target, ...]
    data: Map


def routes_itself(root: Node) -> bool:
    """Whether a document means to be a SecretManifest, right or not."""
    items = root.items if isinstance(root, Map) else ()
    return any(key == "apiVersion" and _text(node).startswith(_API) for key, _, node in items)


def _text(node: Node) -> str:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def self_routed(
    path: str, root: Map, captures: Mapping[str, str], stores: Mapping[str, Traits], found: list[Problem]
) -> SelfRouted | None:
    """The manifest at `path`, or None and why not in `found`. `captures` are those of the rule that matched it."""

    def where(loc: Loc) -> str:
        return f"{path}:{line_at(root, loc)}"

    count = len(found)
    found += _sealed_outside(path, root)
    data = next((node for key, _, node in root.items if key == _DATA), None)
    document = {key: plain(node) for key, _, node in root.items if key != _DATA}
    if data is not None:
        document[_DATA] = {} if isinstance(data, Map) else None  # the model looks at the clear part only
        if isinstance(data, Map) and not any(isinstance(leaf, Scalar) for _, leaf, _ in leaves(data)):
            found.append(Problem(where((_DATA,)), "data has no keys", "add what it is for: sops edit"))
    model, at = validate(ManifestModel, document, where, found)
    if model is None or not isinstance(data, Map):
        return None
    known = {**{name: (value,) for name, value in captures.items()}, MANIFEST_NAME: (model.metadata.name,)}
    compiler = Compiler(stores, at, found)
    targets = tuple(compiler.target(one, known, ("to", i)) for i, one in enumerate(model.to))
    if len(found) > count:
        return None
    meta = model.metadata
    return SelfRouted(meta.name, meta.description, meta.rotate_after or "", targets, data)


def _sealed_outside(path: str, root: Map) -> Iterator[Problem]:
    for at, leaf, line in leaves(root):
        if at and at[0] != _DATA and isinstance(leaf, Scalar) and leaf.cipher is not None:
            what = f"{pointer(at)} is encrypted; only {_DATA} may be, so that the routing can be read without keys"
            yield Problem(f"{path}:{line}", what, "encrypt it anew with encrypted_regex: ^data$")
