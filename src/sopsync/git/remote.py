"""Fetches one branch into a bare clone of our own; the token goes over a pipe, to the one program that asks for it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from sopsync.errors import SourceError
from sopsync.git.address import Address
from sopsync.git.process import command_line, environment, shown, text

_NETWORK = (
    *("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"),
)
"""What a child that goes to the network needs besides: how to get there, and whom to trust."""
_BRANCH = re.compile(r"(?![-/.])[\w./+@#=-]+(?<![/.])")
_SECONDS = 600.0
"""For one fetch. git itself gives up earlier on a server that sends next to nothing."""
_CONFIG = (
    "credential.helper=",  # git would hand a token that worked to helpers, and one of them writes it to disk
    "http.followRedirects=false",  # a token is for the host it was given for
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "gc.autoDetach=false",  # nothing of ours runs on unseen
)
_DAMAGED = "the clone in --storage is damaged: remove it, and the next run makes it anew"
_HINTS = (
    ("Authentication failed", "the token is wrong, has expired, or may not read this repository"),
    ("could not read Password", "the server wants a token: --token-file or --token-command"),
    ("could not read Username", "the server wants a token: --token-file or --token-command"),
    ("unable to update url base from redirection", "the repository has moved: name its new URL"),
    ("The requested URL returned error: 30", "the repository has moved: name its new URL"),
    ("Host key verification failed", "--known-hosts lacks the key of this host (ssh-keyscan, then compare)"),
    ("Permission denied", "the deploy key may not read this repository, or --ssh-key is another"),
    ("couldn't find remote ref", "--rev names a branch of the repository"),
    ("No space left on device", "make room, or --storage another place; nothing was changed in any store"),
    ("Repository not found", "the URL is wrong, or the token may not see it"),
    (
        "dubious ownership",
        "it is somebody else's; if you trust it: git config --global --add safe.directory PATH",
    ),
    ("not a git repository", _DAMAGED),
    ("object file", _DAMAGED),
    ("bad object", _DAMAGED),
)


@dataclass(frozen=True, slots=True)
class Access:
    """What the server wants. `token` is asked anew for each fetch; `user` goes with it."""

    token: Callable[[], bytes] | None = field(default=None, repr=False)
    user: str = "x-access-token"
    ssh_key: Path | None = None
    known_hosts: Path | None = None


class Remote:
    """One remote repository, and the folder its clone is kept in. One run at a time uses the folder."""

    def __init__(self, address: Address, access: Access, storage: Path, environ: Mapping[str, str]) -> None:
        self._address = address
        self._access = access
        self._storage = storage
        self._environ = environ

    @contextmanager
    def fetched(self, branch: str, stop: Event) -> Iterator[Path]:
        """The bare clone with `branch` as the remote has it now, kept from other runs until the end.

        SourceError: the remote cannot be reached or read, the folder is in use or full, or `stop` was set.
        """
        import fcntl  # not on Windows, where everything else works

        if not _BRANCH.fullmatch(branch):
            raise SourceError(f"not a branch name: {shown(branch)!r}", hint="--rev main")
        # a folder for each branch: one that was fetched earlier would pass for what the remote has, or be in the way
        clone = hashlib.sha256(f"{self._address.url}\0{branch}".encode()).hexdigest()[:16]
        path = self._storage / f"{clone}.git"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (path / "sopsync.lock").open("a")
        except OSError as error:
            hint = "--storage names a folder that sopsync may write"
            raise SourceError(f"cannot be written: {error.strerror}", where=shown(str(path)), hint=hint) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                hint = "wait for it, or give each its own --storage"
                raise SourceError("another run is using this clone", where=shown(str(path)), hint=hint) from None
            self._fetch(path, branch, stop)
            yield path

    def _fetch(self, path: Path, branch: str, stop: Event) -> None:
        """1. Nobody else is here: locks and half packs are those of a run that was killed. 2. A clone, if there is
        none. 3. Exactly one branch, forced: whether history may go back is for the fence to say."""
        # 1.
        for left in (
            *path.glob("*.lock"),
            *path.glob("refs/**/*.lock"),
            *path.glob("objects/pack/tmp_*"),
        ):
            if left.name != "sopsync.lock":
                left.unlink(missing_ok=True)
        # 2.
        making = ("init", "--bare", "--quiet", "--template=", f"--initial-branch={branch}", ".")
        code, said = self._git(path, stop, *making)
        if code:
            raise _failure("cannot be used", path, str(path), said, _DAMAGED)
        # 3.
        spec = f"+refs/heads/{branch}:refs/heads/{branch}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--end-of-options")
        code, said = self._git(path, stop, "fetch", *options, self._address.url, spec)
        if code:
            hint = "look at the URL and the network; the next run retries"
            raise _failure("cannot fetch", path, self._address.url, said, hint)

    def _git(self, path: Path, stop: Event, *args: str) -> tuple[int, list[str]]:
        """(exit code, lines on standard error)."""
        token = self._access.token() if self._access.token and args[0] == "fetch" else None
        reader, writer = os.pipe()
        with os.fdopen(writer, "wb") as pipe, os.fdopen(reader, "rb") as held:
            if token is not None:
                pipe.write(token)  # a pipe holds far more than any token
            pipe.close()
            config = (*_CONFIG, f"credential.username={self._access.user}")
            try:
                process = subprocess.Popen(
                    command_line(*args, config=config),
                    cwd=path,
                    env=self._environment(held.fileno() if token is not None else None),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=[held.fileno()] if token is not None else [],
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise SourceError("git is not installed", hint="install git 2.34 or later") from None
        return _finish(process, stop)

    def _environment(self, pipe: int | None) -> dict[str, str]:
        access = self._access
        told = {name: self._environ[name] for name in _NETWORK if name in self._environ}
        told |= {"GIT_ALLOW_PROTOCOL": self._address.scheme}
        if pipe is not None:
            told |= {"GIT_ASKPASS": _helper("sopsync-askpass"), "SOPSYNC_ASKPASS_FD": str(pipe)}
        if access.ssh_key is not None and access.known_hosts is not None:
            for file in (access.ssh_key, access.known_hosts):
                if not os.access(file, os.R_OK):  # ssh would go on with the keys of whoever runs it
                    raise SourceError("cannot be read", where=str(file), hint="--ssh-key and --known-hosts name files")
            # GIT_SSH, not GIT_SSH_COMMAND: the latter goes through a shell
            told |= {"GIT_SSH": _helper("sopsync-ssh"), "GIT_SSH_VARIANT": "ssh"}
            told |= {"SOPSYNC_SSH_KEY": str(access.ssh_key.absolute())}
            told |= {"SOPSYNC_KNOWN_HOSTS": str(access.known_hosts.absolute())}
        # git looks above a clone that is none any more, and what it found there is not ours to fetch into
        return {**environment(self._environ), "GIT_CEILING_DIRECTORIES": str(self._storage.absolute()), **told}


def _failure(what: str, clone: Path, where: str, said: list[str], hint: str) -> SourceError:
    """What git said that tells most: the last word of git is "and the repository exists". `hint`: of all else."""
    mark, hint = next(((mark, known) for mark, known in _HINTS if any(mark in line for line in said)), ("", hint))
    line = next((line for line in said if mark in line and line.strip()), "no reason given")
    where = str(clone) if hint == _DAMAGED else where
    return SourceError(f"{what}: {line[:300]}", where=shown(where), hint=hint)


def _finish(process: subprocess.Popen[bytes], stop: Event) -> tuple[int, list[str]]:
    """(exit code, lines on standard error). SourceError if it takes too long or the run is stopped."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            _, err = process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            if not stop.is_set() and time.monotonic() < end:
                continue
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if stop.is_set():
                raise SourceError("stopped while fetching", hint="the next run fetches again") from None
            raise SourceError(f"git did not finish within {_SECONDS:.0f} s", hint="the next run retries") from None
        return process.returncode, [shown(line) for line in text(err).split("\n")]


def _helper(name: str) -> str:
    """A program that is installed beside our Python; git starts it without a shell."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise SourceError(f"{name} is not installed", hint="install sopsync again: it comes with it")
    return found
