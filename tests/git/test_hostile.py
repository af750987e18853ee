"""Neither the caller's environment nor a repository's own config aims git elsewhere, runs programs or sees secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sopsync.errors import SourceError
from sopsync.git import Repository
from tests.support.repo import Repo

EVERYTHING = """
import sys
from pathlib import Path
from sopsync.git import Repository
with Repository.open(Path(sys.argv[1])) as repo:
    commit = repo.resolve("HEAD")
    tree = repo.tree(commit)
    print(commit, sorted(tree), repo.read(tree, ["f"]))
    print(repo.root(commit), repo.branch(), repo.on_branch(commit, "main"))
    print(repo.info(commit).subject, repo.is_ancestor(commit, commit), repo.uncommitted(["f"]))
    print([revision.commit for revision in repo.history("f", commit)], repo.signature(commit, Path(sys.argv[2])))
"""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo.init(tmp_path / "r")
    made.write("f", "1\n")
    made.commit("First")
    made.write("f", "2\n")
    made.commit("Second")
    return made


def spy(tmp_path: Path) -> tuple[Path, Path]:
    """(a directory with a `git` that writes down how it is called, the file it writes to)."""
    real, log, directory = shutil.which("git"), tmp_path / "calls", tmp_path / "bin"
    assert real
    directory.mkdir()
    (directory / "git").write_text(f'#!/bin/sh\n(echo "CALL $*"; env) >> "{log}"\nexec "{real}" "$@"\n')
    (directory / "git").chmod(0o755)
    log.touch()
    return directory, log


def test_children_inherit_neither_secrets_nor_directions(repo: Repo, tmp_path: Path) -> None:
    other = Repo.init(tmp_path / "other")
    other.write("f", "other")
    other.commit()
    (tmp_path / "allowed").touch()
    directory, log = spy(tmp_path)
    elsewhere = str(other.path / ".git")
    keep = {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    hostile = {
        "GIT_DIR": elsewhere,
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": f"{elsewhere}/index",
        "GIT_OBJECT_DIRECTORY": f"{elsewhere}/objects",
        "GIT_NAMESPACE": "other",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_EXTERNAL_DIFF": "false",
        "SOPS_AGE_KEY": "canary-age",
        "VAULT_TOKEN": "canary-vault",
        "AWS_SECRET_ACCESS_KEY": "canary-aws",
        "SSH_AUTH_SOCK": "canary-agent",
    }
    arguments = [sys.executable, "-c", EVERYTHING, str(repo.path), str(tmp_path / "allowed")]
    plain = subprocess.run(arguments, env=keep, capture_output=True, text=True, check=True).stdout
    log.write_text("")
    done = subprocess.run(arguments, env=keep | hostile, capture_output=True, text=True, check=True)
    assert done.stdout == plain
    assert "Second True ()" in plain
    lines = log.read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("CALL")}
    told = {"LC_ALL", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE", "GIT_OPTIONAL_LOCKS", "GIT_TERMINAL_PROMPT"}
    told |= {"GIT_NO_LAZY_FETCH", "GIT_ALLOW_PROTOCOL", "GIT_DISCOVERY_ACROSS_FILESYSTEM"}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "TMPDIR"} | told  # the first four are the spy's
    assert sum(line.startswith("CALL") for line in lines) > 5
    assert "canary" not in log.read_text() + done.stdout + done.stderr
    assert not (tmp_path / "trace").exists()


def test_a_plan_of_many_files_takes_a_handful_of_processes(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"services/s{n}/prod.yaml" for n in range(200)]
    for path in paths:
        repo.write(path, f"key: {path}\n")
    commit = repo.commit()
    directory, log = spy(tmp_path)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    with Repository.open(repo.path) as opened:
        for _ in range(2):  # asking again is free
            assert opened.resolve("HEAD") == commit
            tree = opened.tree(commit)
            assert len(opened.read(tree, paths)) == 200
            assert opened.root(commit)
        assert opened.info(commit).subject
        assert opened.has(commit)
        calls = [line for line in log.read_text().splitlines() if line.startswith("CALL")]
        assert len(calls) == 4, calls  # rev-parse, cat-file, ls-tree, rev-list
        assert opened.branch() == "main"
        assert opened.on_branch(commit, "main")
        assert opened.is_ancestor(commit, commit)
        assert opened.uncommitted(paths) == ()
        calls = [line for line in log.read_text().splitlines() if line.startswith("CALL")]
        assert len(calls) == 8, calls
        with opened.histories(paths, commit) as files:
            for path in paths:
                newest = files.newest(path)
                assert newest
                assert files.older(newest) == ()
        calls = [line for line in log.read_text().splitlines() if line.startswith("CALL")]
        assert len(calls) <= 11, calls  # rev-list and two comparisons, for all 200 files


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a mark where it was run."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/sprung"\nexit 1\n')
    program.chmod(0o755)
    return program


def sprung(trap: Path) -> bool:
    """Whether the trap was run since last asked."""
    mark = trap.parent / "sprung"
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


def arm(repo: Repo, trap: Path) -> None:
    """Put the trap wherever a repository's config, attributes or hooks can name a program."""
    settings = (
        "core.fsmonitor core.pager core.editor core.askPass core.sshCommand core.gitProxy core.alternateRefsCommand "
        "diff.external diff.odd.textconv diff.odd.command filter.odd.clean filter.odd.smudge filter.odd.process "
        "gpg.program gpg.openpgp.program gpg.ssh.program gpg.x509.program gpg.ssh.defaultKeyCommand credential.helper "
        "uploadpack.packObjectsHook pager.log pager.diff pager.rev-list merge.odd.driver interactive.diffFilter "
        "sequence.editor trailer.odd.command"
    )
    for setting in settings.split():
        repo.git("config", setting, str(trap))
    for command in ("rev-parse", "cat-file", "ls-tree", "rev-list", "ls-files", "diff-tree", "verify-commit"):
        repo.git("config", f"alias.{command}", f"!{trap}")
    repo.git("config", "log.showSignature", "true")
    repo.git("config", "core.hooksPath", str(repo.path / ".git/hooks"))
    for hook in ("post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc", "fsmonitor-watchman"):
        at = repo.path / ".git/hooks" / hook
        at.parent.mkdir(exist_ok=True)
        at.unlink(missing_ok=True)
        at.symlink_to(trap)
    attributes = repo.path / ".git/info/attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("* diff=odd filter=odd merge=odd\n")


