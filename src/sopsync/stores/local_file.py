"""The file of an embedded store: made whole or not at all, opened only if it is ours, errors named by what to do."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sopsync.errors import Denied, Rejected, StoreError, Unavailable

_APPLICATION = 0x736F7073
"""`PRAGMA application_id` of our files: "sops" in ASCII."""
_SCHEMA = 1
"""`PRAGMA user_version`: which layout the file has."""
_BUSY = 30.0
"""Seconds to wait for other processes to finish their transactions."""
_ASK = 0.05
"""Seconds after which a file in use is asked for anew: SQLite itself asks ever more seldom."""

# A version is written once and stays: a number that somebody saw never comes to stand for another value.
_LAYOUT = f"""
BEGIN;
CREATE TABLE entries (name TEXT PRIMARY KEY, live INTEGER NOT NULL, stamp TEXT NOT NULL, origin TEXT NOT NULL,
                      tags TEXT NOT NULL, at TEXT NOT NULL, gone TEXT) WITHOUT ROWID;
CREATE TABLE versions (name TEXT, version INTEGER, sealed BLOB NOT NULL, stamp TEXT NOT NULL, origin TEXT NOT NULL,
                       at TEXT NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE fences (owner TEXT PRIMARY KEY, fence TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER versions_are_final BEFORE UPDATE OF name, version, sealed ON versions
  BEGIN SELECT RAISE(ABORT, 'a version is never changed'); END;
CREATE TRIGGER versions_stay BEFORE DELETE ON versions
  BEGIN SELECT RAISE(ABORT, 'a version is never removed'); END;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_SCHEMA};
COMMIT;
"""


def exists(path: Path) -> bool:
    """Whether the file is there. False is a positive not-found; OSError if that cannot be told."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def create(path: Path) -> None:
    """Make the file, mode 0600 in a directory of mode 0700, unless it is there. A process that dies here leaves either
    no file or a good one: it is laid out under another name and linked into place, which never replaces a file."""
    if exists(path):
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.executescript(_LAYOUT)
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was faster, and its file is as good
    finally:
        Path(draft).unlink()


def connect(path: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> sqlite3.Connection:
    """A connection to a file that must exist. Transactions are begun and committed by hand."""
    # rw, not rwc: SQLite would make an empty file where there is none, and that would read as an empty store
    address = f"file:{quote(os.fsencode(path.absolute()))}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=_ASK, isolation_level=None, factory=factory)


def begin(db: sqlite3.Connection, kind: str, store: str) -> None:
    """Begin a transaction, its lock held, on a file that is a store of ours.

    Whoever writes one entry after another lets go of the file for moments only. Asked as seldom as SQLite does, it
    seems to be in use until the last of them is written, which on a slow disk is longer than anybody waits.
    """
    until = time.monotonic() + _BUSY
    while True:
        try:
            db.execute(f"BEGIN {kind}")
            check(db, store)
        except sqlite3.OperationalError as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if not _busy(error) or time.monotonic() > until:
                raise
        else:
            db.execute(f"PRAGMA busy_timeout = {int(_BUSY * 1000)}")  # to finish, it waits for readers
            return


@contextmanager
def blank() -> Iterator[sqlite3.Connection]:
    """What a file that is not there holds: the same tables, empty, and nowhere on disk."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(_LAYOUT)
        yield db


def check(db: sqlite3.Connection, store: str) -> None:
    """Rejected unless the file is a store of ours, in the layout we know. Asked inside a transaction: it may change."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (schema,) = db.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise Rejected("the file is not a sopsync store", store=store, hint="choose another path")
    if schema != _SCHEMA:
        what = f"the file has layout {schema}; this sopsync knows {_SCHEMA}"
        raise Rejected(what, store=store, hint="use the sopsync that wrote it, or a newer one")


@contextmanager
def said(store: str, name: str = "") -> Iterator[None]:
    """What SQLite and the file system say, as errors of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, store, name) from None
    except PermissionError:
        raise Denied("no permission to use the file", store=store, name=name, hint="chown or chmod it") from None
    except OSError as error:
        what = f"the file cannot be used ({os.strerror(error.errno or 0)})"
        raise Rejected(what, store=store, name=name, hint="look at its path and its file system") from None


def _named(error: sqlite3.Error, store: str, name: str) -> StoreError:
    """By SQLite's result code (sqlite.org/rescode.html); the low byte is the primary one."""
    code = _code(error)
    if _busy(error):
        return Unavailable("another process is using the file", store=store, name=name, hint="retry")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN):
        what = "no permission to use the file"
        return Denied(what, store=store, name=name, hint="it and its directory must be readable and writable")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        what = "the file is not a database, or is damaged"
        return Rejected(what, store=store, name=name, hint="choose another path, or bring the file back from a backup")
    symbol = getattr(error, "sqlite_errorname", type(error).__name__)
    hint = "retry; if it stays, look at the disk"
    return Unavailable(f"SQLite could not finish ({symbol})", store=store, name=name, hint=hint)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
