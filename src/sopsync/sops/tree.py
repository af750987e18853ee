"""The tree inside a SOPS file: maps, lists and scalars in file order, sealed or opened."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from sopsync.record import record

Path = tuple[str | int, ...]


class Kind(StrEnum):
    """The type of a scalar, as sops names it where it does."""

    NULL = "null"
    STR = "str"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"
    BYTES = "bytes"


@record(hide=("value", "cipher"))
class Scalar:
    """A leaf. Sealed: `cipher` is the `ENC[…]` text, `kind` the type it claims, `value` None. Opened or clear: `value`
    is str, int, float, bool, None, `bytes` for BYTES, and for TIME the RFC 3339 text. `line` counts from 1."""

    kind: Kind
    line: int
    value: str | int | float | bool | bytes | None = None
    cipher: str | None = None


@record()
class Map:
    """Keys in file order; a file may repeat one (YAML: not at the top). Each item: (key, line of the key, node)."""

    items: tuple[tuple[str, int, Node], ...]
    line: int = 1


@record()
class List:
    """Items in file order, comments dropped."""

    items: tuple[Node, ...]
    line: int = 1


Node = Scalar | Map | List


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node, int]]:
    """(path, node, line) of every scalar and every empty container, in file order. `line` is the key's own line."""
    stack: list[tuple[Path, Node, int]] = [(path, node, node.line)]
    while stack:
        here, at, line = stack.pop()
        if isinstance(at, Map) and at.items:
            stack.extend(((*here, key), child, key_line) for key, key_line, child in reversed(at.items))
        elif isinstance(at, List) and at.items:
            stack.extend(((*here, i), child, child.line) for i, child in reversed(list(enumerate(at.items))))
        else:
            yield here, at, line


def pointer(path: Path) -> str:
    """RFC 6901 JSON Pointer of a path; "" is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
