"""Records are what frozen slotted dataclasses are, and opening a file does not load what those would."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from sopsync.record import record


@record(hide=("secret",))
class Pair:
    name: str
    secret: str = "canary-default"

    @property
    def both(self) -> str:
        return self.name + self.secret


@record()
class Other:
    name: str
    secret: str = ""


@record()
class Lone:
    items: tuple[int, ...]


def test_fields_defaults_and_properties() -> None:
    assert Pair("a", secret="b").both == "ab"
    assert Pair("a").secret == "canary-default"
    with pytest.raises(TypeError, match="name"):
        Pair()  # type: ignore[call-arg]


def test_equal_by_value_and_class() -> None:
    assert Pair("a", "b") == Pair("a", "b") != Pair("a", "c")
    assert Pair("a", "b") != Other("a", "b")  # type: ignore[comparison-overlap]
    assert len({Pair("a"), Pair("a"), Lone((1,)), Lone((1,)), Lone((2,))}) == 3


def test_nothing_changes_or_is_added() -> None:
    pair = Pair("a")
    for name in ("name", "more"):
        with pytest.raises(AttributeError, match=name):
            setattr(pair, name, "b")
    with pytest.raises(AttributeError):
        del pair.name
    assert not hasattr(pair, "__dict__")


def test_hidden_fields_are_not_shown() -> None:
    assert repr(Pair("a", "canary-1")) == "Pair(name='a')"
    assert repr(Lone((1, 2))) == "Lone(items=(1, 2))"


@pytest.mark.parametrize("made", [Pair("a", "b"), Lone((1,))])
def test_copies_are_equal(made: object) -> None:
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes


def test_patterns_see_fields_in_order() -> None:
    match Pair("a", "b"):
        case Pair(name, secret):
            assert (name, secret) == ("a", "b")


def test_opening_a_file_loads_neither_dataclasses_nor_inspect() -> None:
    modules = "document, yaml_file, json_file, dotenv_file, ini_file, emit, keyring"
    script = f"from sopsync.sops import {modules}; import sopsync.sops.keys.age, sys\n"
    script += "print([name for name in ('dataclasses', 'inspect', 'traceback') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
