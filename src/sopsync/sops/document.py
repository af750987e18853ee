"""From bytes to trees: sealed without keys, or opened with the data key once the whole file's MAC holds."""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from sopsync.errors import DecryptError, Reason
from sopsync.record import record
from sopsync.sops.cipher import HEAD, BadValue, Cipher, claimed, hashed
from sopsync.sops.formats import File, Format, read
from sopsync.sops.metadata import Metadata
from sopsync.sops.raw import RawScalar, problem
from sopsync.sops.selectors import Selector
from sopsync.sops.tree import Kind, Map, Scalar
from sopsync.sops.walk import Walker

# What a MAC over encrypted values only starts with, so that it never equals one over all values: SHA-256("sops").
MAC_ONLY_ENCRYPTED = bytes.fromhex("8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69")


# What sops decrypts an empty comment to; in a list it stays there as an element.
_EMPTY = Scalar(Kind.STR, 0, "")


class DataKeys(Protocol):
    """What opens a file: `Keyring`, or anything else that recovers the data key from the metadata."""

    def data_key(self, metadata: Metadata) -> bytes:
        """Raises DecryptError: DATA_KEY_UNAVAILABLE or SHAMIR."""
        ...


@record()
class Sealed:
    """A SOPS file read without keys. Nothing in it is authenticated."""

    root: Map
    """Document 1: every encrypted leaf has `cipher`, every clear one its value."""
    documents: int
    metadata: Metadata


@record(hide=("documents",))
class Document:
    """A decrypted file whose MAC was verified."""

    documents: tuple[Map, ...]
    metadata: Metadata

    @property
    def root(self) -> Map:
        """Document 1."""
        return self.documents[0]

    @property
    def data(self) -> bytes:
        """The content of a binary file. Raises DecryptError (UNREPRESENTABLE) if this is no binary file."""
        for key, _, node in self.root.items:
            if key == "data" and isinstance(node, Scalar) and isinstance(node.value, str | bytes):
                if node.kind in (Kind.STR, Kind.BYTES):
                    return node.value if isinstance(node.value, bytes) else node.value.encode()
                break
        what = "not a binary SOPS file: it has no `data` that is a string"
        raise problem(Reason.UNREPRESENTABLE, what, hint="name the format it has")

    def to_json(self) -> str:
        """What `sops -d --output-type json` prints. Raises DecryptError (UNREPRESENTABLE) for Inf and NaN."""
        from sopsync.sops.emit import to_json

        return to_json(self.root)


def parse(data: bytes, *, format: Format) -> Sealed:  # noqa: A002 - the word of the field
    """Read a file without keys. Raises DecryptError for whatever `decrypt` would refuse before it needs a key."""
    file = read(data, format)
    selector = Selector(file.metadata)
    if selector.invalid:
        raise selector.invalid
    walker = Walker(selector, _Sealer())
    trees = [walker.document(document) for document in file.documents]
    if walker.misplaced:
        raise walker.misplaced
    return Sealed(trees[0], len(trees), file.metadata)


class _Sealer:
    """Leaves as they are in the file."""

    def leaf(self, raw: RawScalar, aad: str, *, encrypted: bool) -> Scalar | None:  # noqa: ARG002 - one of walk.Leaves
        kind, value, line, _ = raw
        if not encrypted:
            return Scalar(kind, line, value)
        text = str(value)
        sealed = claimed(text)
        return Scalar(sealed, line, cipher=text) if sealed else None

    def comment(self, text: str, aad: str) -> Scalar | None:  # noqa: ARG002 - one of walk.Leaves
        return None if text else _EMPTY


def decrypt(data: bytes, *, format: Format, keyring: DataKeys) -> Document:  # noqa: A002
    """Open a file. Its MAC is always verified: no value leaves this function otherwise. Raises DecryptError."""
    # 1. Parse. Bounds on size, depth and nodes hold from here on.
    file = read(data, format)
    # 2. Recover the data key.
    key = keyring.data_key(file.metadata)
    try:
        return _open(file, key)
    except DecryptError as error:
        # 3. sops 3.13.2 began to read large clear integers in JSON exactly, and to hash them so.
        if error.reason is not Reason.MAC_MISMATCH or not file.inexact:
            raise
    return _open(read(data, format, integers=True), key)


def _open(file: File, key: bytes) -> Document:
    selector = Selector(file.metadata)
    opener = _Opener(key, mac_only_encrypted=file.metadata.mac_only_encrypted)
    walker = Walker(selector, opener)
    # 4. Open and hash every leaf of every document, in file order.
    trees = tuple(walker.document(document) for document in file.documents)
    # 5. Compare the hash with the file's own. After this line the values are what their author sealed.
    opener.verify(file.metadata)
    # 6. What sops would let pass, and we do not: a selector that cannot mean what its author thought.
    for refusal in (selector.invalid, walker.misplaced):
        if refusal:
            raise refusal
    return Document(trees, file.metadata)


class _Opener:
    """Opens leaves and keeps the running hash."""

    def __init__(self, key: bytes, *, mac_only_encrypted: bool) -> None:
        try:
            self._cipher = Cipher(key)
        except BadValue as error:
            raise problem(error.reason, error.what) from None
        self._only_encrypted = mac_only_encrypted
        self._hash = hashlib.sha512(MAC_ONLY_ENCRYPTED if mac_only_encrypted else b"")

    def leaf(self, raw: RawScalar, aad: str, *, encrypted: bool) -> Scalar | None:
        kind, value, line, _ = raw
        if encrypted:
            opened = self._cipher.open(str(value), aad)
            if opened is None:
                return None
            kind, value, text = opened
            self._hash.update(text)
        elif value is not None and not self._only_encrypted:
            self._hash.update(hashed(kind, value))
        return Scalar(kind, line, value)

    def comment(self, text: str, aad: str) -> Scalar | None:
        if not text:
            return _EMPTY
        try:
            opened = self._cipher.open(text, aad) if text.startswith(HEAD) else None
        except BadValue:  # sops takes it for a comment that was never encrypted
            return None
        if opened is None:
            return None
        # Not a comment but a value, which sops hashes, and keeps if it is in a list.
        self._hash.update(opened[2])
        return Scalar(opened[0], 0, opened[1])

    def verify(self, metadata: Metadata) -> None:
        """Raises DecryptError: MAC_MISSING, MAC_UNDECRYPTABLE or MAC_MISMATCH."""
        hint = "restore the file from git, or merge with sops: a hand-made merge cannot keep the MAC"
        if not metadata.mac:
            raise problem(Reason.MAC_MISSING, "the file has no MAC", hint=hint)
        try:
            opened = self._cipher.open(metadata.mac, metadata.lastmodified)
        except BadValue:
            what = "the file's MAC cannot be decrypted: it or lastmodified was changed"
            raise problem(Reason.MAC_UNDECRYPTABLE, what, hint=hint) from None
        computed = self._hash.hexdigest().upper().encode()
        if opened is None or opened[0] is not Kind.STR or not hmac.compare_digest(opened[2], computed):
            what = "the file's MAC does not match its values: something was changed, moved, added or removed"
            raise problem(Reason.MAC_MISMATCH, what, hint=hint)
