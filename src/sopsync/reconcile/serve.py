"""`/healthz` and `/metrics` over HTTP, for whoever keeps the process alive and for Prometheus; nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from sopsync.errors import SourceError
from sopsync.reconcile.metrics import CONTENT_TYPE


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """(family, address) of a name or an address. No host is every address: of both families, if the system has both."""
    if not host:
        return (socket.AF_INET6, ("::", port)) if socket.has_dualstack_ipv6() else (socket.AF_INET, ("", port))
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return family, (str(address[0]), port)


class _Server(ThreadingHTTPServer):
    """One of either family, that says nothing of clients that hang up."""

    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family, address = _address(host, port)
        self._everywhere = not host and self.address_family == socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        if self._everywhere:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # IPv4 too
        super().server_bind()

    def handle_error(self, *_args: Any) -> None:
        return


@contextmanager
def serving(listen: str, metrics: Callable[[], str], healthy: Callable[[], bool]) -> Iterator[int]:
    """Answer at `listen` (`host:port`, `[::1]:port`, or `:port` for every address) until the end; yields the port.

    SourceError if nobody may listen there.
    """
    host, _, port = listen.rpartition(":")

    class Handler(BaseHTTPRequestHandler):
        """GET of two paths. It logs nothing, and gives a client ten seconds."""

        timeout = 10
        server_version = "sopsync"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._say(200, CONTENT_TYPE, metrics())
            elif self.path == "/healthz":
                fine = healthy()
                self._say(200 if fine else 503, "text/plain", "ok\n" if fine else "no run has ended for too long\n")
            else:
                self._say(404, "text/plain", "/healthz or /metrics\n")

        def _say(self, code: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            return

    try:
        server = _Server(host.removeprefix("[").removesuffix("]"), int(port), Handler)
    except (OSError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "not host:port"
        raise SourceError(f"cannot listen: {why}", where=listen, hint="--listen 127.0.0.1:9090, or :9090") from None
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
