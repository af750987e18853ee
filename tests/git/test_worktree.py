"""Edits that no commit holds are noticed, and noticing them runs nothing and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sopsync.git import Repository
from tests.support.repo import Repo

PATHS = ["f", "d/g", "h"]


BOTH_HASHES = pytest.mark.parametrize("repo", ["sha1", "sha256"], indirect=True)


@pytest.fixture
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "r", object_format=getattr(request, "param", "sha1"))
    made.write("f", "f\n")
    made.write("d/g", "g\n")
    (made.path / "h").symlink_to("f")
    made.commit()
    return made


def uncommitted(repo: Repo, *more: str) -> set[str]:
    with Repository.open(repo.path) as opened:
        return set(opened.uncommitted([*PATHS, *more]))


@BOTH_HASHES
def test_a_clean_tree(repo: Repo) -> None:
    assert uncommitted(repo, "missing") == set()
    os.utime(repo.path / "f", (0, 0))  # touched, not changed
    assert uncommitted(repo) == set()


@BOTH_HASHES
def test_every_kind_of_edit(repo: Repo) -> None:
    repo.write("f", "F\n")
    assert uncommitted(repo) == {"f"}
    repo.git("add", "f")
    assert uncommitted(repo) == {"f"}
    repo.write("f", "f\n")  # staged still
    assert uncommitted(repo) == {"f"}
    repo.git("reset", "-q", "--hard")
    repo.remove("d/g")
    assert uncommitted(repo) == {"d/g"}
    repo.git("rm", "-q", "--cached", "d/g")
    assert uncommitted(repo) == {"d/g"}
    repo.git("reset", "-q", "--hard")
    repo.remove("h")
    (repo.path / "h").symlink_to("d/g")
    assert uncommitted(repo) == {"h"}
    repo.remove("h")
    repo.write("h", "f")  # what the link holds, as a file
    assert uncommitted(repo) == {"h"}
    repo.git("reset", "-q", "--hard")
    repo.write("new", "1")
    assert uncommitted(repo, "new") == {"new"}
    repo.git("add", "-N", "new")
    assert uncommitted(repo, "new") == {"new"}


def test_paths_not_asked_for_are_not_told(repo: Repo) -> None:
    repo.write("elsewhere", "1")
    assert uncommitted(repo) == set()


def test_a_pipe_in_place_of_a_file_does_not_hang(repo: Repo) -> None:
    repo.remove("f")
    os.mkfifo(repo.path / "f")
    assert uncommitted(repo) == {"f"}


def test_in_the_middle_of_a_merge(repo: Repo) -> None:
    repo.branch("side")
    repo.write("f", "side\n")
    repo.commit()
    repo.checkout("main")
    repo.write("f", "main\n")
    repo.commit()
    repo.git("merge", "side", check=False)
    assert uncommitted(repo) == {"f"}
    repo.git("reset", "-q", "--hard")
    repo.branch("gone", "HEAD~1")
    repo.remove("f")
    repo.commit()
    repo.checkout("main")
    repo.git("merge", "gone", check=False)
    assert (repo.path / "f").read_text() == "main\n"  # as in HEAD, and yet to be settled
    assert uncommitted(repo) == {"f"}


def test_line_ends_that_git_converts_are_no_edit(repo: Repo) -> None:
    repo.git("config", "core.autocrlf", "true")
    repo.remove("f")
    repo.git("checkout", "f")
    assert (repo.path / "f").read_bytes() == b"f\r\n"
    assert uncommitted(repo) == set()


def test_a_sparse_checkout_left_out_nothing_by_edit(repo: Repo) -> None:
    repo.git("sparse-checkout", "set", "--no-cone", "/f", "/h")
    assert not (repo.path / "d").exists()
    assert uncommitted(repo) == set()


def test_before_the_first_commit_everything_is_uncommitted(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "r")
    repo.write("f", "1")
    repo.write("h", "1")
    repo.git("add", "h")
    assert uncommitted(repo) == {"f", "h"}


def test_a_bare_repository_has_no_edits(repo: Repo) -> None:
    repo.git("clone", "-q", "--bare", ".", "../bare.git")
    assert uncommitted(Repo.at(repo.path.parent / "bare.git")) == set()


def test_a_linked_worktree_has_its_own(repo: Repo) -> None:
    repo.git("worktree", "add", "-q", "--detach", "../linked")
    linked = Repo.at(repo.path.parent / "linked")
    repo.write("f", "edited\n")
    assert uncommitted(linked) == set()
    linked.write("d/g", "edited\n")
    assert uncommitted(linked) == {"d/g"}


def test_seen_from_a_directory_below(repo: Repo) -> None:
    repo.write("f", "edited\n")
    with Repository.open(repo.path / "d") as opened:
        assert opened.uncommitted(PATHS) == ("f",)
