"""Who vouches for those that log in: an issuer of JWTs, and the API of a Kubernetes cluster."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils


def jwt(key: ec.EllipticCurvePrivateKey, **claims: Any) -> str:
    """RFC 7515, ES256: the signature is r and s, 32 bytes each."""

    def part(data: bytes) -> str:
        return urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    body = json.dumps({"iat": now, "exp": now + 600, **claims})
    head = part(json.dumps({"alg": "ES256", "typ": "JWT"}).encode()) + "." + part(body.encode())
    r, s = utils.decode_dss_signature(key.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{head}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@contextmanager
def token_reviews(known: Mapping[str, str]) -> Iterator[str]:
    """The TokenReview API of a cluster, as OpenBao's Kubernetes method uses it: a service account's name for each token
    it knows. kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1:
    `status.authenticated` and, if so, `status.user` with `username` (system:serviceaccount:<namespace>:<name>), `uid`
    and `groups`, and the `audiences` asked about that the token is for."""

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            user = known.get(review["spec"]["token"])
            status: dict[str, Any] = {"authenticated": user is not None}
            if user:
                status["user"] = {"username": user, "uid": "u-1", "groups": ["system:serviceaccounts"]}
                status["audiences"] = review["spec"]["audiences"]
            body = json.dumps({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as api:
        thread = Thread(target=api.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{api.server_address[1]}"
        api.shutdown()
        thread.join()
