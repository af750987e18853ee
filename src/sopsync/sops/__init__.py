"""SOPS files as a library: `parse` reads one without keys, `decrypt` opens one and verifies it.

    decrypt(data, format=format_of(path), keyring=Keyring.from_environment()).to_json()

Importing this package is cheap; YAML, cryptography and key services are imported when a file needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sopsync.errors import DecryptError, Problem

if TYPE_CHECKING:
    from sopsync.sops.document import DataKeys, Document, Sealed
    from sopsync.sops.formats import Format
    from sopsync.sops.keyring import Keyring
    from sopsync.sops.tree import Scalar

__all__ = ["DataKeys", "Document", "Format", "Keyring", "Sealed", "decrypt", "format_of", "parse", "text"]

_HOMES = {"DataKeys": "document", "Document": "document", "Sealed": "document", "Format": "formats"}
_HOMES |= {"Keyring": "keyring"}
_SUFFIXES: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}


def format_of(path: str) -> Format:
    """The format sops takes a file of this name for: by suffix, and anything else is binary."""
    return next((kind for suffix, kind in _SUFFIXES.items() if path.endswith(suffix)), "binary")


def parse(data: bytes, *, format: Format, where: str = "") -> Sealed:  # noqa: A002 - the word of the field
    """Read a SOPS file without keys: document 1's tree, how many documents there are, and the metadata.

    `where` is how errors name the file. Raises DecryptError: NO_METADATA if it is no SOPS file, TOO_LARGE beyond the
    bounds in `raw`, BAD_SELECTOR, BAD_VALUE_FORMAT where a value that must be encrypted is not, and other reasons.
    """
    from sopsync.sops import document

    try:
        return document.parse(data, format=format)
    except DecryptError as error:
        raise _located(error, where) from None


def decrypt(data: bytes, *, format: Format, keyring: DataKeys, where: str = "") -> Document:  # noqa: A002
    """Open a SOPS file and verify its MAC; there is no way to have one without the other.

    `where` is how errors name the file. Raises DecryptError, whose messages hold key names and lines, never values.
    """
    from sopsync.sops import document

    try:
        return document.decrypt(data, format=format, keyring=keyring)
    except DecryptError as error:
        raise _located(error, where) from None


def text(scalar: Scalar) -> str:
    """An opened scalar as a string: 7, 0.5, true, null is "", a time in RFC 3339. Raises DecryptError for bytes."""
    from sopsync.sops import emit

    return emit.text(scalar)


def _located(error: DecryptError, where: str) -> DecryptError:
    """Inside the package a problem's `where` is the line alone; the file's name is known here only."""
    error.problems = tuple(Problem(_place(p.where, where), p.what, p.hint) for p in error.problems)
    return error


def _place(line: str, where: str) -> str:
    if not line.isdigit():
        return line or where
    return f"{where}:{line}" if where else f"line {line}"


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"sopsync.sops.{_HOMES[name]}"), name)
    raise AttributeError(name)
