"""Where a repository is: a path here, or a URL that git may be given. A URL with a token in it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sopsync.errors import SourceError
from sopsync.git.process import shown

_SCP = re.compile(r"(?P<user>[\w.-]+@)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?!//|:)(?P<path>[^\\]+)")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """A repository that must be fetched. `scheme` is the one protocol that git may use: https, ssh, file, or (to this
    machine only) http."""

    url: str
    scheme: str


def address(repo: str) -> Address | None:
    """The address that `repo` is, or None if it is a path. SourceError for one that must not be used.

    `user@host:path` is ssh, as git-fetch(1) has it.
    """
    if "://" not in repo:
        scp = _SCP.fullmatch(repo) if not repo.startswith((".", "/")) else None
        return Address(repo, "ssh") if scp and not repo.startswith("-") else None
    try:
        parts = urlsplit(repo)
        host, user, password = parts.hostname or "", parts.username, parts.password
    except ValueError:
        raise SourceError("--repo is not a URL", hint="https://host/path.git, or ssh://git@host/path.git") from None
    scheme = parts.scheme.lower()
    if password is not None or (user is not None and scheme != "ssh"):
        # process lists show arguments, and git writes URLs into its config
        what = "the URL of --repo holds a user or password"
        raise SourceError(what, hint="leave it out, and give the token with --token-file or --token-command")
    if scheme == "http" and host not in _LOOPBACK:
        what = f"{shown(repo)}: plain http shows the token, and the repository, to whoever listens"
        raise SourceError(what, hint="https://")
    if scheme not in ("https", "http", "ssh", "file"):
        raise SourceError(f"{shown(repo)}: not a protocol sopsync uses", hint="https://, ssh:// or file://")
    if (not host and scheme != "file") or host.startswith("-"):
        raise SourceError(f"{shown(repo)}: names no host", hint="https://host/path.git")
    return Address(repo, scheme)
