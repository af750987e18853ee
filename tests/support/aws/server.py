"""The server: a WSGI application in front of moto's, so that what is wrong in moto never gets there.

Parameter Store, Secrets Manager, the tagging API and the sessions of STS are answered here, on moto's own data; KMS and
whatever else goes on to moto. One lock makes each call one step, as it is for a client of AWS.
"""

from __future__ import annotations

import json
import re
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.support.aws import (
    needs,
    secrets_reads,
    secrets_rules,
    secrets_store,
    secrets_writes,
    ssm_reads,
    ssm_writes,
    sts,
    tagging,
)
from tests.support.aws.callers import Callers
from tests.support.aws.wire import Call, Caller, Fault, Json, Refusal, Switches

_MODULES = {
    "ssm": (ssm_reads, ssm_writes),
    "secretsmanager": (secrets_reads, secrets_writes),
    "resourcegroupstaggingapi": (tagging,),
}
_NAMES = {"tagging": "resourcegroupstaggingapi"}
_THROTTLED = {"resourcegroupstaggingapi": "ThrottledException"}
"""https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/CommonErrors.html; the others say
ThrottlingException."""

Respond = Callable[[str, list[tuple[str, str]]], Any]


class App:
    """The WSGI application. `crashes`: what went wrong in this fake itself, class and place, never a value."""

    def __init__(self, switches: Switches, callers: Callers, *, strict: bool) -> None:
        self._on, self._callers, self._strict = switches, callers, strict
        self._moto: Any = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.crashes: list[str] = []

    def __call__(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length)
        if len(raw) < length:  # the client was killed while it sent: nobody asked anything
            return _refused(respond, "", Refusal("SerializationException", "the body ended early"))
        environ["wsgi.input"] = BytesIO(raw)
        service, region, key = _scope(environ.get("HTTP_AUTHORIZATION", ""))
        try:
            operation, body = _request(environ, raw)
            if not service:
                service = "sts" if operation.startswith("AssumeRole") else ""
            if not operation or not service:
                return self._forward(environ, respond)
            if waiting := self._on.before.get(operation):
                waiting.pop(0)()  # not under the lock: it makes calls of its own
            with self._lock:
                self._on.calls.append((service, operation))
                self._throttle(service, operation)
                caller = self._caller(service, operation, key, environ)
                call = Call(service, operation, region, caller, body)
                answer = self._faulted(call)
            if answer is None:
                environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
                return self._forward(environ, respond)
            return _sent(respond, 200, answer)
        except Refusal as refusal:
            return _refused(respond, service, refusal)
        except Exception as error:  # noqa: BLE001 - told by the test that uses the server, without the message
            self.crashes.append("".join([type(error).__name__, "\n", *traceback.format_tb(error.__traceback__)]))
            return _refused(respond, service, Refusal("InternalFailure", "the fake itself failed", 500))

    def _forward(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._moto(environ, respond)
        return answer

    def _caller(self, service: str, operation: str, key: str, environ: dict[str, Any]) -> Caller:
        if not key and operation == "AssumeRoleWithWebIdentity":
            return Caller("arn:aws:sts::000000000000:web-identity", "000000000000")
        return self._callers.who(key, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))

    def _throttle(self, service: str, operation: str) -> None:
        if self._on.throttle.get(operation, 0) > 0:
            self._on.throttle[operation] -= 1
            raise Refusal(_THROTTLED.get(service, "ThrottlingException"), "Rate exceeded")

    def _faulted(self, call: Call) -> str | None:
        """The answer, or the one that a test wants in its place; None leaves the call to moto."""
        waiting = self._on.faults.get(call.operation)
        fault: Fault | None = waiting.pop(0) if waiting else None
        if fault and not fault.happens:
            raise Refusal(fault.code, fault.message, fault.status)
        answer = self._answer(call)
        if fault:
            raise Refusal(fault.code, fault.message, fault.status)
        return answer

    def _answer(self, call: Call) -> str | None:
        if self._strict:
            needs.demand(call)
        if call.service == "sts":
            return sts.answer(call, self._callers)
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", call.operation).lower()
        ours = next((getattr(m, name) for m in _MODULES.get(call.service, ()) if hasattr(m, name)), None)
        if ours is None:
            _leave_to_moto(call)
            return None
        try:
            made: Json = ours(call, self._on)
        except Refusal:
            raise
        except Exception as error:  # noqa: BLE001 - sorted by _from_moto
            raise _from_moto(error) from None
        return json.dumps(made)


def _leave_to_moto(call: Call) -> None:
    """What is not ours still keeps the rule that a secret on its way out takes no calls."""
    if call.service == "secretsmanager" and "SecretId" in call.body:
        secrets_rules.alive(secrets_store.existing(call, call.body["SecretId"]), change=False)


def _from_moto(error: Exception) -> Exception:
    """moto's refusals (ServiceException and JsonRESTError, moto/core/exceptions.py) as ours; anything else as it is."""
    code = getattr(error, "error_type", None) or getattr(error, "code", None)
    return Refusal(str(code), str(getattr(error, "message", ""))) if isinstance(code, str) else error


def _scope(authorization: str) -> tuple[str, str, str]:
    """(service, region, access key) of a signed request; empty ones without a signature."""
    match = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", authorization)
    return (_NAMES.get(match[3], match[3]), match[2], match[1]) if match else ("", "us-east-1", "")


def _request(environ: dict[str, Any], raw: bytes) -> tuple[str, Json]:
    """(operation, input) in the JSON protocol or in the query protocol; no operation for anything else."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rsplit(".", 1)[-1], json.loads(raw or b"{}")
    form = dict(parse_qsl(raw.decode("latin-1"))) if b"Action=" in raw else {}
    return form.pop("Action", ""), form


def _sent(respond: Respond, status: int, text: str) -> list[bytes]:
    kind = "text/xml" if text.startswith("<") else "application/x-amz-json-1.1"
    data = text.encode()
    number = f"{status} {'OK' if status == 200 else 'Refused'}"
    headers = {"Content-Type": kind, "Content-Length": str(len(data)), "x-amzn-RequestId": str(uuid.uuid4())}
    respond(number, list(headers.items()))
    return [data]


def _refused(respond: Respond, service: str, refusal: Refusal) -> list[bytes]:
    if service == "sts":
        return _sent(respond, 403 if refusal.status == 400 else refusal.status, sts.refused(refusal))
    told = {"__type": refusal.code} | ({"message": refusal.message} if refusal.message else {})
    return _sent(respond, refusal.status, json.dumps(told))


class _Quiet(MotoRequestHandler):
    """Logs nothing, and sends small answers at once."""

    disable_nagle_algorithm = True

    def log(self, *args: Any) -> None:
        pass


def start(app: App, port: int) -> Any:
    """A server on 127.0.0.1, one thread for each connection; `port` 0 takes a free one (`server_port`)."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, name="fake AWS", daemon=True).start()
    return server
