"""Which merge brought a commit to the branch: the one whose first parent did not have it yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopsync.git import Repository
from sopsync.git.commit import Header
from sopsync.lineage import beside, pull_request
from tests.support.repo import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "r")
    made.write("f", "1")
    made.commit("Start")
    return made


def on(repo: Repo, branch: str, file: str) -> str:
    repo.git("checkout", "-q", branch)
    repo.write(file, branch)
    return repo.commit(f"{file} on {branch}")


def merge(repo: Repo, into: str, branch: str) -> str:
    repo.git("checkout", "-q", into)
    repo.git("merge", "-q", "--no-ff", "-m", f"Merge {branch} into {into}", branch)
    return repo.head()


def brought(repo: Repo, commit: str, tip: str = "main") -> str:
    with Repository.open(repo.path) as opened:
        return opened.brought_by(commit, opened.resolve(tip))


def test_a_commit_of_the_line_itself(repo: Repo) -> None:
    first = repo.head()
    second = on(repo, "main", "g")
    assert (brought(repo, first), brought(repo, second)) == ("", "")


def test_a_merged_branch_and_a_branch_in_it(repo: Repo) -> None:
    """Through two merges: the one that reached main counts, not the one on the way, nor what came later."""
    repo.git("branch", "topic")
    repo.git("branch", "part")
    part = on(repo, "part", "a")
    topic = on(repo, "topic", "b")
    merge(repo, "topic", "part")
    on(repo, "main", "c")
    merged = merge(repo, "main", "topic")
    later = on(repo, "main", "d")
    assert (brought(repo, part), brought(repo, topic)) == (merged, merged)
    assert brought(repo, later) == ""
    assert brought(repo, merged) == ""


def test_main_merged_into_the_branch_first(repo: Repo) -> None:
    """An update from main on the way does not make main's own commits the branch's."""
    repo.git("branch", "topic")
    topic = on(repo, "topic", "a")
    main = on(repo, "main", "b")
    merge(repo, "topic", "main")
    merged = merge(repo, "main", "topic")
    assert (brought(repo, topic), brought(repo, main)) == (merged, "")


def test_a_commit_that_is_not_behind(repo: Repo) -> None:
    repo.git("branch", "topic")
    topic = on(repo, "topic", "a")
    on(repo, "main", "b")
    assert brought(repo, topic) == ""


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("Rotate API token (#412)", "#412"),
        ("Revert (#410) by hand (#412)", "#412"),
        ("Merge pull request #412 from acme/rotate", "#412"),
        ("Merged in rotate (pull request #412)", "#412"),
        ("Merged PR 412: Rotate API token", "#412"),
        (
            "Merge branch 'topic' into 'main'\n\nRotate API token\n\nSee merge request acme/web.site/secrets-2!412",
            "!412",
        ),
        ("Rotate API token\n\nSee merge request !412\n\nSigned-off-by: Ana Diaz <ana@acme.example>", "!412"),
        (
            "Merge\r\n\n> See merge request acme/x!1\r\nSee merge request acme/x!2\r\nSee merge request acme/x!412\r\n",
            "!412",
        ),
        ("Rotate (#7)\n\nSee merge request acme/secrets!412", "#7"),
        ("Fix #412", ""),
        ("(#412) is reverted", ""),
        ("Merge branch 'topic' into 'main'", ""),
        ("See merge request acme/secrets!412", ""),
        ("Fix\n\nSee merge request acme/secrets!412 for why", ""),
        ("", ""),
        (f"Rotate (#{'9' * 5000})", ""),
    ],
)
def test_pull_requests(message: str, named: str) -> None:
    assert pull_request(Header.of(f"tree x\n\n{message}\n".encode()).info("c0ffee")) == named


def test_a_pull_request_is_told_beside_a_text_that_does_not_name_it() -> None:
    assert beside("Rotate (#4)", "#4") == "Rotate (#4)"
    assert beside("Mend what #41 broke", "#4") == "Mend what #41 broke #4"
    assert beside("Rotate", "") == "Rotate"
