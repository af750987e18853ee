"""Real servers for tests: started on a free loopback port, stopped at the end, output kept off the screen."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def tool(name: str) -> str:
    """Path of a binary that a development dependency installs (sops, bao); a missing one fails, never skips."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    assert found, f"{name} is not installed; run: make test"
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@dataclass(frozen=True)
class OpenBao:
    """A real OpenBao server in development mode (in memory, unsealed), with KV v2 at `secret/`."""

    address: str
    token: str

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, ns: str = "") -> Any:
        """One raw API call, past any client under test. Returns the decoded JSON body (None when empty)."""
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token or self.token, **({"X-Vault-Namespace": ns} if ns else {})},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def mount(self, path: str, kind: str = "kv", **options: str) -> str:
        """Mount a secrets engine; KV is version 2 unless `version="1"`. Returns `path`."""
        if kind == "kv":
            options = {"version": "2", **options}
        self.call("POST", f"sys/mounts/{path}", {"type": kind, "options": options})
        if options.get("version") == "2":
            self._await_upgraded(path)
        return path

    def _await_upgraded(self, path: str) -> None:
        """A new KV mount is of version 1 for a moment, and says 400 to everything while it is upgraded."""
        end = time.monotonic() + 30
        while True:
            try:
                self.call("GET", f"{path}/config")
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 400 or time.monotonic() > end:
                    raise
                time.sleep(0.005)
            else:
                return

    def token_for(self, policy: str, name: str) -> str:
        """A token that holds exactly this policy text (HCL)."""
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
        made = self.call("POST", "auth/token/create", {"policies": [name], "no_default_policy": True})
        token: str = made["auth"]["client_token"]
        return token


@contextmanager
def openbao(port: int = 0, token: str = "root") -> Iterator[OpenBao]:
    """A running OpenBao. It takes under two seconds; share it and give each test its own mount."""
    address = f"127.0.0.1:{port or free_port()}"
    home = tempfile.mkdtemp()
    command = [tool("bao"), "server", "-dev", "-dev-no-store-token"]
    command += [f"-dev-root-token-id={token}", f"-dev-listen-address={address}"]
    env = {"PATH": os.environ.get("PATH", ""), "HOME": home}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        server = OpenBao(f"http://{address}", token)
        await_ready(lambda: server.call("GET", "sys/health"), process)
        yield server
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def await_ready(probe: Any, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Poll until `probe` stops raising; fail if the process dies or time is up."""
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            probe()
        except (OSError, urllib.error.URLError):
            assert time.monotonic() < end, "the server was not ready in time"
            time.sleep(0.02)
        else:
            return
