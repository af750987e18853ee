"""sops' flat spelling of nested metadata, for the formats that cannot nest: `age__list_0__map_enc`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sopsync.errors import DecryptError, Reason
from sopsync.sops.raw import MAX_NODES, RawList, RawMap, RawNode, RawScalar, problem, too_many

_PART = re.compile(r"__(map|list)_")
_MAX_LIST = 1000  # a file only names a position, so a huge one would cost it nothing and us memory
_MAX_PARTS = 16  # sops itself nests five deep

_Tree = dict[str | int, "RawScalar | _Tree"]


def unflatten(flat: Mapping[str, RawScalar]) -> RawMap:
    """The block these keys stand for. A position left out of a list is an empty entry, as in sops up to 3.12."""
    root: _Tree = {}
    for name, scalar in flat.items():
        *above, last = _path(name, scalar[2])
        at = root
        for step in above:
            below = at.setdefault(step, {})
            if not isinstance(below, dict):
                raise _clash(scalar[2])
            at = below
        if last in at:
            raise _clash(scalar[2])
        at[last] = scalar
    if _entries(root) > MAX_NODES:
        raise too_many(0)
    node = _node(root)
    assert isinstance(node, RawMap)  # noqa: S101 - the first part of a path is never a position
    return node


def _path(name: str, line: int) -> list[str | int]:
    parts = _PART.split(name)
    if len(parts) > 2 * _MAX_PARTS:
        raise _clash(line)
    path: list[str | int] = [parts[0]]
    for kind, part in zip(parts[1::2], parts[2::2], strict=True):
        if kind == "list" and not (re.fullmatch("[0-9]{1,4}", part) and int(part) < _MAX_LIST):
            what = f"a metadata key whose list position is no number below {_MAX_LIST}"
            raise problem(Reason.PARSE, what, line=line)
        path.append(part if kind == "map" else int(part))
    return path


def _entries(tree: _Tree) -> int:
    """How many entries its lists have, those left out included."""
    here = 1 + max((key for key in tree if isinstance(key, int)), default=-1)
    return here + sum(_entries(child) for child in tree.values() if isinstance(child, dict))


def _node(tree: RawScalar | _Tree) -> RawNode:
    if not isinstance(tree, dict):
        return tree
    named = {key: child for key, child in tree.items() if isinstance(key, str)}
    if not tree or named:
        if len(named) != len(tree):
            raise _clash(0)
        block = RawMap(0)
        block.items.extend((key, 0, _node(child)) for key, child in sorted(named.items()))
        return block
    entries = RawList(0)
    positions = [key for key in tree if isinstance(key, int)]
    entries.items.extend(_node(tree.get(i, {})) for i in range(max(positions) + 1))
    return entries


def _clash(line: int) -> DecryptError:
    return problem(Reason.PARSE, "a metadata key contradicts another", line=line)
