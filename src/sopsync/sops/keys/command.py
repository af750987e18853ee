"""Runs a command that prints a key: no shell, bounded in time and output, and nothing it says reaches an error."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import IO

SECONDS = 60
"""Long enough for somebody to touch a hardware key."""

MOST = 1 << 20
"""Bytes of output: key files are a few hundred."""


class Failed(Exception):
    """Why there is no output; free of anything the command said, and of its arguments."""


def output_of(line: str, variables: Mapping[str, str], *, seconds: float = SECONDS) -> bytes:
    """Standard output of `line`, split as a shell would and run without one. Raises Failed."""
    import shlex
    import subprocess  # costs more to import than a file costs to decrypt, and few have a key command

    try:
        argv = shlex.split(line)
    except ValueError:
        raise Failed("has an unclosed quote") from None
    if not argv:
        raise Failed("is empty")
    try:
        process = subprocess.Popen(
            argv, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, ValueError):
        raise Failed("names a program that cannot be started") from None
    printed: list[bytes] = []
    # A thread, because a grandchild may hold the pipe open after its parent was killed: then it is left behind.
    reader = threading.Thread(target=_read, args=(process.stdout, printed), daemon=True)
    reader.start()
    reader.join(seconds)
    try:
        if reader.is_alive():
            raise Failed(f"did not end within {seconds:g} s")
        if len(printed[0]) > MOST:
            raise Failed("printed too much")
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {seconds:g} s") from None
    finally:
        process.kill()
        process.wait()
    if code:
        raise Failed(f"failed (exit code {code})")
    return printed[0]


def _read(pipe: IO[bytes], into: list[bytes]) -> None:
    """All there is, up to a bound; whoever reads the pipe closes it."""
    with pipe:
        into.append(pipe.read(MOST + 1))
