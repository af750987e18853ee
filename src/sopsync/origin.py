"""Which commit each entry of a file comes from: the one that last changed its ciphertext. Pure; told how to look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Revision(Protocol):
    """One content of a file and the commit that made it."""

    @property
    def commit(self) -> str: ...


R = TypeVar("R", bound=Revision)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a revision of a file shows without keys."""

    tokens: Mapping[Hashable, str]
    """Entry → digest of its ciphertexts; an entry that is not there is left out."""
    ciphers: frozenset[str]
    """All ciphertexts of the file: values that `sops rotate` makes anew all at once."""


def origins(
    newest: R,
    wanted: Collection[K],
    *,
    older: Callable[[R], Sequence[R]],
    look: Callable[[R], Sight | None],
    same_value: Callable[[R, R, K], bool | None] | None = None,
) -> dict[K, str]:
    """Entry → its origin commit, for each of `wanted` that `newest` shows.

    Every entry follows its own line back: from a revision to the first older one (in a merge, of several) where its
    token is the same, until there is none. Only as much is looked at as the oldest line needs.

    `look` gives None for a revision that is no manifest: lines end there. `same_value(older, newer, entry)`, given
    where keys are at hand, is asked where tokens differ and the file has no ciphertext left of before: True means that
    the file was re-encrypted and the line goes on; False or None (cannot tell) end it.
    """
    found: dict[K, str] = {}
    first = look(newest)
    lines = [(newest, first, {entry for entry in wanted if entry in first.tokens})] if first else []
    while lines:
        revision, sight, entries = lines.pop()
        behind = [(before, seen) for before in older(revision) if (seen := look(before))] if entries else []
        for before, seen in behind:
            same = {entry for entry in entries if seen.tokens.get(entry) == sight.tokens[entry]}
            lines.append((before, seen, same))
            entries -= same
        for before, seen in behind:
            if same_value and seen.ciphers.isdisjoint(sight.ciphers):
                same = {entry for entry in entries if entry in seen.tokens and same_value(before, revision, entry)}
                lines.append((before, seen, same))
                entries -= same
        found.update(dict.fromkeys(entries, revision.commit))
    return found
