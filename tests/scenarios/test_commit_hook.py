"""`check --staged` as git itself runs it: what it looks at is the commit being made, however that is put together."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.git import Repository
from tests.support.repo import Repo
from tests.support.story import Stage

CONFIG = """\
version: 1
owner: acme
stores: {{local: {{type: local, recipients: [{recipient}]}}}}
sync: [{{from: "{{service}}.yaml", to: [{{store: local, name: "{{service}}"}}]}}]
"""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A good commit, a hook that checks the next, and an edit in clear that is not staged."""
    made = Stage(tmp_path, monkeypatch, lambda _repo: None)
    made.repo.write("sopsync.yaml", CONFIG.format(recipient=made.recipient))
    made.do_put(["api.yaml", "a=canary-1"])
    made.do_commit(["Start"])
    hook = made.repo.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    # from a directory below: git means GIT_INDEX_FILE from the top all the same
    hook.write_text(f"#!/bin/sh\nmkdir -p below && cd below && exec '{sys.executable}' -m sopsync check --staged\n")
    hook.chmod(0o755)
    made.repo.write("api.yaml", "a: in clear\n")
    return made.repo


COMMITS = pytest.mark.parametrize("how", ["-a", "api.yaml", "--include api.yaml"])


@COMMITS
def test_what_a_commit_brings_beside_the_index_is_checked(repo: Repo, how: str) -> None:
    before = repo.head()
    repo.git("commit", "-q", "-m", "In clear", *how.split(), check=False)
    assert repo.head() == before
    repo.git("checkout", "-q", "api.yaml")
    repo.write("api.yaml", (repo.path / "api.yaml").read_text() + "# a comment\n")
    repo.git("commit", "-q", "-m", "All is well", *how.split())
    assert repo.head() != before


@COMMITS
def test_in_a_linked_work_tree_too(repo: Repo, how: str) -> None:
    repo.git("worktree", "add", "-q", "-b", "other", "../linked")
    linked = Repo.at(repo.path.parent / "linked")
    before = linked.head()
    linked.write("api.yaml", "a: in clear\n")
    linked.git("commit", "-q", "-m", "In clear", *how.split(), check=False)
    assert linked.head() == before


def test_what_is_left_out_of_a_commit_is_not_checked(repo: Repo) -> None:
    before = repo.head()
    repo.git("add", "api.yaml")
    repo.write("note.txt", "x\n")
    repo.git("add", "-N", "note.txt")
    repo.git("commit", "-q", "-m", "Only the note", "note.txt")
    assert repo.head() != before


@pytest.mark.parametrize("named", ["../other/.git/index", ".git/index.lock"])
def test_another_repositorys_index_or_none_is_never_an_empty_one(
    repo: Repo, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repo.init(repo.path.parent / "other")
    other.write("f", "1")
    other.git("add", "f")
    monkeypatch.setenv("GIT_INDEX_FILE", named)
    with Repository.open(repo.path) as opened, pytest.raises(SourceError, match="GIT_INDEX_FILE"):
        opened.staged()
