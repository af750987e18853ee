"""The embedded store: the contract, and what is true of a file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sopsync.errors import Conflict, Denied, Rejected, SopsyncError, StoreError, Unavailable
from sopsync.model import Observed, State, Version
from sopsync.stores import local, local_file
from sopsync.stores.kinds import KINDS, Context
from sopsync.stores.local import LocalStore
from sopsync.stores.local_settings import LocalSettings
from sopsync.stores.testing import Contract, Harness, Wire
from sopsync.stores.testing.place import assert_no_leak, delete, fence, one, several, stamp
from tests.stores.local_harness import RECIPIENT, SEALER, LocalHarness, WiredConnection, sqlite_error


class TestLocal(Contract):
    @pytest.fixture
    def empty(self, tmp_path: Path) -> Callable[[], Harness]:
        return lambda: LocalHarness(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "of a store" / "st?re #1%20.db"


@pytest.fixture
def store(path: Path) -> LocalStore:
    return LocalStore("here", path, SEALER)


def _write(store: LocalStore, name: str, word: str = "one", expect: Version | None = None) -> Version:
    return store.write(name, one(word), stamp(), expect=expect, options={}, tags={})


# -- values never touch the disk


def test_no_file_ever_holds_a_value(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for right before every commit, with the journal of the transaction still there."""
    looked: list[str] = []

    class Watched(WiredConnection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                super().execute("PRAGMA cache_spill = 1")
                looked.extend(file.name for file in path.parent.iterdir())
                assert not list(_leaks(path.parent))
            return super().execute(sql, *parameters)

    def connect(self: LocalStore) -> sqlite3.Connection:
        db = local_file.connect(path, Watched)
        assert isinstance(db, Watched)
        db.wire = Wire()
        return db

    monkeypatch.setattr(LocalStore, "_connect", connect)
    store = LocalStore("here", path, SEALER)
    version = _write(store, "entry", "first" * 5000)
    fields = several(user="name", password="word" * 5000)
    version = store.write("entry", fields, stamp("b"), expect=version, options={}, tags={"team": "web"})
    store.restamp("entry", stamp("c"), expect=version, tags={})
    assert store.read("entry", expect=version).same(fields)
    delete(store, "entry", expect=version)
    assert any(name.endswith("-journal") for name in looked), "there was no journal to look into"
    assert not list(_leaks(path.parent))


def _leaks(folder: Path) -> Iterator[str]:
    marks = [b"canary", b64encode(b"canary-")[:8], b"canary".hex().encode(), "canary".encode("utf-16-le")]
    for file in folder.iterdir():
        content = file.read_bytes()
        yield from (f"{file.name}: {mark!r}" for mark in marks if mark in content)


def test_what_cannot_be_opened_is_denied_without_a_word_of_it(path: Path, store: LocalStore) -> None:
    class Locked:
        def seal(self, plaintext: bytes) -> bytes:
            return SEALER.seal(plaintext)

        def open(self, ciphertext: bytes) -> bytes:
            raise SopsyncError("no identity opens this", hint="set SOPS_AGE_KEY_FILE")

    class Wrong(Locked):
        def open(self, ciphertext: bytes) -> bytes:
            return b'{"field": "canary-not-base64"}'

    version = _write(store, "entry")
    for sealer, what in ((Locked(), "no identity"), (Wrong(), "not a payload")):
        with pytest.raises(Denied, match=what) as caught:
            LocalStore("here", path, sealer).read("entry", expect=version)
        assert (caught.value.store, caught.value.name) == ("here", "entry")
        assert caught.value.problems[0].hint
        assert_no_leak(caught.value)
    # a plan needs no key
    assert LocalStore("here", path, Locked()).survey({}).entries[0].vouched


# -- the file


def test_looking_makes_no_file(path: Path, store: LocalStore) -> None:
    assert store.survey({"entry": ""}).entries[0].state is State.ABSENT
    assert list(store.history("entry")) == []
    with pytest.raises(StoreError):
        store.read("entry", expect=Version("1"))
    with pytest.raises(StoreError):
        _write(store, "entry", expect=Version("1"))
    with pytest.raises(StoreError):
        delete(store, "entry", expect=Version("1"))
    with pytest.raises(StoreError):
        store.raise_fence(fence("b"), expect=fence("a"))
    assert not path.parent.exists()
    assert store.calls == 0


def test_only_its_owner_may_use_it(path: Path, store: LocalStore) -> None:
    before = os.umask(0)
    try:
        _write(store, "entry")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name], "a draft was left behind"


