"""The two programs that git starts for us: one tells it a token, one is ssh with our key and nobody's configuration."""

from __future__ import annotations

import os
import sys


def askpass() -> None:
    """GIT_ASKPASS (gitcredentials(7)): the token, from the pipe that we were given, whatever git asks for."""
    wants_password = len(sys.argv) == 2 and sys.argv[1].startswith("Password")
    if not wants_password:
        sys.exit(1)
    with os.fdopen(int(os.environ["SOPSYNC_ASKPASS_FD"]), "rb") as pipe:
        token = pipe.read()
    if not token:  # asked a second time: the first answer was not taken
        sys.exit(1)
    sys.stdout.buffer.write(token + b"\n")


def ssh() -> None:
    """GIT_SSH (git(1)): ssh(1) with one key, known hosts only, and no configuration file."""
    key, hosts = os.environ.pop("SOPSYNC_SSH_KEY"), os.environ.pop("SOPSYNC_KNOWN_HOSTS")
    options = {
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{hosts}"',
        "GlobalKnownHostsFile": os.devnull,
        "ConnectTimeout": "30",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    try:
        os.execvp("ssh", ["ssh", "-F", os.devnull, "-i", key, *given, *sys.argv[1:]])  # noqa: S606 - no shell is the point
    except OSError:
        sys.stderr.write("ssh is not installed\n")
        sys.exit(127)
