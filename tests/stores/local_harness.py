"""The embedded store as the contract suite sees it: SQLite that can fail, and a foreign hand with SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from pyrage import decrypt, encrypt, x25519

from sopsync.model import Payload
from sopsync.stores.base import Store
from sopsync.stores.local import LocalStore
from sopsync.stores.local_file import connect, create
from sopsync.stores.local_payload import pack, unpack
from sopsync.stores.testing import Expected, Fault, Wire

IDENTITY = x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
_numbers = count()


class AgeSealer:
    """age through pyrage: to any recipient, and from the one identity of this process."""

    def __init__(self, recipient: str) -> None:
        self._recipient = x25519.Recipient.from_str(recipient)

    def seal(self, plaintext: bytes) -> bytes:
        sealed: bytes = encrypt(plaintext, [self._recipient])
        return sealed

    def open(self, ciphertext: bytes) -> bytes:
        opened: bytes = decrypt(ciphertext, [IDENTITY])
        return opened


SEALER = AgeSealer(RECIPIENT)


def sqlite_error(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class WiredConnection(sqlite3.Connection):
    """One API call is one transaction: it is refused or broken at BEGIN, and its answer lost after COMMIT."""

    wire: Wire
    fault: Fault | None = None

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.fault = self.wire.send()
            if self.fault is Fault.REFUSED:
                raise sqlite_error(sqlite3.SQLITE_READONLY, "attempt to write a readonly database")
            if self.fault is Fault.BEFORE:
                raise sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")
        cursor = super().execute(sql, *parameters)
        if sql == "COMMIT" and self.fault is Fault.AFTER:
            raise sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")
        return cursor


class WiredStore(LocalStore):
    def __init__(self, path: Path, wire: Wire) -> None:
        super().__init__("here", path, SEALER)
        self._wire = wire

    def _connect(self) -> sqlite3.Connection:
        db = connect(self._path, WiredConnection)
        assert isinstance(db, WiredConnection)
        db.wire = self._wire
        db.execute("PRAGMA synchronous = OFF")  # tests do not pull the plug
        return db


class LocalOutside:
    """Somebody with the sqlite3 shell and our recipient, who leaves our columns alone."""

    can_roll_back = True
    reuses_versions = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _sql(self) -> Iterator[sqlite3.Connection]:
        create(self._path)
        with closing(connect(self._path)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def peek(self, name: str) -> Payload | None:
        query = (
            "SELECT sealed FROM entries JOIN versions USING (name) WHERE name = ? AND version = live AND gone IS NULL"
        )
        with self._sql() as db:
            row = db.execute(query, (name,)).fetchone()
        return unpack(SEALER.open(row[0])) if row else None

    def tags(self, name: str) -> Mapping[str, str]:
        with self._sql() as db:
            (tags,) = db.execute("SELECT tags FROM entries WHERE name = ?", (name,)).fetchone()
        found: dict[str, str] = json.loads(tags)
        return found

    def put(self, name: str, payload: Payload) -> None:
        self._put(name, payload, "")

    def copy_metadata(self, name: str, payload: Payload) -> None:
        with self._sql() as db:
            row = db.execute("SELECT stamp FROM entries WHERE name = ?", (name,)).fetchone()
        self._put(name, payload, row[0] if row else "")

    def _put(self, name: str, payload: Payload, stamp: str) -> None:
        sealed = SEALER.seal(pack(payload))
        with self._sql() as db:
            (top,) = db.execute("SELECT coalesce(max(version), 0) FROM versions WHERE name = ?", (name,)).fetchone()
            db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, '', 'now')", (name, top + 1, sealed, stamp))
            db.execute("INSERT OR IGNORE INTO entries VALUES (?, 0, '', '', '{}', 'now', NULL)", (name,))
            db.execute("UPDATE entries SET live = ?, gone = NULL WHERE name = ?", (top + 1, name))

    def strip_metadata(self, name: str) -> None:
        with self._sql() as db:
            db.execute("UPDATE entries SET stamp = '', origin = '', tags = '{}' WHERE name = ?", (name,))
            db.execute("UPDATE versions SET stamp = '', origin = '' WHERE name = ?", (name,))

    def delete(self, name: str) -> None:
        with self._sql() as db:
            db.execute("DELETE FROM entries WHERE name = ?", (name,))

    def soft_delete(self, name: str) -> None:
        with self._sql() as db:
            db.execute("UPDATE entries SET gone = 'now' WHERE name = ?", (name,))

    def undelete(self, name: str) -> None:
        with self._sql() as db:
            db.execute("UPDATE entries SET gone = NULL WHERE name = ?", (name,))

    def roll_back(self, name: str) -> None:
        query = "UPDATE entries SET live = live - 1 WHERE name = ? AND live > 1"
        with self._sql() as db:
            db.execute(query, (name,))


class LocalHarness:
    expected = Expected(
        survey=lambda entries: 1 if entries else 0,  # no file, no transaction
        create=1, update=1, restore=1, restamp=1, delete=1, read=1, fence=1,
    )  # fmt: skip
    odd_names = ("a b", "Ünï/çø∂é/🔑", "--", "'; DROP TABLE entries; --", "%_*?[x]", ".", "..", " ", "x" * 1024)

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"place-{next(_numbers)}" / "store.db"
        self.outside = LocalOutside(self.path)

    def open(self, wire: Wire) -> Store:
        return WiredStore(self.path, wire)

    def name(self, word: str) -> str:
        return f"prod/{word}"
