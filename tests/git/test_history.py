"""Which commit a file's content comes from, whatever way it went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.git import Repository, Revision
from sopsync.git import history as git_history
from tests.support.repo import Repo

BODY = "".join(f"line {n}: some text that makes files alike\n" for n in range(20))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo.init(tmp_path / "r")


def line(repo: Repo, path: str = "f", at: str = "") -> list[tuple[str, str]]:
    """(commit, path) of each revision, newest first."""
    with Repository.open(repo.path) as opened:
        return [(r.commit, r.path) for r in opened.history(path, at or repo.head())]


def commits(repo: Repo, path: str = "f") -> list[str]:
    return [commit for commit, _ in line(repo, path)]


def put(repo: Repo, content: str, path: str = "f") -> str:
    repo.write(path, content)
    return repo.commit(f"{path}: {content[:9]}")


def test_only_commits_that_changed_the_file(repo: Repo) -> None:
    one = put(repo, "1")
    put(repo, "other", "g")
    two = put(repo, "2")
    put(repo, "more", "g")
    assert commits(repo) == [two, one]
    assert line(repo, "g", one) == []
    assert line(repo, "nothing") == []


def test_content_is_that_of_the_revision(repo: Repo) -> None:
    put(repo, "1")
    put(repo, "2")
    with Repository.open(repo.path) as opened:
        assert [opened.blob(r.oid) for r in opened.history("f", repo.head())] == [b"2", b"1"]


def test_a_revert_is_a_revision(repo: Repo) -> None:
    one = put(repo, "1")
    two = put(repo, "2")
    back = put(repo, "1")
    assert commits(repo) == [back, two, one]


def test_a_mode_is_no_content(repo: Repo) -> None:
    one = put(repo, "1")
    (repo.path / "f").chmod(0o755)
    repo.commit()
    assert commits(repo) == [one]


def test_what_came_before_a_deletion_is_another_file(repo: Repo) -> None:
    put(repo, "1")
    repo.remove("f")
    repo.commit()
    again = put(repo, "1")
    assert commits(repo) == [again]


def test_what_was_a_link_is_another_file(repo: Repo) -> None:
    put(repo, "1")
    (repo.path / "f").unlink()
    (repo.path / "f").symlink_to("1")
    assert newest(repo, ["f"], repo.commit()) == {}
    (repo.path / "f").unlink()
    again = put(repo, "1")
    assert commits(repo) == [again]


def test_a_merge_that_takes_a_side_is_no_revision(repo: Repo) -> None:
    one = put(repo, "1")
    repo.branch("side")
    two = put(repo, "2")
    repo.checkout("main")
    put(repo, "x", "g")
    repo.merge("side")
    assert commits(repo) == [two, one]


def test_the_same_change_on_both_sides_is_the_first_parents(repo: Repo) -> None:
    one = put(repo, "1")
    repo.branch("side")
    put(repo, "2")
    repo.checkout("main")
    put(repo, "x", "g")
    ours = put(repo, "2")
    repo.merge("side")
    assert commits(repo) == [ours, one]


def test_a_change_made_in_a_merge_is_the_merges(repo: Repo) -> None:
    one = put(repo, "1")
    repo.branch("side")
    put(repo, "x", "g")
    repo.checkout("main")
    put(repo, "x", "h")
    evil = repo.merge("side", f="evil")
    assert commits(repo) == [evil, one]


def test_a_merge_of_two_changes_leads_to_both(repo: Repo) -> None:
    one = put(repo, "1")
    repo.branch("side")
    theirs = put(repo, "2")
    repo.checkout("main")
    ours = put(repo, "3")
    both = repo.merge("side", f="2 and 3")
    assert commits(repo) == [both, ours, theirs, one]
    with Repository.open(repo.path) as opened, opened.histories(["f"], both) as files:
        newest = files.newest("f")
        assert newest == Revision(both, "f", opened.tree(both)["f"].oid)
        assert [r.commit for r in files.older(newest)] == [ours, theirs]
    # newest first, whichever parent it is of
    repo.checkout("side")
    other = repo.merge("main", f="3 and 2")
    assert commits(repo) == [other, both, ours, theirs, one]


def test_a_merge_may_take_one_file_from_each_side(repo: Repo) -> None:
    """Seen for both files at once, such a merge is like neither parent."""
    put(repo, "1", "f")
    put(repo, "1", "g")
    repo.branch("side")
    theirs = put(repo, "2", "g")
    repo.checkout("main")
    ours = put(repo, "2", "f")
    merge = repo.merge("side")
    assert newest(repo, ["f", "g"], merge) == {"f": ours, "g": theirs}


def newest(repo: Repo, paths: Sequence[str], at: str) -> dict[str, str]:
    with Repository.open(repo.path) as opened, opened.histories(paths, at) as files:
        return {path: r.commit for path in paths if (r := files.newest(path))}


def test_a_squashed_branch_is_one_commit(repo: Repo) -> None:
    one = put(repo, "1")
    repo.branch("side")
    put(repo, "2")
    put(repo, "3")
    repo.checkout("main")
    repo.git("merge", "-q", "--squash", "side")
    squashed = repo.commit("Squashed (#1)")
    assert commits(repo) == [squashed, one]


def test_a_rename_is_followed(repo: Repo) -> None:
    one = put(repo, BODY, "old/f")
    repo.move("old/f", "new/f")
    moved = repo.commit("Move")
    two = put(repo, BODY + "2", "new/f")
    assert line(repo, "new/f") == [(two, "new/f"), (moved, "new/f"), (one, "old/f")]


def test_a_rename_with_an_edit_is_followed_while_most_is_alike(repo: Repo) -> None:
    one = put(repo, BODY, "old")
    repo.remove("old")
    moved = put(repo, BODY.replace("line 3", "LINE 3"), "new")
    assert line(repo, "new") == [(moved, "new"), (one, "old")]
    repo.remove("new")
    unlike = put(repo, "all new", "newer")
    assert line(repo, "newer") == [(unlike, "newer")]


def test_a_rename_chain_with_a_name_used_again(repo: Repo) -> None:
    one = put(repo, BODY, "a")
    repo.move("a", "b")
    two = repo.commit()
    other = put(repo, "something else", "a")
    repo.move("b", "c")
    three = repo.commit()
    assert line(repo, "c") == [(three, "c"), (two, "b"), (one, "a")]
    assert line(repo, "a") == [(other, "a")]


def test_a_file_renamed_on_one_side_and_edited_on_the_other(repo: Repo) -> None:
    one = put(repo, BODY, "old")
    repo.branch("side")
    edited = put(repo, BODY + "edit\n", "old")
    repo.checkout("main")
    repo.move("old", "new")
    moved = repo.commit("Move")
    merge = repo.merge("side")
    assert (repo.path / "new").read_text() == BODY + "edit\n"
    assert sorted(line(repo, "new")) == sorted([(merge, "new"), (moved, "new"), (edited, "old"), (one, "old")])


def test_a_renamed_directory_costs_no_process_for_each_file(repo: Repo) -> None:
    paths = [f"new/{n}" for n in range(30)]
    first = {}
    for n in range(30):
        repo.write(f"old/{n}", f"{n}\n" + BODY)
    one = repo.commit()
    for n in range(0, 30, 2):
        first[n] = put(repo, f"{n} edited\n" + BODY, f"old/{n}")
    repo.move("old", "new")
    moved = repo.commit()
    with Repository.open(repo.path) as opened, opened.histories(paths, moved) as files:
        for n, path in enumerate(paths):
            at = files.newest(path)
            assert at is not None
            assert at.commit == moved
            assert files.older(at) == (Revision(first.get(n, one), f"old/{n}", at.oid),)
        assert len(files._walks) == 2


def test_many_paths_are_asked_for_as_directories(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    want = {}
    for n in range(8):
        want[f"d{n % 3}/f{n}"] = put(repo, str(n), f"d{n % 3}/f{n}")
        put(repo, str(n), f"d{n % 3}/other")
        put(repo, str(n), "top")
    for limit, spec in (
        (8, sorted(want)),
        (3, ["d0", "d1", "d2"]),
        (2, []),
    ):
        monkeypatch.setattr(git_history, "_PATHSPECS", limit)
        assert git_history._pathspec(want) == [path.encode() for path in spec]
        assert newest(repo, [*want, "missing"], repo.head()) == want


def test_history_is_read_no_further_than_asked(repo: Repo) -> None:
    stream = "".join(
        f"commit refs/heads/main\ncommitter A <a@b> {1_700_000_000 + n} +0000\ndata 1\nm"
        f"\nM 100644 inline f\ndata 4\n{n:04}\n"
        for n in range(500)
    )
    repo.git("fast-import", "--quiet", data=stream.encode())
    with Repository.open(repo.path) as opened, opened.histories(["f"], opened.resolve("main")) as files:
        at = files.newest("f")
        assert at is not None
        assert len(files.older(at)) == 1
        assert len(files._start._nodes) <= 3


def test_lost_history_is_an_error_not_an_end(repo: Repo) -> None:
    one = put(repo, "1")
    put(repo, "2")
    (repo.path / ".git/objects" / one[:2] / one[2:]).unlink()
    with pytest.raises(SourceError, match="cannot read the history"):
        commits(repo)


def test_child_processes_end(repo: Repo) -> None:
    put(repo, "1")
    put(repo, "2")
    with Repository.open(repo.path) as opened:
        history = opened.history("f", repo.head())
        next(history)
        walking = opened.histories(["f"], repo.head())
        at = walking.newest("f")
        assert at
        children = [opened._objects._process, walking._start._process, walking._start._differ._process]
        walking.close()
        walking.close()
        history.close()  # type: ignore[attr-defined]
    opened.close()
    assert all(child is not None and child.poll() is not None for child in children)
