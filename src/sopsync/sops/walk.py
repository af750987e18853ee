"""Walks a raw document in file order, as sops does, and asks one question of every leaf: encrypted or clear?"""

from __future__ import annotations

from typing import Protocol

from sopsync.errors import DecryptError, Reason
from sopsync.sops import golang
from sopsync.sops.cipher import BadValue
from sopsync.sops.raw import RawComment, RawList, RawMap, RawNode, RawScalar, problem, shown
from sopsync.sops.selectors import Selector
from sopsync.sops.tree import Kind, List, Map, Node, Scalar


class Leaves(Protocol):
    """What becomes of leaves: sealed without keys, or opened and hashed."""

    def leaf(self, raw: RawScalar, aad: str, *, encrypted: bool) -> Scalar | None:
        """The leaf at this authenticated path; None for a comment, which sops keeps as an element of a list."""
        ...

    def comment(self, text: str, aad: str) -> Scalar | None:
        """What becomes of a comment where an encrypted one must be: mostly nothing, and to sops sometimes a value."""
        ...


class Walker:
    """Turns raw documents into trees. Recursive: depth is bounded by raw.MAX_DEPTH when a file is parsed."""

    def __init__(self, selector: Selector, leaves: Leaves) -> None:
        self._selector = selector
        self._leaves = leaves
        self._trail: list[str] = []
        self.misplaced: DecryptError | None = None

    def document(self, root: RawMap) -> Map:
        """Raises DecryptError at the first leaf that cannot be what its place demands."""
        return self._map(root, "", hit=False)

    def _map(self, raw: RawMap, aad: str, *, hit: bool) -> Map:
        selector, by_comment, wanted = self._selector, self._selector.by_comment, self._selector.hits_encrypted
        active = False  # whether a comment since the last sibling is a hit
        items: list[tuple[str, int, Node]] = []
        for key, line, child in raw.items:
            if isinstance(child, RawComment):
                active, _ = self._comment(child, aad, hit=hit, active=active)
                continue
            if key is None:
                raise problem(Reason.PARSE, f"{self._at()} has a key that is no string", line=line, hint="quote it")
            inner = hit or active or (not by_comment and selector.matches(key))
            active = False
            path = f"{aad}{key}:"
            if isinstance(child, tuple):
                node: Node | None = self._scalar(child, path, key, encrypted=inner is wanted)
                if node is None:
                    self.misplaced = self.misplaced or self._comment_as_value(key, line)
                    continue
            else:
                self._trail.append(key)
                node = self._container(child, path, hit=inner)
                self._trail.pop()
            items.append((key, line, node))
        return Map(tuple(items), raw.line)

    def _list(self, raw: RawList, aad: str, *, hit: bool) -> List:
        wanted = self._selector.hits_encrypted
        active = False
        items: list[Node] = []
        for child in raw.items:
            if isinstance(child, RawComment):
                active, element = self._comment(child, aad, hit=hit, active=active)
                items.extend([element] if element else [])
                continue
            inner = hit or active
            active = False  # an encrypted comment is an element like any other to sops at this point
            if isinstance(child, tuple):
                node: Node | None = self._scalar(child, aad, "", encrypted=inner is wanted)
            else:
                node = self._container(child, aad, hit=inner)
            if node is not None:
                items.append(node)
        return List(tuple(items), raw.line)

    def _comment(self, comment: RawComment, aad: str, *, hit: bool, active: bool) -> tuple[bool, Scalar | None]:
        """(whether it or one before it is a hit, what sops makes of it where comments are encrypted)."""
        selector = self._selector
        before, active = active, active or (selector.by_comment and selector.matches(comment.text))
        # A comment that starts encryption stays clear itself; one that ends it does so for itself too.
        inner = hit or (before if selector.hits_encrypted else active)
        place = aad or ":"  # sops joins an empty path with the colon it puts behind every path
        return active, self._leaves.comment(comment.text, place) if inner is selector.hits_encrypted else None

    def _container(self, raw: RawNode, aad: str, *, hit: bool) -> Map | List:
        if isinstance(raw, RawMap):
            return self._map(raw, aad, hit=hit)
        assert isinstance(raw, RawList)  # noqa: S101 - scalars and comments were told apart before
        return self._list(raw, aad, hit=hit)

    def _scalar(self, raw: RawScalar, aad: str, key: str, *, encrypted: bool) -> Scalar | None:
        kind, value, line, _ = raw
        try:
            if kind is not Kind.STR:
                _check_clear(kind, value, encrypted=encrypted)
            return self._leaves.leaf(raw, aad, encrypted=encrypted and value not in ("", None))
        except BadValue as error:
            what = f"{self._at(key)} {error.what}"
            raise problem(error.reason, what, line=line, hint=_HINTS.get(error.reason, "")) from None

    def _at(self, key: str = "") -> str:
        return shown(*self._trail, *([key] if key else [])) or "the document"

    def _comment_as_value(self, key: str, line: int) -> DecryptError:
        return problem(Reason.UNREPRESENTABLE, f"{self._at(key)} is an encrypted comment, not a value", line=line)


def _check_clear(kind: Kind, value: object, *, encrypted: bool) -> None:
    """What a leaf that is no string may be. sops panics at most of what is refused here."""
    if kind is Kind.INT and isinstance(value, int) and not golang.is_int64(value):
        raise BadValue(Reason.UNKNOWN_TYPE, "is an integer of more than 64 bits")
    if kind is Kind.TIME and not value:
        raise BadValue(Reason.BAD_PLAINTEXT_OR_TIME, "is a time in a zone more than a day away")
    if encrypted and kind is not Kind.NULL:
        raise BadValue(Reason.BAD_VALUE_FORMAT, f"is a clear {kind.value} where an encrypted value must be")


_HINTS = {
    Reason.BAD_VALUE_FORMAT: "edit the file with sops only",
    Reason.BAD_BASE64: "restore the value from git",
    Reason.UNKNOWN_TYPE: "restore the value from git",
    Reason.BAD_PLAINTEXT_OR_TIME: "restore the value from git",
    Reason.VALUE_AUTH_FAILED: "restore the value from git, or set it again with sops",
}
