"""Ports that recorded files name: one server at a time on a machine, whoever else runs this suite just now."""

from __future__ import annotations

import fcntl
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reserved(port: int) -> Iterator[int]:
    """Wait until no other test process has this port, and keep it from them. Fails if something else listens there.

    Needed also where tests of one `xdist_group` run in one worker: there are other checkouts, and with pytest 9.2 the
    groups of xdist 3.8 do nothing (pytest-dev/pytest-xdist#1386)."""
    with (Path(tempfile.gettempdir()) / f"sopsync-test-port-{port}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise AssertionError(f"port {port}, which recorded files name, is taken by another program") from None
        yield port
