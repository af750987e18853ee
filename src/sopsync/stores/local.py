"""The embedded store: one SQLite file, values sealed to an age recipient. The reference implementation of a store.

Only ciphertext is ever bound to SQL, so neither the file nor its journal holds a value. Every call is one transaction.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from sopsync.errors import Conflict, Denied, Rejected, SopsyncError, StoreError
from sopsync.model import Fence, Observed, PastVersion, Payload, Sealer, Stamp, State, Survey, Version
from sopsync.stores.base import one_by_one
from sopsync.stores.local_file import begin, blank, connect, create, exists, said
from sopsync.stores.local_payload import pack, size, unpack
from sopsync.stores.local_settings import LOCAL

_ENTRIES = "SELECT name, live, stamp, origin, at, gone FROM entries"


class _Row(NamedTuple):
    """An entry: the live version, what is stamped beside it, when it was written, and when it was deleted."""

    name: str
    live: int
    stamp: str
    origin: str
    at: str
    gone: str | None


class LocalStore:
    """A store in a file. `sealer` is asked only when a value is written or read: planning needs no key."""

    traits = LOCAL

    def __init__(self, name: str, path: Path, sealer: Sealer) -> None:
        self.name = name
        self.calls = 0
        self._path = path
        self._sealer = sealer
        self._counting = Lock()

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        with self._reading() as db:
            rows = [_Row(*row) for row in db.execute(_ENTRIES)]
            fences = [self._fence(*row) for row in db.execute("SELECT owner, fence FROM fences")]
        seen = [_observed(row) for row in rows]
        entries = [entry for entry in seen if entry.owner or entry.name in wanted]
        there = {row.name for row in rows}
        entries += [Observed(name, State.ABSENT) for name in wanted if name not in there]
        return Survey(tuple(entries), {fence.owner: fence for fence in fences})

    def read(self, name: str, *, expect: Version) -> Payload:
        with self._reading(name) as db:
            row = self._alive(db, name, expect)
            query = "SELECT sealed FROM versions WHERE name = ? AND version = ?"
            (sealed,) = db.execute(query, (name, row.live)).fetchone()
        with self._unsealed(name):
            return unpack(self._sealer.open(sealed))

    def write(
        self,
        name: str,
        payload: Payload,
        stamp: Stamp,
        *,
        expect: Version | None,
        options: Mapping[str, str],  # noqa: ARG002 - it has none
        tags: Mapping[str, str],
    ) -> Version:
        self._check_fits(name, payload)
        # 1. Seal before the transaction: from here on there is only ciphertext.
        with self._unsealed(name):
            sealed = self._sealer.seal(pack(payload))
        with self._writing(name, first=expect is None) as db:
            # 2. What is there must be what was planned on. A deleted entry keeps its version, and is not a free name.
            row = _find(db, name)
            if (str(row.live) if row else None) != expect:
                raise self._moved(name, row, expect)
            # 3. Value, stamp and tags together. Numbers go on from the highest, so that none is used twice.
            (top,) = db.execute("SELECT coalesce(max(version), 0) FROM versions WHERE name = ?", (name,)).fetchone()
            version, now, origin = top + 1, _now(), _origin(stamp)
            text = stamp.naming(str(version)).encode()
            db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", (name, version, sealed, text, origin, now))
            entry = (name, version, text, origin, json.dumps(dict(tags)), now)
            db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, NULL)", entry)
        return Version(str(version))

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        with self._writing(name) as db:
            row = self._alive(db, name, expect)
            text, origin = stamp.naming(expect).encode(), _origin(stamp)
            entry = (text, origin, json.dumps(dict(tags)), name)
            db.execute("UPDATE entries SET stamp = ?, origin = ?, tags = ? WHERE name = ?", entry)
            past = (text, origin, name, row.live)
            db.execute("UPDATE versions SET stamp = ?, origin = ? WHERE name = ? AND version = ?", past)

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        """Every version stays; a write that expects this one brings the entry back."""
        return one_by_one(versions, self._delete)

    def _delete(self, name: str, expect: Version) -> None:
        with self._writing(name) as db:
            self._alive(db, name, expect)
            db.execute("UPDATE entries SET gone = ? WHERE name = ?", (_now(), name))

    def history(self, name: str) -> Iterator[PastVersion]:
        with self._reading(name) as db:
            row = _find(db, name)
            query = "SELECT version, stamp, origin, at FROM versions WHERE name = ? ORDER BY version DESC"
            versions = db.execute(query, (row.name,)).fetchall() if row else []
        for number, text, origin, at in versions:
            stamp = Stamp.decode(text, origin)
            speaks = stamp is not None and stamp.version == str(number)
            alive = not (row and row.gone and row.live == number)
            yield PastVersion(Version(str(number)), at, stamp if speaks else None, alive)

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        with self._writing(first=expect is None) as db:
            row = db.execute("SELECT owner, fence FROM fences WHERE owner = ?", (fence.owner,)).fetchone()
            if (self._fence(*row) if row else None) != expect:
                what = f"the fence of {fence.owner} moved: another run was faster"
                raise Conflict(what, store=self.name, hint="plan again")
            db.execute("INSERT OR REPLACE INTO fences VALUES (?, ?)", (fence.owner, fence.encode()))

    def close(self) -> None:
        """Nothing is kept open between calls."""

    # -- transactions

    def _connect(self) -> sqlite3.Connection:
        return connect(self._path)

    @contextmanager
    def _transaction(self, kind: str, name: str) -> Iterator[sqlite3.Connection]:
        """One call, committed at the end; whatever is raised inside undoes it."""
        with self._counting:
            self.calls += 1
        with said(self.name, name), closing(self._connect()) as db:
            begin(db, kind, self.name)
            yield db
            db.execute("COMMIT")

    def _reading(self, name: str = "") -> AbstractContextManager[sqlite3.Connection]:
        """A store that has no file yet holds nothing; looking at it does not make the file."""
        with said(self.name, name):
            there = exists(self._path)
        return self._transaction("DEFERRED", name) if there else blank()

    def _writing(self, name: str = "", *, first: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        """`first`: the write may be the one that makes the file. Others expect what a missing file does not hold."""
        with said(self.name, name):
            if first:
                create(self._path)
            there = first or exists(self._path)
        return self._transaction("IMMEDIATE", name) if there else blank()

    # -- what must hold

    def _alive(self, db: sqlite3.Connection, name: str, expect: Version) -> _Row:
        row = _find(db, name)
        if row is None or row.gone or str(row.live) != expect:
            raise self._moved(name, row, expect)
        return row

    def _moved(self, name: str, row: _Row | None, expect: Version | None) -> Conflict:
        found = "nothing" if row is None else f"v{row.live}" + (", deleted" if row.gone else "")
        wanted = "nothing" if expect is None else f"v{expect}"
        return Conflict(f"planned on {wanted}, found {found}", store=self.name, name=name, hint="plan again")

    def _check_fits(self, name: str, payload: Payload) -> None:
        """Says the limit, never the length of what breaks it."""
        if not _legal(name):
            what = f"a name is {LOCAL.name_rule}, at most {LOCAL.max_name}"
            raise Rejected(what, store=self.name, name=ascii(name)[1:-1], hint="rename it in the config")
        if size(payload) > LOCAL.max_bytes:
            what = f"too large: an entry takes {LOCAL.max_bytes} bytes"
            raise Rejected(what, store=self.name, name=name, hint="split it over several entries")

    @contextmanager
    def _unsealed(self, name: str) -> Iterator[None]:
        """Around the only two places where plaintext is near."""
        try:
            yield
        except SopsyncError as error:
            first = error.problems[0]
            raise Denied(first.what, store=self.name, name=name, hint=first.hint) from None

    def _fence(self, owner: str, text: str) -> Fence:
        fence = Fence.decode(text)
        if fence is None or fence.owner != owner:
            raise Rejected(f"the fence of {owner} cannot be read", store=self.name, hint="was the file edited by hand?")
        return fence


def _legal(name: str) -> bool:
    return len(name) <= LOCAL.max_name and re.fullmatch(LOCAL.name_pattern, name) is not None


def _find(db: sqlite3.Connection, name: str) -> _Row | None:
    """None also for a name that cannot be: SQLite would choke on half a surrogate pair."""
    found = db.execute(f"{_ENTRIES} WHERE name = ?", (name,)).fetchone() if _legal(name) else None
    return _Row(*found) if found else None


def _observed(row: _Row) -> Observed:
    stamp = Stamp.decode(row.stamp, row.origin)
    return Observed(
        name=row.name,
        state=State.RECOVERABLE if row.gone else State.PRESENT,
        version=Version(str(row.live)),
        owner=stamp.owner if stamp else "",
        stamp=stamp,
        vouched=stamp is not None and not row.gone and stamp.version == str(row.live),
        at=row.gone or row.at,
    )


def _origin(stamp: Stamp) -> str:
    return stamp.origin.encode(1024) if stamp.origin else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
