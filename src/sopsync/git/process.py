"""Children of git that inherit no secrets, obey no stray environment, and run no program a repository names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sopsync.errors import SourceError

_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME", "GNUPGHOME", "TMPDIR", "SUDO_UID")
"""What git needs of the caller. Everything else is dropped: tokens and keys, and GIT_DIR, GIT_INDEX_FILE,
GIT_OBJECT_DIRECTORY, GIT_CONFIG_COUNT … which hooks and CI set and which would aim us at another repository. The one
exception is `locate.next_index`."""

_SET = {
    "LC_ALL": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",  # a replace ref would show other content under a commit's id
    "GIT_GRAFT_FILE": os.devnull,  # a graft would show other parents
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",  # a directory may be mounted into a work tree, as containers do
    # a partial clone fetches missing objects on demand: over the network, through programs its config names
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",  # older git does not know GIT_NO_LAZY_FETCH
}

_CONFIG = (
    # a repository's own config may name programs; the command line wins over it
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "advice.graftFileDeprecated=false",  # said of our GIT_GRAFT_FILE, before whatever went wrong
    "gpg.openpgp.program=gpg",
    "gpg.x509.program=gpgsm",
    "gpg.ssh.program=ssh-keygen",
)


def environment(caller: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a git child."""
    return {**{name: caller[name] for name in _KEPT if name in caller}, **_SET}


def command_line(*args: str | bytes, config: tuple[str, ...] = ()) -> list[str | bytes]:
    """The argument vector of a git child."""
    settings = [part for setting in (*_CONFIG, *config) for part in ("-c", setting)]
    return ["git", "--literal-pathspecs", *settings, *args]


def text(raw: bytes) -> str:
    """Git's bytes as text, the same on every machine: UTF-8, anything else as surrogate escapes (see stamp.py)."""
    return raw.decode("utf-8", "surrogateescape")


def raw(path: str) -> bytes:
    """The bytes `text` came from."""
    return path.encode("utf-8", "surrogateescape")


def printable(words: str) -> str:
    """Text that others wrote, fit for a message: control characters would steer the reader's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)


def shown(path: str) -> str:
    """The same for a path or revision, stray bytes escaped too."""
    return printable(raw(path).decode("utf-8", "backslashreplace"))


@dataclass(frozen=True, slots=True)
class Answer:
    """How a git command ended."""

    code: int
    out: bytes
    err: tuple[str, ...]
    """Lines, printable."""

    def failure(self, what: str) -> SourceError:
        """An error that says what did not work, with git's own first words."""
        return SourceError(
            f"{what}: {self.err[0][:300] if self.err else 'no reason given'}", hint="git fsck tells more"
        )


class Git:
    """Runs git in one directory."""

    def __init__(self, directory: Path, caller: Mapping[str, str], *, index: Path | None = None) -> None:
        """`index`: read this one, and not the repository's own."""
        self.directory = directory
        self._env = environment(caller) | ({"GIT_INDEX_FILE": str(index)} if index else {})

    def run(self, *args: str | bytes, config: tuple[str, ...] = ()) -> Answer:
        """One command to its end. Never raises for what git says; SourceError if there is no git."""
        with self.start(*args, config=config, stderr=subprocess.PIPE) as process:
            out, err = process.communicate()
        return Answer(process.returncode, out, tuple(map(shown, text(err).split("\n"))))

    def must(self, *args: str | bytes) -> bytes:
        """Standard output of a command that has no reason to fail. SourceError with git's own words if it does."""
        answer = self.run(*args)
        if answer.code:
            raise answer.failure(f"git {args[0]!s} failed")
        return answer.out

    def start(
        self, *args: str | bytes, config: tuple[str, ...] = (), stderr: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """A running command, pipes on both ends."""
        command = command_line(*args, config=config)
        pipe = subprocess.PIPE
        try:
            return subprocess.Popen(command, cwd=self.directory, env=self._env, stdin=pipe, stdout=pipe, stderr=stderr)
        except FileNotFoundError:
            raise SourceError("git is not installed", hint="install git 2.34 or later") from None


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a child that only reads, and let go of its pipes."""
    process.kill()
    with process:
        if process.stdin:
            # what was not sent has nowhere to go
            with suppress(BrokenPipeError):
                process.stdin.close()
