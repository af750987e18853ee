"""What must hold of a whole file, or of all files together: who may open it, nothing copied, no entry wanted twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sopsync.errors import Problem
from sopsync.model import Desired, Traits
from sopsync.rules import Rule
from sopsync.sops.metadata import Metadata, same_key
from sopsync.sops.tree import List, Map, Node, Scalar, leaves, pointer
from sopsync.yamlpos import quoted


def unfit_file(path: str, root: Map, documents: int) -> Iterator[Problem]:
    """What no target could make sense of."""
    if documents > 1:
        what = "more than one YAML document, of which most tools would read the first"
        yield Problem(f"{path}:1", what, "split it into files")
    if not any(isinstance(leaf, Scalar) for _, leaf, _ in leaves(root)):
        yield Problem(f"{path}:1", "has no keys", "remove the file, or add what it is for: sops edit")
    todo: list[Node] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, List):
            todo += node.items
        elif isinstance(node, Map):
            first: dict[str, int] = {}
            for key, line, child in node.items:
                if key in first:
                    yield Problem(f"{path}:{line}", f"{quoted(key)} is on line {first[key]} too", "keep one of them")
                first.setdefault(key, line)
                todo.append(child)


def recipients(path: str, metadata: Metadata, rule: Rule) -> Iterator[Problem]:
    """Who may open the file is exactly who the rule says. It is the file that says who: labels, not proof."""
    if rule.recipients is None:
        return
    have = set(map(same_key, metadata.labels))
    allowed = {same_key(label) for label in rule.recipients}
    for label in sorted(have - allowed):
        what = f"can be opened by {label}, which recipients at {rule.where} does not list"
        yield Problem(f"{path}:1", what, "take it out of the file (sops rotate --rm-…), or list it")
    for label in sorted(allowed - have):
        what = f"cannot be opened by {label}, which recipients at {rule.where} lists"
        yield Problem(f"{path}:1", what, f"sops updatekeys {path}, with the key in .sops.yaml")


def copies(roots: Mapping[str, Map]) -> Iterator[Problem]:
    """Ciphertext that is in two files: sops never makes the same one twice, so somebody copied it."""
    first: dict[str, tuple[str, str]] = {}
    copied: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for path, root in roots.items():
        for at, leaf, line in leaves(root):
            if not isinstance(leaf, Scalar) or leaf.cipher is None:
                continue
            origin, key = first.setdefault(leaf.cipher, (path, pointer(at)))
            if origin != path:
                copied.setdefault((path, origin), []).append((line, pointer(at), key))
    for (path, origin), keys in copied.items():
        line, here, there = keys[0]
        more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
        what = f"{here or 'it'} is the ciphertext of {origin}:{there}{more}: copied to where others may read it"
        yield Problem(f"{path}:{line}", what, f"remove one; if both are meant, sops rotate -i {path}")


def collisions(wanted: Sequence[Desired], stores: Mapping[str, Traits]) -> Iterator[Problem]:
    """Two that want one entry, as far as the store can tell names apart."""
    first: dict[tuple[str, str], Desired] = {}
    for want in wanted:
        traits = stores[want.ref.store]
        name = want.ref.name.casefold() if traits.folds_case else want.ref.name
        other = first.setdefault((want.ref.store, name), want)
        if other is not want:
            also = f", which {traits.kind} does not tell from {quoted(other.ref.name)}" if other.ref != want.ref else ""
            what = f"{quoted(str(want.ref))}{also} is wanted by {other.where} too ({other.rule})"
            hint = f"{want.rule}: give them names of their own: {{key}} or another capture in name, rename, keys"
            yield Problem(want.where, what, hint)
