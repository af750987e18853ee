"""A git token when it is needed: from a file that others renew, from a command, or from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from sopsync.errors import SourceError
from sopsync.sops.keys.command import Failed, output_of

VARIABLE = "SOPSYNC_GIT_TOKEN"
_PREFIX = "SOPSYNC_GIT_"
_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


def token_source(file: Path | None, command: str, environ: MutableMapping[str, str]) -> Callable[[], bytes] | None:
    """How to get the token, or None if none is named. It is asked before each fetch.

    The variable is taken out of `environ`, whichever way it is: a token for git's server is no child's business.
    """
    given = environ.pop(VARIABLE, "").encode()
    if file is not None:
        return lambda: _of_file(file)
    if command:
        return lambda: _of_command(command, environ)
    if given:
        return lambda: _whole(given, VARIABLE)
    return None


def _of_file(file: Path) -> bytes:
    try:
        return _whole(file.read_bytes(), str(file))
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(file), hint="--token-file names it") from None


def _of_command(command: str, environ: Mapping[str, str]) -> bytes:
    """What a command prints. It runs without a shell, and sees of our environment what git sees and `SOPSYNC_GIT_*`."""
    told = {n: v for n, v in environ.items() if n in _KEPT or n.startswith(_PREFIX)}
    try:
        return _whole(output_of(command, told), "--token-command")
    except Failed as failure:
        raise SourceError(f"--token-command {failure}", hint="run it by hand to see why; no shell reads it") from None


def _whole(text: bytes, where: str) -> bytes:
    token = text.strip()
    if not token or len(token) > 8192 or any(byte <= 32 for byte in token):
        raise SourceError("no token: one line of text was expected", where=where, hint="the token and nothing else")
    return token
