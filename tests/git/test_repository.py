"""What a repository of any shape shows, and what it says when it cannot."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.git import Repository, TreeEntry, objects, process
from tests.support.repo import START, Repo

ODD_PATHS = [
    "plain.yaml",
    "-n.yaml",
    "with space/and:colon.yaml",
    'quote".yaml',
    "back\\slash.yaml",
    "new\nline.yaml",
    "tab\t.yaml",
    "star*[a].yaml",
    "ümlaut/日本.yaml",
    b"latin-\xe9.yaml".decode("utf-8", "surrogateescape"),
    ":(top)magic.yaml",
    "end-of\nfile\n",
]


BOTH_HASHES = pytest.mark.parametrize("repo", ["sha1", "sha256"], indirect=True)


@pytest.fixture
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "r", object_format=getattr(request, "param", "sha1"))
    made.write("a/b.yaml", "b: 1\n")
    made.commit("Add b")
    return made


def says(error: pytest.ExceptionInfo[SourceError], *words: str) -> None:
    assert error.value.problems[0].hint
    for word in words:
        assert word in str(error.value)


# -- opening


def shapes(repo: Repo) -> dict[str, Path]:
    """The same commit, seen from everywhere one may stand."""
    repo.git("worktree", "add", "-q", "--detach", "../linked")
    repo.git("clone", "-q", "--bare", ".", "../bare.git")
    repo.git("clone", "-q", "--separate-git-dir=../elsewhere", ".", "../separate")
    top = repo.path.parent
    Repo.at(top / "bare.git").git("worktree", "add", "-q", "--detach", "../of-bare")
    return {
        "top": repo.path,
        "below": repo.path / "a",
        "file": repo.path / "a/b.yaml",
        "git directory": repo.path / ".git",
        "linked worktree": top / "linked/a",
        "bare": top / "bare.git",
        "inside bare": top / "bare.git/refs",
        "separate": top / "separate",
        "worktree of bare": top / "of-bare",
    }


@BOTH_HASHES
def test_opens_from_everywhere(repo: Repo) -> None:
    head = repo.head()
    bases = {}
    for name, path in shapes(repo).items():
        with Repository.open(path) as opened:
            assert opened.resolve("HEAD") == head, name
            assert opened.read(opened.tree(head), ["a/b.yaml"]) == {"a/b.yaml": b"b: 1\n"}, name
            bases[name] = opened.base
    top = repo.path.parent
    assert bases["below"] == bases["file"] == bases["git directory"] == repo.path
    assert bases["linked worktree"] == top / "linked"
    assert bases["bare"] == bases["inside bare"] == top / "bare.git"


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        Repository.open(tmp_path)
    says(error, "not a git repository", "git init")
    with pytest.raises(SourceError) as error:
        Repository.open(tmp_path / "nowhere")
    says(error, "no such directory")


def test_a_repository_of_somebody_else_is_not_trusted(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    # git's own switch for its own test of the same
    monkeypatch.setitem(process._SET, "GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SourceError) as error:
        Repository.open(repo.path)
    says(error, "somebody else", f"safe.directory {repo.path}")


def test_a_broken_repository_says_so(repo: Repo) -> None:
    (repo.path / ".git/config").write_text("[core\n")
    with pytest.raises(SourceError) as error:
        Repository.open(repo.path)
    says(error, "git cannot read", "config")


def test_no_git_is_said(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceError) as error:
        Repository.open(repo.path)
    says(error, "git is not installed")


def test_a_work_tree_elsewhere_is_not_ours(repo: Repo) -> None:
    other = Repo.init(repo.path.parent / "other")
    repo.git("config", "core.worktree", str(other.path))
    for start in (repo.path / ".git", repo.path):
        with pytest.raises(SourceError) as error:
            Repository.open(start)
        says(error, "work tree elsewhere", "--repo")


@pytest.mark.parametrize("name", ["two\nlines", "true\nfalse\n", "a b", "\udcff"])
def test_a_directory_of_any_name(tmp_path: Path, name: str) -> None:
    repo = Repo.init(tmp_path / name / "r")
    repo.write("a/f", "x")
    head = repo.commit()
    repo.git("clone", "-q", "--bare", ".", "../bare.git")
    starts = {"r": repo.path, "r/a": repo.path, "r/.git": repo.path, "bare.git": repo.path.parent / "bare.git"}
    for start, base in starts.items():
        with Repository.open(repo.path.parent / start) as opened:
            assert (opened.base, opened.resolve("HEAD")) == (base, head)


# -- revisions


@BOTH_HASHES
def test_revisions_resolve_to_commits(repo: Repo) -> None:
    first = repo.head()
    repo.git("tag", "-a", "-m", "annotated", "v1")
    second = repo.commit("Second")
    with Repository.open(repo.path) as opened:
        assert opened.resolve("HEAD") == opened.resolve("main") == opened.resolve(second[:12]) == second
        assert opened.resolve("v1") == opened.resolve("HEAD~1") == opened.resolve("main^{commit}^") == first
        assert opened.has(first)
        assert not opened.has("0" * len(first))
        assert not opened.has(first[:10])
        assert not opened.has(opened.tree(first)["a/b.yaml"].oid)


@pytest.mark.parametrize(
    "rev",
    ["", "-h", "--all", "--output=x", "nothing", "HEAD:a/b.yaml", ":/Add", "HEAD\nHEAD", "HEAD~9", "a\0b", "é\x1b["],
)
def test_what_is_no_commit_is_refused(repo: Repo, rev: str) -> None:
    with Repository.open(repo.path) as opened:
        with pytest.raises(SourceError) as error:
            opened.resolve(rev)
        says(error)
        assert "\x1b" not in str(error.value)
        assert opened.resolve("HEAD") == repo.head()


def test_a_revision_never_looks_like_an_option(repo: Repo) -> None:
    repo.git("update-ref", "refs/heads/-x", "HEAD")
    with Repository.open(repo.path) as opened:
        assert opened.resolve("heads/-x") == repo.head()
        with pytest.raises(SourceError, match="not a revision"):
            opened.resolve("-x")


def test_an_abbreviation_of_two_commits_is_refused(repo: Repo) -> None:
    stream = "".join(
        f"commit refs/heads/many\ncommitter A <a@b> {1_700_000_000 + n} +0000\ndata 1\nm\n" for n in range(1500)
    )
    repo.git("fast-import", "--quiet", data=stream.encode())
    starts = Counter(commit[:4] for commit in repo.git("rev-list", "many").split())
    with Repository.open(repo.path) as opened, pytest.raises(SourceError, match="more than one"):
        opened.resolve(starts.most_common(1)[0][0])


def test_methods_take_full_ids_only(repo: Repo) -> None:
    head = repo.head()
    with Repository.open(repo.path) as opened:
        asks: list[Callable[[str], object]] = [
            opened.tree,
            opened.root,
            opened.info,
            lambda c: opened.on_branch(c, "main"),
            lambda c: opened.is_ancestor(head, c),
            lambda c: opened.signature(c, None),
            lambda c: opened.histories(["a/b.yaml"], c),
        ]
        for ask in asks:
            for bad in ("HEAD", "--all", head[:10], "f" * len(head)):
                with pytest.raises(SourceError):
                    ask(bad)


def test_an_empty_repository(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "r")
    with Repository.open(repo.path) as opened:
        with pytest.raises(SourceError) as error:
            opened.resolve("HEAD")
        says(error, "no commit yet")
        assert opened.branch() == "main"


# -- files


@BOTH_HASHES
def test_every_path_is_listed_and_read(repo: Repo) -> None:
    for number, path in enumerate(ODD_PATHS):
        data = str(number).encode()
        at = repo.path / os.fsdecode(path.encode("utf-8", "surrogateescape"))
        at.parent.mkdir(exist_ok=True)
        at.write_bytes(data)
    commit = repo.commit()
    with Repository.open(repo.path) as opened:
        tree = opened.tree(commit)
        assert set(tree) == {*ODD_PATHS, "a/b.yaml"}
        assert tree.commit == commit
        assert list(opened.read(tree, ODD_PATHS).values()) == [str(n).encode() for n in range(len(ODD_PATHS))]
        assert opened.uncommitted(ODD_PATHS) == ()
        for path in ODD_PATHS:
            assert [r.commit for r in opened.history(path, commit)] == [commit]
            (repo.path / path).write_text("edited")
            assert opened.uncommitted(ODD_PATHS) == (path,)
            repo.git("checkout", "-q", ".")


def test_commits_are_read_never_the_work_tree(repo: Repo) -> None:
    repo.write("a/b.yaml", "edited\n")
    repo.write("new.yaml", "new\n")
    repo.git("add", "new.yaml")
    with Repository.open(repo.path) as opened:
        tree = opened.tree(repo.head())
        assert dict(tree) == {"a/b.yaml": TreeEntry("file", tree["a/b.yaml"].oid)}
        assert opened.read(tree, ["a/b.yaml"]) == {"a/b.yaml": b"b: 1\n"}


def test_what_is_no_file_is_named_all_at_once(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo.path / "link.yaml").symlink_to("a/b.yaml")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"
    repo.write("lfs.yaml", pointer)
    repo.write("big.yaml", "x" * 2000)
    repo.write("about-lfs.yaml", pointer + "#" * 1024)
    repo.git("add", ".")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.head()},sub.yaml")
    repo.git("commit", "-q", "-m", "odd")
    monkeypatch.setattr(objects, "LIMIT", 1500)
    with Repository.open(repo.path) as opened:
        tree = opened.tree(repo.head())
        assert {path: entry.kind for path, entry in tree.items()} == {
            **dict.fromkeys(("a/b.yaml", "about-lfs.yaml", "big.yaml", "lfs.yaml"), "file"),
            "link.yaml": "link",
            "sub.yaml": "submodule",
        }
        with pytest.raises(SourceError) as error:
            opened.read(tree, [*tree, "missing.yaml"])
        said = {problem.where: str(problem) for problem in error.value.problems}
        assert "symbolic link" in said.pop("link.yaml")
        assert "submodule" in said.pop("sub.yaml")
        assert "git lfs untrack lfs.yaml" in said.pop("lfs.yaml")
        assert "larger than" in said.pop("big.yaml")
        assert "not in this commit" in said.pop("missing.yaml")
        assert not said
        assert opened.read(tree, [*tree, "missing.yaml"], strict=False).keys() == {"a/b.yaml", "about-lfs.yaml"}


def test_trees_cannot_be_changed(repo: Repo) -> None:
    with Repository.open(repo.path) as opened:
        tree = opened.tree(repo.head())
        with pytest.raises(TypeError):
            tree["x"] = TreeEntry("file", "")  # type: ignore[index]
        with pytest.raises(AttributeError):
            tree.commit = ""  # type: ignore[misc]


def test_only_a_few_trees_are_kept(repo: Repo) -> None:
    """A sealed plan may look at a hundred older commits, of a repository with a million paths."""
    commits = [repo.commit(str(n)) for n in range(8)]
    with Repository.open(repo.path) as opened:
        for commit in [*commits, *commits]:
            assert opened.tree(commit).commit == commit
        assert len(opened._trees) < 5


def test_a_lost_object_is_an_error_never_a_missing_file(repo: Repo) -> None:
    with Repository.open(repo.path) as opened:
        tree = opened.tree(repo.head())
        oid = tree["a/b.yaml"].oid
        (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
        for strict in (True, False):
            with pytest.raises(SourceError) as error:
                opened.read(tree, ["a/b.yaml"], strict=strict)
            says(error, "no blob", "--filter")


@BOTH_HASHES
def test_a_partial_clone_fetches_nothing_behind_our_back(repo: Repo) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.path}", "../partial.git")
    with Repository.open(repo.path.parent / "partial.git") as opened:
        tree = opened.tree(opened.resolve("HEAD"))
        with pytest.raises(SourceError) as error:
            opened.read(tree, ["a/b.yaml"])
        says(error, "clone without --filter")
        assert opened.resolve("HEAD") == repo.head()  # still of use
    missing = Repo.at(repo.path.parent / "partial.git").git("rev-list", "--all", "--objects", "--missing=print")
    assert f"?{tree['a/b.yaml'].oid}" in missing


# -- ancestry


def test_the_root_is_where_first_parents_end(repo: Repo) -> None:
    root = repo.head()
    for name, age in {"older": -10_000_000, "younger": 30}.items():
        other = Repo.init(repo.path.parent / name, object_format=repo.git("rev-parse", "--show-object-format"))
        other.now = START + age
        other.write(f"{name}.yaml", "1")
        other.commit(name)
        repo.git("fetch", "-q", str(other.path), "main")
        repo.git("merge", "-q", "--allow-unrelated-histories", "-m", "Bring in", "FETCH_HEAD")
    with Repository.open(repo.path) as opened:
        assert opened.root(repo.head()) == opened.root(root) == root


@BOTH_HASHES
def test_ancestry(repo: Repo) -> None:
    first = repo.head()
    repo.branch("side")
    side = repo.commit("Side")
    repo.checkout("main")
    main = repo.commit("Main")
    merge = repo.merge("side")
    with Repository.open(repo.path) as opened:
        assert opened.is_ancestor(first, merge)
        assert opened.is_ancestor(side, merge)
        assert opened.is_ancestor(merge, merge)
        assert not opened.is_ancestor(merge, first)
        assert not opened.is_ancestor(side, main)
        assert not opened.is_ancestor("f" * len(first), main)
        assert not opened.is_ancestor("--all", main)


def test_branches(repo: Repo) -> None:
    first = repo.head()
    repo.branch("feature/main")
    feature = repo.commit("Not merged")
    with Repository.open(repo.path) as opened:
        assert opened.branch() == "feature/main"
        assert opened.on_branch(first, "main")
        assert not opened.on_branch(feature, "main")
        assert opened.on_branch(feature, "feature/main")
    repo.git("checkout", "-q", first)
    with Repository.open(repo.path) as opened:
        assert opened.branch() == ""


def test_a_branch_may_be_known_from_a_remote_only(repo: Repo) -> None:
    first = repo.head()
    repo.branch("feature/main")
    feature = repo.commit("Not merged")
    repo.git("clone", "-q", "--no-local", ".", "../clone")
    clone = Repo.at(repo.path.parent / "clone")
    clone.git("checkout", "-q", "--detach")
    with Repository.open(clone.path) as opened:
        assert opened.on_branch(first, "main")
        # origin/feature/main is another branch than main
        assert not opened.on_branch(feature, "main")
        with pytest.raises(SourceError) as error:
            opened.on_branch(first, "release")
        says(error, "no branch release", "git fetch origin release")
        for bad in ("", "-d", "*", "mai[n]", "ma?n", "a\nb", "feature/*"):
            with pytest.raises(SourceError, match="branch name"):
                opened.on_branch(first, bad)


def test_a_branch_below_is_another(repo: Repo) -> None:
    """git-for-each-ref(1): a pattern matches "from the beginning up to a slash", too."""
    repo.branch("next")
    repo.git("branch", "-D", "main")
    for ref in ("refs/heads/main/x", "refs/heads/main/main", "refs/remotes/origin/main/x", "refs/remotes/a/b/main"):
        repo.git("update-ref", ref, "HEAD")
    with Repository.open(repo.path) as opened:
        for branch in ("main/x", "main/main", "next"):
            assert opened.on_branch(repo.head(), branch)
        with pytest.raises(SourceError, match="no branch main"):
            opened.on_branch(repo.head(), "main")


def test_a_tag_of_the_same_name_is_no_branch(repo: Repo) -> None:
    repo.branch("other")
    other = repo.commit("Other")
    repo.git("tag", "main")
    with Repository.open(repo.path) as opened:
        assert not opened.on_branch(other, "main")


def test_a_shallow_clone_says_what_to_fetch(repo: Repo) -> None:
    first = repo.head()
    second = repo.commit("Second")
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", "../shallow")
    with Repository.open(repo.path.parent / "shallow") as opened:
        assert opened.resolve("HEAD") == second
        assert list(opened.tree(second)) == ["a/b.yaml"]
        assert not opened.has(first)
        asks: list[Callable[[], object]] = [
            lambda: opened.root(second),
            lambda: opened.histories(["a/b.yaml"], second),
        ]
        for ask in asks:
            with pytest.raises(SourceError) as error:
                ask()
            says(error, "fetch-depth: 0")


def test_where_history_is_cut_no_is_not_an_answer(repo: Repo) -> None:
    repo.branch("side")
    side = repo.commit("Side")
    repo.checkout("main")
    repo.merge("side")
    last = repo.commit("Last")
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.path}", "../shallow")
    with Repository.open(repo.path.parent / "shallow") as opened:
        assert opened.on_branch(last, "main")
        with pytest.raises(SourceError, match="shallow"):
            opened.is_ancestor(side, last)
        with pytest.raises(SourceError, match="shallow"):
            opened.on_branch(side, "main")


# -- commits for people


def test_info(repo: Repo) -> None:
    repo.git(
        "-c",
        "user.name=x",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "Rotate\nthe token\n\nBody",
        "--date=@1700000000 +0530",
    )
    with Repository.open(repo.path) as opened:
        info = opened.info(repo.head())
    assert (info.author, info.email, info.subject) == ("Ana Diaz", "ana@acme.example", "Rotate the token")
    assert info.date == "2023-11-15T03:43:20+05:30"


@pytest.mark.parametrize(
    ("author", "message", "want"),
    [
        (b"A <a@b> 1700000000 +0000", b"S\n", ("A", "a@b", "2023-11-14T22:13:20Z", "S")),
        (b"<> 0 -0130", b"", ("", "", "1969-12-31T22:30:00-01:30", "")),
        (b"A <a@b> 99999999999999999999 +0000", b"S", ("A", "a@b", "", "S")),
        (b"A <a@b> 0 +9999", b"S", ("A", "a@b", "1970-01-01T00:00:00Z", "S")),
        (b"nonsense", b"S", ("", "", "", "S")),
        (b"A <a@b> 0 +0000\nauthor B <b@c> 1 +0000", b"S", ("A", "a@b", "1970-01-01T00:00:00Z", "S")),
        (
            b"\x1b[2J\xe9 <a\x07@b> 0 +0000",
            b"\nS\x9b\x08\n\n\nB",
            ("\\x1b[2J\ufffd", "a\\x07@b", "1970-01-01T00:00:00Z", "S\ufffd\\x08"),
        ),
    ],
)
def test_info_of_odd_commits(tmp_path: Path, author: bytes, message: bytes, want: tuple[str, ...]) -> None:
    repo = Repo.init(tmp_path / "r")
    tree = repo.git("write-tree").encode()
    data = b"tree " + tree + b"\nauthor " + author + b"\ncommitter C <c@d> 0 +0000\n\n" + message
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=data)
    with Repository.open(repo.path) as opened:
        info = opened.info(commit)
    assert (info.author, info.email, info.date, info.subject) == want


def test_info_in_another_encoding(repo: Repo) -> None:
    repo.git("-c", "i18n.commitEncoding=latin1", "commit", "-q", "--allow-empty", "-F", "-", data=b"caf\xe9\n")
    with Repository.open(repo.path) as opened:
        assert opened.info(repo.head()).subject == "café"
