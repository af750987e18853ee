"""The commit each entry's value comes from, found in git by ciphertext, and by value where a file was re-encrypted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from hashlib import sha256

from sopsync import encode, sops
from sopsync.errors import SopsyncError
from sopsync.git import Repository, Revision
from sopsync.lineage import Told
from sopsync.model import Desired, KeyPath, Payload, Recipe, Ref
from sopsync.origin import Sight, origins
from sopsync.sops.tree import Map, Node, Scalar, leaves


def origin_commits(
    repo: Repository, commit: str, wanted: Iterable[Desired], keyring: sops.Keyring | None
) -> dict[Ref, str]:
    """Entry → the commit that last changed its value, for each of `wanted`; `commit` itself where history is silent.

    A re-encrypted file (`sops rotate`) is followed back by comparing values, as far as `keyring` opens old revisions.
    """
    by_path: dict[str, dict[Ref, Desired]] = defaultdict(dict)
    for want in wanted:
        by_path[want.origin.path][want.ref] = want
    found: dict[Ref, str] = {}
    with repo.histories(list(by_path), commit) as history:
        for path, entries in by_path.items():
            newest = history.newest(path)
            if newest is None:
                continue
            if not history.older(newest):  # most files of a young repository: nothing in them is older than they are
                found |= dict.fromkeys(entries, newest.commit)
                continue
            past = _Past(repo, entries, keyring)
            same = past.same_value if keyring is not None else None
            found |= origins(newest, entries, older=history.older, look=past.look, same_value=same)
    return {ref: found.get(ref, commit) for entries in by_path.values() for ref in entries}


def told(repo: Repository, commit: str, tip: str) -> Told:
    """What git tells of a commit, and of the merge that brought it to the branch of `tip`."""
    if not repo.has(commit):
        return Told(commit)
    merge = repo.brought_by(commit, tip)
    return Told(commit, repo.info(commit), repo.info(merge) if merge else None)


class _Past:
    """Older revisions of one file, as its entries see them."""

    def __init__(self, repo: Repository, entries: Mapping[Ref, Desired], keyring: sops.Keyring | None) -> None:
        self._repo = repo
        self._entries = entries
        self._keyring = keyring
        self._sights: dict[str, Sight | None] = {}
        self._documents: dict[str, sops.Document | None] = {}

    def look(self, revision: Revision) -> Sight | None:
        """What a revision shows without keys; None if it is no SOPS file."""
        if revision.oid not in self._sights:
            try:
                data = self._repo.blob(revision.oid)
                root = sops.parse(data, format=sops.format_of(revision.path)).root
            except SopsyncError:
                self._sights[revision.oid] = None
            else:
                tokens = {ref: _token(root, want.recipe) for ref, want in self._entries.items()}
                known: dict[Hashable, str] = {ref: token for ref, token in tokens.items() if token}
                ciphers = frozenset(n.cipher for _, n, _ in leaves(root) if isinstance(n, Scalar) and n.cipher)
                self._sights[revision.oid] = Sight(known, ciphers)
        return self._sights[revision.oid]

    def same_value(self, older: Revision, newer: Revision, ref: Ref) -> bool | None:
        """Whether two revisions hold the same value; None where one of them does not open."""
        before, after = self._payload(older, ref), self._payload(newer, ref)
        return before.same(after) if before is not None and after is not None else None

    def _payload(self, revision: Revision, ref: Ref) -> Payload | None:
        try:
            document = self._document(revision)
            return encode.build(self._entries[ref].recipe, document) if document is not None else None
        except SopsyncError:
            return None

    def _document(self, revision: Revision) -> sops.Document | None:
        if revision.oid not in self._documents and self._keyring is not None:
            try:
                data = self._repo.blob(revision.oid)
                opened = sops.decrypt(data, format=sops.format_of(revision.path), keyring=self._keyring)
            except SopsyncError:
                self._documents[revision.oid] = None
            else:
                self._documents[revision.oid] = opened
        return self._documents.get(revision.oid)


def _token(root: Node, recipe: Recipe) -> str:
    """Digest of the ciphertexts and clear values an entry is made of; "" where the file lacks one of its keys."""
    digest = sha256()
    paths = [path for _, path in recipe.fields] or [()]
    for path in paths:
        node = _at(root, path)
        if node is None:
            return ""
        for where, leaf, _ in leaves(node, path):
            shown = (leaf.cipher or (leaf.kind.value, leaf.value)) if isinstance(leaf, Scalar) else type(leaf).__name__
            digest.update(repr((where, shown)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _at(node: Node, path: KeyPath) -> Node | None:
    """The node at a path."""
    here: Node | None = node
    for part in path:
        if isinstance(here, Map):
            here = next((child for key, _, child in here.items if key == part), None)
        elif isinstance(here, Scalar) or here is None or not isinstance(part, int) or part >= len(here.items):
            return None
        else:
            here = here.items[part]
    return here
