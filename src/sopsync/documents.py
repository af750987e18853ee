"""Opened SOPS files of one run: each decrypted at most once, when first needed, by whichever thread gets there."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from sopsync import encode
from sopsync.errors import DecryptError, printable
from sopsync.model import Desired, Payload

if TYPE_CHECKING:
    from sopsync.sops import Document, Keyring


class Documents:
    """Decrypts by path. A file that does not open fails the same way for every entry that asks."""

    def __init__(self, read: Callable[[str], bytes], keyring: Keyring) -> None:
        self._read = read
        self._keyring = keyring
        self._lock = Lock()
        self._files: dict[str, Document | DecryptError] = {}

    @property
    def opened(self) -> int:
        """Files decrypted so far."""
        return sum(not isinstance(found, DecryptError) for found in self._files.values())

    @property
    def unopened(self) -> tuple[str, ...]:
        """Paths of the files that did not open."""
        return tuple(path for path, found in self._files.items() if isinstance(found, DecryptError))

    def open(self, path: str) -> Document:
        """The document, its MAC verified. DecryptError names the path."""
        from sopsync import sops

        with self._lock:
            if path not in self._files:
                try:
                    self._files[path] = sops.decrypt(
                        self._read(path), format=sops.format_of(path), keyring=self._keyring, where=printable(path)
                    )
                except DecryptError as error:
                    self._files[path] = error
            found = self._files[path]
        if isinstance(found, DecryptError):
            raise found
        return found

    def payload(self, want: Desired) -> Payload:
        """What git wants, in the clear, shaped as the store will have it."""
        return encode.build(want.recipe, self.open(want.origin.path))
