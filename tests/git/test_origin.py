"""Which commit an entry's value comes from, as sops and git really change files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from sopsync import sops
from sopsync.digest import token
from sopsync.errors import SopsyncError
from sopsync.git import Repository, Revision
from sopsync.origin import Sight, origins
from sopsync.sops.tree import Scalar, leaves
from tests.support.repo import Repo
from tests.support.servers import tool

SECRETS = {"a": "canary-a", "b": "canary-b", "c": {"d": "canary-d", "e": ["canary-e", 1]}}


class Sealed:
    """A repository of SOPS files, changed with sops itself."""

    def __init__(self, path: Path) -> None:
        self.repo = Repo.init(path)
        identity = pyrage.x25519.Identity.generate()
        self.recipient = str(identity.to_public())
        self.env = {"PATH": os.environ["PATH"], "HOME": str(path), "SOPS_AGE_KEY": str(identity)}
        self.looks = 0

    def sops(self, *args: str, data: bytes | None = None) -> bytes:
        """Run sops in the work tree; its output."""
        command = [tool("sops"), *args]
        done = subprocess.run(command, cwd=self.repo.path, env=self.env, input=data, capture_output=True, check=False)
        assert done.returncode == 0, f"sops {args[0]} failed"
        return done.stdout

    def seal(self, path: str, values: Mapping[str, object] = SECRETS) -> str:
        """Encrypt and commit a file."""
        sealed = self.sops(
            "encrypt", "--age", self.recipient, "--filename-override", path, data=json.dumps(values).encode()
        )
        self.repo.write(path, sealed)
        return self.repo.commit(f"Add {path}")

    def set(self, path: str, key: str, value: str) -> str:
        self.sops("set", path, f'["{key}"]', json.dumps(value))
        return self.repo.commit(f"Set {key} in {path}")

    def rotate(self, path: str) -> str:
        self.sops("rotate", "-i", path)
        return self.repo.commit(f"Rotate {path}")

    def text(self, path: str, change: Callable[[str], str]) -> str:
        """Edit a file as text, without sops."""
        at = self.repo.path / path
        before = at.read_bytes().decode()
        after = change(before)
        assert after != before
        at.write_bytes(after.encode())
        return self.repo.commit(f"Edit {path}")

    def origins(self, path: str, *, keys: bool = False) -> dict[str, str]:
        """Top-level key → origin commit, seen from HEAD; with the age key at hand if `keys`."""
        keyring = sops.Keyring.from_environment(self.env)
        with Repository.open(self.repo.path) as opened, opened.histories([path], self.repo.head()) as files:

            def look(revision: Revision) -> Sight | None:
                self.looks += 1
                try:
                    root = sops.parse(opened.blob(revision.oid), format=sops.format_of(revision.path)).root
                except SopsyncError:
                    return None
                ciphers = {leaf.cipher for _, leaf, _ in leaves(root) if isinstance(leaf, Scalar) and leaf.cipher}
                return Sight({key: token(node, (key,)) for key, _, node in root.items}, frozenset(ciphers))

            def value(revision: Revision, key: str) -> object:
                data = opened.blob(revision.oid)
                document = sops.decrypt(data, format=sops.format_of(revision.path), keyring=keyring)
                return json.loads(document.to_json())[key]

            def same_value(older: Revision, newer: Revision, key: str) -> bool | None:
                try:
                    return value(older, key) == value(newer, key)
                except SopsyncError:
                    return None

            newest = files.newest(path)
            assert newest
            same = same_value if keys else None
            return origins(newest, ["a", "b", "c", "nothing"], older=files.older, look=look, same_value=same)


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path / "r")


@pytest.mark.parametrize("path", ["s.yaml", "s.json"])
def test_setting_one_key_leaves_the_others_alone(sealed: Sealed, path: str) -> None:
    first = sealed.seal(path)
    b = sealed.set(path, "b", "canary-b2")
    sealed.repo.write("unrelated", "1")
    sealed.repo.commit()
    assert sealed.origins(path) == {"a": first, "b": b, "c": first}
    b = sealed.set(path, "b", "canary-b3")
    c = sealed.set(path, "c", "canary-c")
    assert sealed.origins(path) == {"a": first, "b": b, "c": c}


def test_rotation_is_seen_through_where_keys_are_at_hand(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    b = sealed.set("s.yaml", "b", "canary-b2")
    rotated = sealed.rotate("s.yaml")
    # a sealed look cannot know that the values are the same
    assert sealed.origins("s.yaml") == {"a": rotated, "b": rotated, "c": rotated}
    assert sealed.origins("s.yaml", keys=True) == {"a": first, "b": b, "c": first}
    c = sealed.set("s.yaml", "c", "canary-c")
    again = sealed.rotate("s.yaml")
    assert sealed.origins("s.yaml") == {"a": again, "b": again, "c": again}
    assert sealed.origins("s.yaml", keys=True) == {"a": first, "b": b, "c": c}


def test_a_rotation_that_also_changes_a_value(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    sealed.sops("rotate", "-i", "s.yaml")
    both = sealed.set("s.yaml", "b", "canary-b2")
    assert sealed.origins("s.yaml", keys=True) == {"a": first, "b": both, "c": first}


def test_a_rotation_out_of_the_reach_of_our_keys(sealed: Sealed) -> None:
    sealed.seal("s.yaml")
    stranger = str(pyrage.x25519.Identity.generate().to_public())
    sealed.sops("rotate", "-i", "--add-age", stranger, "s.yaml")
    rotated = sealed.repo.commit()
    sealed.env["SOPS_AGE_KEY"] = str(pyrage.x25519.Identity.generate())
    assert sealed.origins("s.yaml", keys=True) == {"a": rotated, "b": rotated, "c": rotated}


def test_updatekeys_changes_no_value(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    more = f"{sealed.recipient},{pyrage.x25519.Identity.generate().to_public()}"
    sealed.repo.write(".sops.yaml", f"creation_rules: [{{age: '{more}'}}]\n")
    sealed.sops("updatekeys", "--yes", "s.yaml")
    updated = sealed.repo.commit()
    assert updated in sealed.repo.git("log", "--format=%H", "--", "s.yaml")
    assert sealed.origins("s.yaml") == {"a": first, "b": first, "c": first}


def test_reformatting_changes_no_value(sealed: Sealed) -> None:
    first = sealed.seal("s.json")
    sealed.text("s.json", lambda old: json.dumps(json.loads(old), separators=(",", ":")))
    b = sealed.set("s.json", "b", "canary-b2")  # sops writes it in its own form again
    assert sealed.origins("s.json") == {"a": first, "b": b, "c": first}
    first = sealed.seal("s.yaml")
    sealed.text("s.yaml", lambda old: old.replace("\n", "\r\n"))
    sealed.text("s.yaml", lambda old: "# reviewed\r\n\r\n" + old)
    assert sealed.origins("s.yaml") == {"a": first, "b": first, "c": first}


def test_a_revert_is_the_last_change(sealed: Sealed) -> None:
    """The old ciphertext comes back, but not before the revert: who asks when the value changed last must find that."""
    first = sealed.seal("s.yaml")
    sealed.set("s.yaml", "b", "canary-b2")
    sealed.repo.now += 60
    sealed.repo.git("revert", "--no-edit", "HEAD")
    assert sealed.origins("s.yaml", keys=True) == {"a": first, "b": sealed.repo.head(), "c": first}


def test_a_key_that_was_away_comes_from_where_it_came_back(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    before = (sealed.repo.path / "s.yaml").read_text()
    sealed.sops("unset", "s.yaml", '["b"]')
    sealed.repo.commit()
    back = sealed.text("s.yaml", lambda _: before)
    assert sealed.origins("s.yaml", keys=True) == {"a": first, "b": back, "c": first}


def test_a_file_that_was_broken_comes_from_its_repair(sealed: Sealed) -> None:
    sealed.seal("s.yaml")
    before = (sealed.repo.path / "s.yaml").read_text()
    sealed.text("s.yaml", lambda old: "<<<<<<< HEAD\n" + old)
    repair = sealed.text("s.yaml", lambda _: before)
    assert sealed.origins("s.yaml", keys=True) == {"a": repair, "b": repair, "c": repair}
    sealed.text("s.yaml", lambda old: "<<<<<<< HEAD\n" + old)
    assert sealed.origins("s.yaml") == {}


def test_a_squash_merge_is_one_commit(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    sealed.repo.branch("side")
    sealed.set("s.yaml", "a", "canary-a2")
    sealed.set("s.yaml", "b", "canary-b2")
    sealed.repo.checkout("main")
    sealed.repo.git("merge", "-q", "--squash", "side")
    squashed = sealed.repo.commit("Squashed (#1)")
    assert sealed.origins("s.yaml") == {"a": squashed, "b": squashed, "c": first}


def test_a_merge_brings_in_what_a_branch_changed(sealed: Sealed) -> None:
    first = sealed.seal("s.yaml")
    sealed.repo.branch("side")
    b = sealed.set("s.yaml", "b", "canary-b2")
    sealed.repo.checkout("main")
    sealed.repo.write("unrelated", "1")
    sealed.repo.commit()
    sealed.repo.merge("side")
    assert sealed.origins("s.yaml") == {"a": first, "b": b, "c": first}


def test_a_merge_of_two_changes_to_one_file(sealed: Sealed) -> None:
    """Both sides changed the MAC, so somebody settles the merge by hand; each key still comes from its own side.
    What the merge itself changes (an evil merge) comes from the merge."""
    first = sealed.seal("s.yaml")
    sealed.repo.branch("side")
    b = sealed.set("s.yaml", "b", "canary-b2")
    theirs = (sealed.repo.path / "s.yaml").read_text().splitlines()
    sealed.repo.checkout("main")
    a = sealed.set("s.yaml", "a", "canary-a2")
    ours = (sealed.repo.path / "s.yaml").read_text().splitlines()
    new_b = next(line for line in theirs if line.startswith("b:"))
    settled = "\n".join(new_b if line.startswith("b:") else line for line in ours) + "\n"
    sealed.repo.merge("side", **{"s.yaml": settled})
    assert sealed.origins("s.yaml") == {"a": a, "b": b, "c": first}
    evil = sealed.repo.git(
        "commit-tree", "-p", "HEAD~1", "-p", "side", "-m", "Evil", _tree_with_other_c(sealed, settled)
    )
    sealed.repo.git("checkout", "-q", "--detach", evil)
    assert sealed.origins("s.yaml") == {"a": a, "b": b, "c": evil}


def _tree_with_other_c(sealed: Sealed, settled: str) -> str:
    at = sealed.repo.write("s.yaml", settled.replace("d: ENC[AES256_GCM,data:", "d: ENC[AES256_GCM,data:AAAA"))
    assert at.read_text() != settled
    sealed.repo.git("add", ".")
    return sealed.repo.git("write-tree")


def test_renames(sealed: Sealed) -> None:
    first = sealed.seal("old/s.yaml")
    sealed.repo.move("old/s.yaml", "new/s.yaml")
    sealed.repo.commit("Move")
    assert sealed.origins("new/s.yaml") == {"a": first, "b": first, "c": first}
    sealed.repo.move("new/s.yaml", "newer.yaml")
    b = sealed.set("newer.yaml", "b", "canary-b2")  # moved and changed at once
    assert "new/s.yaml" in sealed.repo.git("show", "--name-status", "--format=", "-M")
    assert sealed.origins("newer.yaml") == {"a": first, "b": b, "c": first}
    sealed.rotate("newer.yaml")
    assert sealed.origins("newer.yaml", keys=True) == {"a": first, "b": b, "c": first}


# -- the walk itself, without git


@dataclass(frozen=True)
class Step:
    """A revision that knows its past."""

    commit: str
    tokens: tuple[tuple[str, str], ...]
    ciphers: frozenset[str] = frozenset({"same"})
    before: tuple[Step, ...] = ()


def step(commit: str, *before: Step, ciphers: str = "same", **tokens: str) -> Step:
    return Step(commit, tuple(tokens.items()), frozenset({ciphers}), before)


def walk(
    newest: Step, *wanted: str, same: Callable[[Step, Step, str], bool | None] | None = None
) -> tuple[dict[str, str], list[str]]:
    looked = []

    def look(revision: Step) -> Sight:
        looked.append(revision.commit)
        return Sight(dict(revision.tokens), revision.ciphers)

    return origins(newest, wanted, older=lambda r: r.before, look=look, same_value=same), looked


def test_it_looks_no_further_than_the_oldest_line_needs() -> None:
    one = step("1", a="x", b="x")
    two = step("2", one, a="x", b="y")
    three = step("3", two, a="x", b="z")
    four = step("4", three, a="x", b="z")
    assert walk(four, "b") == ({"b": "3"}, ["4", "3", "2"])
    assert walk(four, "a", "b") == ({"a": "1", "b": "3"}, ["4", "3", "2", "1"])
    assert walk(four, "missing") == ({}, ["4"])
    assert walk(four) == ({}, ["4"])


def test_an_unchanged_line_of_a_merge_goes_before_one_of_equal_value() -> None:
    root = step("0", a="x", ciphers="x")
    ours = step("1", root, a="y", ciphers="y")  # rotated
    theirs = step("2", root, a="x", b="n", ciphers="x")
    merge = step("3", ours, theirs, a="x", b="m", ciphers="x")
    assert walk(merge, "a", same=lambda *_: True)[0] == {"a": "0"}
    assert "1" not in walk(merge, "a", same=None)[0].values()


def test_values_are_compared_only_where_every_ciphertext_changed() -> None:
    asked = []

    def same(older: Step, newer: Step, key: str) -> bool | None:
        asked.append((older.commit, newer.commit, key))
        return {"a": True, "b": False, "c": None}[key]

    one = step("1", a="x", b="x", c="x", ciphers="old")
    two = step("2", one, a="y", b="y", c="y", ciphers="new")
    three = step("3", two, a="z", b="y", c="y", ciphers="new")
    assert walk(three, "a", "b", "c", same=same)[0] == {"a": "3", "b": "2", "c": "2"}
    assert asked == [("1", "2", key) for _, _, key in asked]
    assert {key for *_, key in asked} == {"b", "c"}
    assert walk(two, "a", same=same)[0] == {"a": "1"}
    # a key that was not there had no value
    assert walk(step("3", one, new="n", ciphers="new"), "new", same=lambda *_: True)[0] == {"new": "3"}


def test_thousands_of_entries_and_hundreds_of_revisions() -> None:
    """Each revision is looked at once, whatever the number of entries; no recursion."""
    keys = [f"k{n}" for n in range(10_000)]
    newest = None
    for n in range(300):
        tokens = {key: str(n if i % 1_000 == n else -1) for i, key in enumerate(keys[:1_000])}
        newest = step(str(n), *([newest] if newest else []), **tokens)
    assert newest
    found, looked = walk(newest, *keys)
    assert len(looked) == 300
    assert len(found) == 1_000
