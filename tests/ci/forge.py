"""A stand-in for the comment APIs of GitHub and GitLab, on a loopback port: only what our script may use of them.

GitHub: docs.github.com/rest/issues/comments (list, create, update; 403 for a read-only token, 404 for what it may not
see). GitLab: docs.gitlab.com/api/notes (list, create, modify) and /user. Both list up to 100 a page, oldest first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "canary-forge-token"
BOT = "github-actions[bot]"
BOT_ID = 41


@dataclass
class Forge:
    """What is there, what was asked, and how it is to misbehave."""

    kind: str
    address: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)
    """Status codes for the next requests."""
    read_only: bool = False

    def say(self, body: str, *, by: str = "stranger", number: int = 7) -> dict[str, Any]:
        """Somebody writes a comment."""
        who = {"login": by, "username": by, "id": BOT_ID if by == BOT else number}
        made = {"id": 1000 + len(self.comments), "body": body, "user": who, "author": who}
        self.comments.append(made)
        return made

    def ours(self) -> list[str]:
        """Bodies of what the bot wrote."""
        return [comment["body"] for comment in self.comments if comment["user"]["login"] == BOT]

    def environment(self) -> dict[str, str]:
        """What a job of this forge has in its environment."""
        if self.kind == "github":
            return {
                "GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": self.address, "GITHUB_REPOSITORY": "acme/secrets",
                "PULL_REQUEST": "5",
            }  # fmt: skip
        return {
            "GITLAB_TOKEN": TOKEN, "CI_API_V4_URL": f"{self.address}/api/v4", "CI_PROJECT_ID": "9",
            "CI_MERGE_REQUEST_IID": "5",
        }  # fmt: skip

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """One request."""
        parts = urlsplit(url)
        self.asked.append((method, parts.path))
        github = self.kind == "github"
        told = headers.get("Authorization") if github else headers.get("PRIVATE-TOKEN")
        if told != (f"Bearer {TOKEN}" if github else TOKEN):
            return 401, {"message": "Bad credentials"}
        if self.failing:
            return self.failing.pop(0), {"message": "as told"}
        if parts.path == "/api/v4/user":
            return 200, {"id": BOT_ID, "username": BOT}
        here = "/repos/acme/secrets/issues/5/comments" if github else "/api/v4/projects/9/merge_requests/5/notes"
        one = "/repos/acme/secrets/issues/comments/" if github else here + "/"
        if method != "GET" and self.read_only:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "GET" and parts.path == here:
            asked = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
            size, page = min(asked.get("per_page", 30), 100), asked.get("page", 1)
            return 200, self.comments[(page - 1) * size : page * size]
        text = json.loads(body)["body"] if body else ""
        if len(text) > (65_536 if github else 1_000_000):
            return 422, {"message": "body is too long"}
        if method == "POST" and parts.path == here:
            return 201, self.say(text, by=BOT)
        if method == ("PATCH" if github else "PUT") and (match := re.fullmatch(re.escape(one) + r"(\d+)", parts.path)):
            for comment in self.comments:
                if comment["id"] == int(match[1]):
                    comment["body"] = text
                    return 200, comment
        return 404, {"message": "Not Found"}


@contextmanager
def forge(kind: str) -> Iterator[Forge]:
    """A running one."""
    made = Forge(kind)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, answer = made.answer(self.command, self.path, self.headers, body)
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815 - names http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def listening(answer: Callable[[bytes], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """(address, requests so far) of a server that answers with any bytes at all."""
    asked: list[bytes] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(65_536))
            self.wfile.write(answer(asked[-1]))

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
