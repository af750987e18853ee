"""The leak guard and its searches find every planted leak, and nothing where nothing is."""

from __future__ import annotations

import base64
import gzip
import html
import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.support import leaks
from tests.support.exceptions import exception_texts
from tests.support.leaks import scan

SECRET = "canary-5äß&<\"'\\ \n0000"
"""Holds what every escaping changes."""

PLUGIN = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
    pytest_plugins = "tests.support.guard"
"""

PLANTED = """
    import logging, os, subprocess, sys
    import pytest
    from tests.support import leaks

    SECRET = "canary-" + "1234"

    @pytest.fixture
    def leaky():
        yield
        print(SECRET)

    def test_stdout(): print("x", SECRET)
    def test_stderr(): sys.stderr.write(SECRET)
    def test_descriptor(): os.write(2, SECRET.encode())
    def test_child(): subprocess.run(["echo", SECRET])
    def test_setup_teardown(leaky): pass
    def test_capsys_read(capsys): print(SECRET); capsys.readouterr()
    def test_capsys_left(capsys): print(SECRET)
    def test_capfd_read(capfd): os.write(1, SECRET.encode()); capfd.readouterr()
    def test_capfd_binary(capfdbinary): os.write(1, SECRET.encode()); capfdbinary.readouterr()
    def test_log_debug(): logging.getLogger("deep.down").debug("got %s", SECRET)
    def test_log_cleared(caplog): logging.warning(SECRET); caplog.clear()
    def test_log_extra(): logging.getLogger("x").debug("fine", extra={"detail": SECRET})
    def test_log_exception():
        try:
            raise ValueError(SECRET)
        except ValueError:
            logging.getLogger("x").debug("oops", exc_info=True)
    def test_watched(): leaks.watch("a pipe", SECRET)
    def test_encoded(): print(SECRET.encode().hex())

    def test_clean(capsys): print("canary", file=sys.stderr); logging.debug("fine")
    @pytest.mark.reveals("to show that it may")
    def test_allowed(): print(SECRET)
    @pytest.mark.reveals
    def test_no_reason(): pass
"""


@pytest.fixture
def planted(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of tests that all leak, but for two, under the guard."""
    pytester.makeconftest(PLUGIN)
    pytester.makepyfile(PLANTED)
    return pytester


@pytest.mark.reveals("pytest shows what its inner run printed")
@pytest.mark.parametrize("how", [["-p", "no:xdist"], ["-n", "1"]], ids=["in one process", "under xdist"])
def test_the_guard_fails_whatever_leaks(planted: pytest.Pytester, how: list[str]) -> None:
    done = planted.runpytest_subprocess("-q", "-rA", *how)
    total = PLANTED.count("def test_")
    # a leak in a fixture's teardown fails that phase: pytest counts the test as passed and an error beside it
    done.assert_outcomes(passed=3, failed=total - 4, errors=2)
    passed = {line.rsplit("::")[-1] for line in done.outlines if line.startswith("PASSED")}
    assert passed == {"test_clean", "test_allowed", "test_setup_teardown"}


def test_the_guard_says_where_and_not_what(planted: pytest.Pytester) -> None:
    done = planted.runpytest_subprocess("-q", "-k", "test_stdout or test_log_debug", "-p", "no:xdist")
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*Captured stdout call: in clear at byte 2", "*log record of 'deep.down': in clear*"])
    assert "1234" not in done.stdout.str()


FORMS: dict[str, Callable[[str], leaks.Text]] = {
    "clear": str,
    "bytes": str.encode,
    "JSON": json.dumps,
    "JSON with letters": lambda s: json.dumps(s, ensure_ascii=False),
    "JSON from Go": lambda s: json.dumps(s, ensure_ascii=False).replace("<", "\\u003c").replace("&", "\\u0026"),
    "repr": repr,
    "repr of bytes": lambda s: repr(s.encode()),
    "HTML": html.escape,
    "URL": lambda s: quote(s, safe=""),
    "form": quote_plus,
    "URL in lower case": lambda s: quote(s, safe="").replace("%C3%A4", "%c3%a4").replace("%C3%9F", "%c3%9f").lower(),
    "hex": lambda s: s.encode().hex(),
    "hex in lines": lambda s: "\n".join(s.encode().hex()[i : i + 5] for i in range(0, 99, 5)),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64, one byte in": lambda s: base64.b64encode(b"x" + s.encode()),
    "base64, two bytes in": lambda s: base64.b64encode(b"xy" + s.encode() + b"z"),
    "base64 in lines": lambda s: b"\n  ".join(base64.b64encode(s.encode())[i : i + 7] for i in range(0, 99, 7)),
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()),
    "utf-16": lambda s: s.encode("utf-16"),
    "reversed": lambda s: s.encode()[::-1],
    "gzip": lambda s: gzip.compress(s.encode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [0, len(leaks.MARK)], ids=["with its mark", "without"])
