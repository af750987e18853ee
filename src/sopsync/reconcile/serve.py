"""`/healthz` and `/metrics` over HTTP, for whoever keeps the process alive and for Prometheus; nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from sopsync.errors import SourceError
from sopsync.reconcile.metrics import CONTENT_TYPE


@contextmanager
def serving(listen: str, metrics: Callable[[], str], healthy: Callable[[], bool]) -> Iterator[int]:
    """Answer at `listen` (`host:port`, or `:port` for every address) until the end; yields the port.

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

    class Server(ThreadingHTTPServer):
        """One that says nothing of clients that hang up."""

        daemon_threads = True

        def handle_error(self, *_args: Any) -> None:
            return

    try:
        server = Server((host.strip("[]"), int(port)), Handler)
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
