"""A SOPS file as its format has it: typed, positioned, comments included, nothing known yet of keys or selection."""

from __future__ import annotations

from sopsync.errors import DecryptError, Reason, printable
from sopsync.sops.tree import Kind

# Bounds on what a hostile file may cost. A secret store takes megabytes at most, a person edits some hundred values.
MAX_BYTES = 64 * 2**20
MAX_NODES = 250_000  # scalars, maps and lists of all documents, YAML aliases counted as often as they are used
MAX_DEPTH = 256
MAX_COMMENTED_BYTES = 2**20  # YAML read with its comments takes seconds for as many

RawScalar = tuple[Kind, str | int | float | bool | bytes | None, int, str]
"""(kind, value, line, the text as the file spells it)."""


class RawMap:
    """Items in file order: (key, line of the key, node); key None where it is no string, "" where node is a comment."""

    __slots__ = ("items", "line")

    def __init__(self, line: int) -> None:
        self.line = line
        self.items: list[tuple[str | None, int, RawNode]] = []


class RawList:
    """Items in file order, comments among them."""

    __slots__ = ("items", "line")

    def __init__(self, line: int) -> None:
        self.line = line
        self.items: list[RawNode] = []


class RawComment:
    """A comment where sops sees one, without its `#`. It matters to the two comment selectors only."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


RawNode = RawScalar | RawMap | RawList | RawComment


def problem(reason: Reason, what: str, *, line: int = 0, hint: str = "") -> DecryptError:
    """An error at a line (0: the file as a whole). `what` must not quote the file, except for key names."""
    return DecryptError(what, reason=reason, hint=hint, where=str(line) if line else "")


def shown(*keys: str) -> str:
    """A path of keys fit for a message, `db.password`: no control characters, not longer than a line."""
    path = printable(".".join(keys))
    return path if len(path) <= 100 else f"{path[:60]}…{path[-39:]}"


def take_block(document: RawMap) -> RawNode | None:
    """Remove the `sops` block of a document and return it; None where there is none. Two are an error: sops panics."""
    found = [i for i, (key, _, _) in enumerate(document.items) if key == "sops"]
    if len(found) > 1:
        line = document.items[found[1]][1]
        raise problem(Reason.PARSE, "two top-level `sops` blocks", line=line, hint="`sops` is reserved for metadata")
    return document.items.pop(found[0])[2] if found else None


def too_many(line: int) -> DecryptError:
    return problem(Reason.TOO_LARGE, f"more than {MAX_NODES} values", line=line, hint="split the file")


def too_deep(line: int) -> DecryptError:
    return problem(Reason.TOO_LARGE, f"nested deeper than {MAX_DEPTH}", line=line)
