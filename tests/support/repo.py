"""Real git repositories for tests: made by real git commands, with the same commit ids on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

START = 1_700_000_000
"""Unix time of the first commit; each further one is a minute later."""


class Repo:
    """A repository under construction.

    >>> repo = Repo.init(tmp_path / "r"); repo.write("a.yaml", "x: 1\n"); sha = repo.commit("Add a")
    """

    def __init__(self, path: Path, env: dict[str, str]) -> None:
        self.path = path
        self.env = env
        self.now = START

    @classmethod
    def init(cls, path: Path, *, branch: str = "main", object_format: str = "sha1") -> Repo:
        """A new, empty repository at `path` (made if missing). The user's own git config plays no part."""
        path.mkdir(parents=True, exist_ok=True)
        repo = cls(path, _environment())
        repo.git("init", "-q", "-b", branch, f"--object-format={object_format}", ".")
        return repo

    @classmethod
    def at(cls, path: Path) -> Repo:
        """A repository that is already there: a clone, a linked worktree."""
        return cls(path, _environment())

    def git(self, *args: str | bytes | Path, data: bytes | None = None, check: bool = True) -> str:
        """Run one git command here; its output without the last newline. Fails the test if git fails."""
        dates = {"GIT_AUTHOR_DATE": f"{self.now} +0000", "GIT_COMMITTER_DATE": f"{self.now} +0000"}
        done = subprocess.run(
            ["git", *args], cwd=self.path, env={**self.env, **dates}, input=data, capture_output=True, check=False
        )
        said = done.stderr.decode(errors="replace")
        assert not check or done.returncode == 0, f"git {args[0]!r} ended with {done.returncode}: {said}"
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the work tree, making its directories. Text is UTF-8, line ends as given."""
        at = self.path / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(content.encode() if isinstance(content, str) else content)
        return at

    def remove(self, path: str) -> None:
        """Delete a file or directory of the work tree."""
        at = self.path / path
        if at.is_dir() and not at.is_symlink():
            shutil.rmtree(at)
        else:
            at.unlink()

    def move(self, old: str, new: str) -> None:
        """Rename in the work tree."""
        (self.path / new).parent.mkdir(parents=True, exist_ok=True)
        (self.path / old).rename(self.path / new)

    def commit(self, message: str = "Change") -> str:
        """Commit everything in the work tree (an empty commit is fine); the new commit's id."""
        self.git("add", "-A", ".")
        self.now += 60
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def merge(self, *branches: str, message: str = "Merge", **files: str | bytes) -> str:
        """A merge commit of `branches` into what is checked out. Keyword arguments name files to settle it with
        (`**{"path": content}`), conflicts or not; without any, git must be able to merge by itself."""
        self.now += 60
        self.git("merge", "-q", "--no-ff", "--no-commit", *branches, check=not files)
        for path, content in files.items():
            self.write(path, content)
        self.git("add", "-A", ".")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def branch(self, name: str, at: str = "HEAD") -> None:
        """Make a branch and check it out."""
        self.git("checkout", "-q", "-b", name, at)

    def checkout(self, name: str) -> None:
        self.git("checkout", "-q", name)

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


def _environment() -> dict[str, str]:
    """Nobody's configuration and a fixed author: commit ids depend on nothing but the content."""
    who = {"NAME": "Ana Diaz", "EMAIL": "ana@acme.example"}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
    }