def test_every_disguise_is_seen_through(form: str, cut: int) -> None:
    secret = SECRET[cut:].replace("ß", "?") if form == "URL in lower case" and not cut else SECRET[cut:]
    disguised = FORMS[form](secret)
    assert scan({"here": disguised}, [secret])
    assert bool(scan(disguised)) is not cut, "the mark alone finds a secret that has it, and only that"
    assert not scan(FORMS[form]("innocent" + secret[5:]), [secret])


def test_a_finding_names_the_place_and_not_the_secret() -> None:
    (found,) = scan({"a log": "12345" + SECRET}, [SECRET])
    assert str(found) == "a log: in clear at byte 5"
    with pytest.raises(AssertionError) as failed:
        leaks.assert_clean(SECRET, [SECRET])
    assert not scan(str(failed.value), [SECRET])


def test_files_are_searched_inside_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert not scan(tmp_path)
    (tmp_path / "deep" / "plan.json").write_text(json.dumps({"a": SECRET}))
    (tmp_path / "canary-name").touch()
    (tmp_path / "link").symlink_to("canary-target")
    assert {leak.where.removeprefix(str(tmp_path)) for leak in scan(tmp_path)} == {
        "/deep/plan.json",
        "/<secret> (its name)",
        "/link (what it links to)",
    }


def test_a_missing_file_is_not_a_clean_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nothing")


def test_git_objects_are_inflated(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], input=b"canary-1", cwd=tmp_path, check=True, capture_output=True
    )
    assert [leak.where.endswith("(inflated)") for leak in scan(tmp_path)] == [True]


@pytest.mark.parametrize("value", ["canary-1", "x" * 4000 + "canary-" * 2000, gzip.compress(b"canary-1")], ids=len)
def test_databases_are_searched_cell_by_cell(tmp_path: Path, value: leaks.Text) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE entry (name TEXT, value BLOB)")
        db.executemany("INSERT INTO entry VALUES (?, ?)", [("a", None), ("b", value)])
    db.close()
    assert any("table entry, row 2" in leak.where for leak in scan(path))


def test_exceptions_are_searched_everywhere() -> None:
    """Each place in a chain is found under its own name, and only there."""

    class Carrier(ValueError):
        def __init__(self) -> None:
            self.doc = SECRET
            super().__init__("parse error")

    def noted() -> Exception:
        error = ValueError("fine")
        error.add_note(SECRET)
        return error

    def hidden() -> Exception:
        error = RuntimeError("clean")
        error.__context__, error.__suppress_context__ = Carrier(), True  # what `raise … from None` leaves behind
        return error

    def caused() -> Exception:
        error = RuntimeError("clean")
        error.__cause__ = ValueError(SECRET)
        return error

    places = {
        "ValueError: message": ValueError(SECRET),
        "ValueError: notes": noted(),
        "RuntimeError > suppressed context Carrier: attributes": hidden(),
        "RuntimeError > cause ValueError: message": caused(),
        "ExceptionGroup > member ValueError: message": ExceptionGroup("two", [TypeError(), ValueError(SECRET)]),
    }
    for place, error in places.items():
        assert place in {leak.where for leak in scan(exception_texts(error))}
    assert not scan(exception_texts(hidden(), suppressed=False))
    assert not scan(exception_texts(ValueError("fine")))


def test_local_variables_of_the_package_are_searched() -> None:
    """From the first frame of the package inwards: what an error tracker sends along."""
    from sopsync.model import Payload, Secret

    with pytest.raises(AttributeError) as raised:
        Payload(fields={"a": Secret(SECRET.encode())}).same(SECRET)  # type: ignore[arg-type]
    found = {leak.where for leak in scan(exception_texts(raised.value))}
    assert any("local other in model.py" in where for where in found)
    assert not scan(exception_texts(raised.value, local=False))
