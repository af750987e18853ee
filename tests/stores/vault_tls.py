"""An OpenBao as one runs it in earnest: TLS with a private authority, integrated storage, sealed when it starts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.servers import await_ready, free_port, tool


@dataclass
class SealedBao:
    """`address` answers for 127.0.0.1, not for localhost; `ca` is the file to trust."""

    address: str
    ca: Path
    token: str = field(default="", repr=False)
    key: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Vault-Token": self.token} if self.token else {}
        answer = requests.request(
            method, f"{self.address}/v1/{path}", json=body, headers=headers, verify=str(self.ca), timeout=30
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def initialize(self) -> None:
        made = self.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token, (self.key,) = made["root_token"], made["keys"]

    def unseal(self) -> None:
        self.call("PUT", "sys/unseal", {"key": self.key})

    def active(self) -> None:
        """Raises OSError until the server is unsealed and has elected itself."""
        self.call("GET", "sys/health")


@contextmanager
def sealed_bao(folder: Path) -> Iterator[tuple[SealedBao, subprocess.Popen[bytes]]]:
    """A running server that nobody has initialized yet."""
    ca = certificates(folder)
    port = free_port()
    (folder / "raft").mkdir()
    config = {
        "listener": {
            "tcp": {
                "address": f"127.0.0.1:{port}",
                "tls_cert_file": str(folder / "server.pem"),
                "tls_key_file": str(folder / "server.key"),
            }
        },
        "storage": {"raft": {"path": str(folder / "raft"), "node_id": "one", "performance_multiplier": 1}},
        "api_addr": f"https://127.0.0.1:{port}",
        "cluster_addr": f"https://127.0.0.1:{free_port()}",
    }
    (folder / "config.json").write_text(json.dumps(config))
    command = [tool("bao"), "server", "-config", str(folder / "config.json")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = SealedBao(f"https://127.0.0.1:{port}", ca)
    try:
        await_ready(lambda: server.call("GET", "sys/init"), process)
        yield server, process
    finally:
        process.kill()
        process.wait()


def certificates(folder: Path) -> Path:
    """An authority of our own and a certificate of it for 127.0.0.1."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = _name("sopsync test authority")
    ca = _signed(name, name, authority.public_key(), authority, x509.BasicConstraints(ca=True, path_length=None))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = _signed(_name("sopsync test server"), name, key.public_key(), authority, address)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "server.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return folder / "ca.pem"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
    )
    return made.add_extension(extension, critical=True).sign(by, hashes.SHA256())
