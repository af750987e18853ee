"""The digest of an entry: ciphertexts and everything that shapes what is written, in one unambiguous run of bytes.

Never a plaintext of something encrypted: an encrypted scalar enters as its `ENC[…]` text. Values that their author left
clear in git enter as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from sopsync.sops.tree import List, Map, Node, Path, leaves

Part = str | bytes | int | bool | None | Sequence["Part"]


def stream(part: Part) -> bytes:
    """The part as bytes, no two parts alike: each a type letter, a length, and that much content."""
    if isinstance(part, str):
        # paths may hold undecodable bytes, and broken JSON half a surrogate pair
        content = part.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(content), content)
    if part is None:
        return b"n"
    if isinstance(part, bool):
        return b"t" if part else b"f"
    if isinstance(part, int):
        return b"i%d;" % part
    if isinstance(part, bytes):
        return b"b%d:%b" % (len(part), part)
    return b"l%d:%b" % (len(part), b"".join([stream(one) for one in part]))


def digest(*parts: Part) -> str:
    """32 hex digits: SHA-256 over `stream`, cut to 128 bits."""
    return hashlib.sha256(stream(parts)).hexdigest()[:32]


def token(node: Node, path: Path) -> str:
    """Digest of one field: every leaf of `node`, which is at `path` of its document, in file order."""
    return digest("field", [[list(at), _leaf(leaf)] for at, leaf, _ in leaves(node, path)])


def _leaf(node: Node) -> Part:
    if isinstance(node, Map | List):
        return ["empty", "map" if isinstance(node, Map) else "list"]
    if node.cipher is not None:
        return ["sealed", node.kind.value, node.cipher]
    value = repr(node.value) if isinstance(node.value, float) else node.value
    return ["clear", node.kind.value, value]


def shape(**parts: Part | Mapping[str, str]) -> str:
    """Digest of what is not ciphertext: how the payload is made, and what is written beside it."""
    return digest("shape", [[name, _sorted(part)] for name, part in sorted(parts.items())])


def _sorted(part: Part | Mapping[str, str]) -> Part:
    return [[key, part[key]] for key in sorted(part)] if isinstance(part, Mapping) else part


def entry(shaped: str, tokens: Iterable[tuple[str, str]], *, ordered: bool) -> str:
    """Digest of an entry. `ordered`: the order of its fields shows in what is written."""
    pairs = [[name, value] for name, value in tokens]
    return digest("entry", shaped, ordered, pairs if ordered else sorted(pairs))