@pytest.mark.parametrize("content", [b"", b"canary-text" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_store_is_an_error(path: Path, store: LocalStore, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    _refused_by_all(store, Rejected)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(path: Path, store: LocalStore) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE entries (name TEXT)")
        db.execute("PRAGMA user_version = 1")  # other programs count their layouts too
    content = path.read_bytes()
    _refused_by_all(store, Rejected)
    assert path.read_bytes() == content


def test_a_file_that_vanishes_is_not_made_anew(path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look whether it is there and the call, which would then find an empty store."""
    monkeypatch.setattr(local, "exists", lambda _path: True)
    path.parent.mkdir()
    for act in (lambda: store.survey({"entry": ""}), lambda: _write(store, "entry", expect=Version("1"))):
        with pytest.raises(Denied):
            act()
    assert list(path.parent.iterdir()) == []


def test_a_name_that_cannot_be_is_not_there(store: LocalStore) -> None:
    _write(store, "entry")
    half = "half a pair: \ud83d"
    assert store.survey({half: ""}).entries[-1] == Observed(half, State.ABSENT)
    assert list(store.history(half)) == []
    with pytest.raises(Conflict):
        store.read(half, expect=Version("1"))
    with pytest.raises(Rejected) as caught:
        _write(store, half)
    str(caught.value).encode()


def test_a_newer_layout_is_not_guessed_at(path: Path, store: LocalStore) -> None:
    _write(store, "entry")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    _refused_by_all(store, Rejected)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_off_file_is_an_error_or_whole(path: Path, store: LocalStore, share: float) -> None:
    for word in ("first", "second", "third"):
        _write(store, word, word * 3000)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    try:
        seen = store.survey({})
    except StoreError:
        return
    assert [entry.name for entry in seen.entries] == ["first", "second", "third"]


def test_a_path_that_leads_nowhere_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    _refused_by_all(LocalStore("here", tmp_path / "file" / "store.db", SEALER), Rejected)
    _refused_by_all(LocalStore("here", tmp_path, SEALER), StoreError)

    def forbidden(self: Path) -> os.stat_result:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", forbidden)
    _refused_by_all(LocalStore("here", tmp_path / "store.db", SEALER), Denied)


def _refused_by_all(store: LocalStore, kind: type[StoreError]) -> None:
    for act in (
        lambda: store.survey({"entry": ""}),
        lambda: _write(store, "entry"),
        lambda: store.read("entry", expect=Version("1")),
        lambda: store.raise_fence(fence(), expect=None),
        lambda: list(store.history("entry")),
    ):
        with pytest.raises(kind) as caught:
            act()
        assert caught.value.store == "here"
        assert caught.value.problems[0].hint
        assert_no_leak(caught.value)


def test_a_directory_that_takes_no_file_is_an_error(
    path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: object, _target: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Rejected, match="not supported"):
        _write(store, "entry")
    assert list(path.parent.iterdir()) == [], "a draft was left behind"


def test_a_version_stands_for_one_value_for_ever(path: Path, store: LocalStore) -> None:
    _write(store, "entry")
    with closing(sqlite3.connect(path)) as db:
        for sql in ("UPDATE versions SET sealed = x'00'", "UPDATE versions SET version = 2", "DELETE FROM versions"):
            with pytest.raises(sqlite3.IntegrityError, match="a version is never"):
                db.execute(sql)


# -- others at the same time


def test_a_busy_file_is_to_be_tried_again(path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(store, "entry")
    monkeypatch.setattr(local_file, "_BUSY", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="another process"):
            store.survey({})
        with pytest.raises(Unavailable, match="another process"):
            _write(store, "other")
        db.execute("COMMIT")
    assert [entry.name for entry in store.survey({}).entries] == ["entry"]


@pytest.mark.parametrize("statement", ["BEGIN", "PRAGMA application_id"])
def test_a_file_that_is_in_use_again_and_again_is_asked_for_until_it_is_free(
    statement: str, path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As beside an apply of a thousand entries on a slow disk, which lets go of the file only for moments."""
    refusals = 0

    class Contended(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            nonlocal refusals
            if sql.startswith(statement) and refusals:
                refusals -= 1
                raise sqlite_error(sqlite3.SQLITE_BUSY, "database is locked")
            return super().execute(sql, *parameters)

    monkeypatch.setattr(LocalStore, "_connect", lambda _: local_file.connect(path, Contended))
    for act in (lambda: _write(store, "entry"), lambda: store.survey({})):
        refusals = 500
        act()
        assert refusals == 0
    assert store.calls == 2, "waiting is not asking for more"


_WRITER = """
import sys
from pathlib import Path
from sopsync.stores.local import LocalStore
from tests.stores.local_harness import AgeSealer
from sopsync.stores.testing.place import one, stamp
store, version = LocalStore("here", Path(sys.argv[1]), AgeSealer(sys.argv[4])), None
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    version = store.write(sys.argv[2], one(f"value-{number}"), stamp(), expect=version, options={}, tags={})
    print(version, flush=True)
"""


def _writer(path: Path, name: str, writes: int) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", _WRITER, str(path), name, str(writes), RECIPIENT]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )


def test_two_processes_lose_nothing(path: Path, store: LocalStore) -> None:
    """From the first moment on: both find no file."""
    writers = [_writer(path, name, 20) for name in ("left", "right")]
    said = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        out, _ = writer.communicate(timeout=60)
        said.append(out.split())
    assert said == [[str(number) for number in range(1, 21)]] * 2
    assert {entry.name: entry.version for entry in store.survey({}).entries} == {"left": "20", "right": "20"}


def test_a_killed_process_leaves_a_good_file(path: Path, store: LocalStore) -> None:
    for trial in range(5):
        with _writer(path, f"entry-{trial}", 10_000) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
            said = [writer.stdout.readline().strip() for _ in range(1 + trial * 3)]
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (seen,) = [entry for entry in store.survey({}).entries if entry.name == f"entry-{trial}"]
        assert seen.version is not None
        assert int(seen.version) >= int(said[-1]), "a write that was told is gone"
        assert seen.vouched
        assert store.read(seen.name, expect=seen.version).same(one(f"value-{int(seen.version) - 1}"))


# -- the kind


def test_a_config_opens_it(tmp_path: Path) -> None:
    kind = KINDS["local"]
    settings = kind.settings.model_validate({"type": "local", "recipients": ["age1…"]})
    asked: list[object] = []

    def sealer(recipients: object) -> object:
        asked.append(recipients)
        return SEALER

    store = kind.open("here", settings, Context(sealer=sealer, environ={}, base=tmp_path))  # type: ignore[arg-type]
    _write(store, "entry")  # type: ignore[arg-type]
    assert asked == [["age1…"]]
    assert (tmp_path / ".sopsync" / "store.db").exists()
    assert isinstance(settings, LocalSettings)
    with pytest.raises(ValueError, match="prunes"):
        kind.settings.model_validate({"type": "local", "recipients": ["age1…"], "prunes": "canary-x"})