def test_a_repository_cannot_make_us_run_its_programs(repo: Repo, trap: Path, tmp_path: Path) -> None:
    tree = repo.git("rev-parse", "HEAD^{tree}")
    signed = (
        f"tree {tree}\nparent {repo.head()}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\ngpgsig %s\n\nSigned\n"
    )
    odd = {
        kind: repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=(signed % armor).encode())
        for kind, armor in {
            "pgp": "-----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----",
            "ssh": "-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----",
            "x509": "-----BEGIN SIGNED MESSAGE-----\n AAAA\n -----END SIGNED MESSAGE-----",
        }.items()
    }
    arm(repo, trap)
    repo.write("f", "edited\n")
    allowed = tmp_path / "allowed"
    allowed.touch()
    with Repository.open(repo.path) as opened:
        commit = opened.resolve("HEAD")
        for id_ in (commit, *odd.values()):
            assert opened.tree(id_)
            assert not opened.signature(id_, allowed).good
            assert opened.info(id_).subject
            assert list(opened.history("f", id_))
        assert opened.read(opened.tree(commit), ["f"]) == {"f": b"2\n"}
        assert opened.uncommitted(["f"]) == ("f",)
        assert opened.on_branch(commit, "main")
        assert opened.branch() == "main"
        assert opened.root(commit)
    assert not sprung(trap)
    # that the trap works at all
    for command in (["status"], ["diff"], ["-c", "core.fsmonitor=", "log", "-p"], ["verify-commit", odd["pgp"]]):
        repo.git(*command, check=False)
        assert sprung(trap), command


def test_a_missing_object_is_not_fetched_through_a_program(repo: Repo, trap: Path) -> None:
    oid = repo.git("rev-parse", "HEAD:f")
    (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    for setting, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{trap} fetch",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(trap),
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        repo.git("config", setting, value)
    with Repository.open(repo.path) as opened:
        commit = opened.resolve("HEAD")
        for _ in range(2):
            with pytest.raises(SourceError, match="--filter"):
                opened.read(opened.tree(commit), ["f"])
        assert opened.info(commit).subject == "Second"
    assert not sprung(trap)
    repo.git("cat-file", "-p", oid, check=False)
    assert sprung(trap)


def test_replacements_and_grafts_are_not_believed(repo: Repo) -> None:
    second, first = repo.git("rev-list", "HEAD").split()
    repo.branch("fake")
    repo.write("f", "fake\n")
    fake = repo.commit("Fake")
    repo.checkout("main")
    repo.git("replace", second, fake)
    (repo.path / ".git/info").mkdir(exist_ok=True)
    (repo.path / ".git/info/grafts").write_text(f"{second}\n{first} {fake}\n")
    assert repo.git("log", "-1", "--format=%s", second) == "Fake"
    with Repository.open(repo.path) as opened:
        assert opened.info(second).subject == "Second"
        assert opened.read(opened.tree(second), ["f"]) == {"f": b"2\n"}
        assert opened.root(second) == first
        assert opened.is_ancestor(first, second)
        assert not opened.is_ancestor(fake, first)
        assert [r.commit for r in opened.history("f", second)] == [second, first]


def test_odd_bytes_of_git_do_not_reach_the_terminal(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "\x1b[2Jr")
    repo.commit()
    with Repository.open(repo.path) as opened:
        tree = opened.tree(opened.resolve("HEAD"))
        with pytest.raises(SourceError) as error:
            opened.read(tree, ["\x1b[2J\udce9.yaml"])
    assert str(error.value).startswith("\\x1b[2J\\xe9.yaml: ")
    str(error.value).encode("utf-8")
    with pytest.raises(SourceError) as error:
        Repository.open(repo.path / "missing")
    assert "\x1b" not in str(error.value)
