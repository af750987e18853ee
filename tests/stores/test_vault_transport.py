"""The wire below hvac: connections that are kept, lost, cut short or late; proxies. Certificates: test_vault_errors."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sopsync.stores import vault_http, vault_transport
from sopsync.stores.place import UNTRUSTED
from sopsync.stores.vault import open_vault
from sopsync.stores.vault_settings import VaultSettings
from sopsync.stores.vault_transport import Transport
from tests.sops.wire import Answer, Asked, serving
from tests.stores.vault_harness import Context
from tests.support.servers import free_port

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def talking(*turns: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """(address, the requests as they came) of a server that takes one request for each turn: it answers with these
    bytes, and closes the connection where they lack a length; None closes without an answer."""
    came: list[bytes] = []
    left = list(turns)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while left:
                connection, _ = listening.accept()
                with connection:
                    while left and (request := _whole(connection)):
                        came.append(request)
                        turn = left.pop(0)
                        connection.sendall(turn or b"")
                        if turn != GOOD:
                            break

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", came
        thread.join(5)
        assert not thread.is_alive()


def _whole(connection: socket.socket) -> bytes:
    """One request, whose headers and body come apart, or a greeting of TLS. Empty at the end of the connection."""
    request = b""
    while not request.endswith(b"canary-body") and not request.startswith(b"\x16"):
        if not (part := connection.recv(65536)):
            return b""
        request += part
    return request


def call(
    transport: Transport, address: str, *, method: str = "PUT", wait: float = 5, verify: bool | str = True
) -> requests.Response:
    url = f"{address}/v1/a%2Fb/%20?list=true"
    request = requests.Request(method, url, {"X-One": "1"}, data=b"canary-body").prepare()
    return transport.send(request, timeout=(5, wait), verify=verify)


def test_a_request_goes_out_as_it_is() -> None:
    with serving(lambda _: Answer(207, b'{"a": 1}', {"Date": "today"})) as wire:
        transport = Transport(wire.url, keep=1)
        answer = call(transport, wire.url)
        transport.close()
    assert (answer.status_code, answer.content, answer.headers["date"]) == (207, b'{"a": 1}', "today")
    (asked,) = wire.asked
    assert (asked.method, asked.path, asked.body) == ("PUT", "/v1/a%2Fb/%20?list=true", b"canary-body")
    assert asked.headers["x-one"] == "1"
    assert asked.headers["host"] == wire.url.removeprefix("http://")


def test_a_connection_is_used_again() -> None:
    with talking(GOOD, GOOD, GOOD) as (address, came):
        transport = Transport(address, keep=1)
        with_one_connection = [call(transport, address).content for _ in range(3)]
        transport.close()
    assert with_one_connection == [b"{}"] * 3
    assert len(came) == 3


def test_a_connection_that_the_server_ended_is_not() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"  # the server closes behind it, without having said so
    with talking(closing, GOOD) as (address, _):
        transport = Transport(address, keep=1)
        first = call(transport, address)
        ((_, idle),) = transport._idle
        idle.sock.setblocking(True)
        assert idle.sock.recv(1, socket.MSG_PEEK) == b""  # wait until the end of it has arrived
        assert (first.content, call(transport, address).content) == (b"[]", b"{}")
        transport.close()


@pytest.mark.parametrize("turn", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", b"not http\r\n\r\n"])
def test_no_answer_and_half_an_answer_are_no_answer_and_are_not_asked_for_twice(turn: bytes | None) -> None:
    with talking(turn, GOOD) as (address, came):
        transport = Transport(address, keep=1)
        with pytest.raises(requests.exceptions.ConnectionError) as error:
            call(transport, address)
        assert len(came) == 1
        assert call(transport, address).content == b"{}", "what was cut short is not read on"
        transport.close()
    assert "canary" not in str(error.value)


def test_nobody_there_and_nobody_answering() -> None:
    with pytest.raises(requests.exceptions.ConnectionError):
        call(Transport("http://127.0.0.1:9", keep=1), "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(requests.exceptions.Timeout):
            call(Transport(address, keep=1), address, wait=0.01)
    address = f"https://127.0.0.1:{free_port()}"
    with pytest.raises(requests.exceptions.ConnectionError):
        call(Transport(address, keep=1), address)


def test_a_server_without_tls_is_no_connection_and_says_nothing_of_certificates() -> None:
    with talking(b"not TLS") as (address, _), pytest.raises(requests.exceptions.ConnectionError) as error:
        call(Transport(address.replace("http", "https"), keep=1), address.replace("http", "https"))
    assert not isinstance(error.value, requests.exceptions.SSLError)


def test_authorities_that_cannot_be_read_vouch_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for authorities in ("ca.pem", "none.pem"):
        with pytest.raises(requests.exceptions.SSLError, match=UNTRUSTED):
            call(Transport("https://localhost:9", keep=1), "https://localhost:9", verify=str(tmp_path / authorities))


def test_what_has_rested_is_not_used_again() -> None:
    now = [0.0]
    with talking(GOOD, GOOD, GOOD) as (address, came):
        transport = Transport(address, keep=1, clock=lambda: now[0])
        ports = []
        for seconds in (0.0, 49.0, 100.0):
            now[0] = seconds
            call(transport, address)
            ports.append(transport._idle[0][1].sock.getsockname()[1])
            if seconds == 49.0:
                transport._idle[0][1].sock.shutdown(socket.SHUT_WR)  # the server may go on to the next one
        transport.close()
    assert ports[0] == ports[1] != ports[2]
    assert len(came) == 3


def test_an_answer_behind_another_is_never_taken_for_the_next() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with talking(early, GOOD) as (address, _):
        transport = Transport(address, keep=1)
        assert call(transport, address).status_code == 103
        assert not transport._idle, "the answer proper is yet to come"
        assert call(transport, address).content == b"{}"
        transport.close()


@pytest.mark.parametrize(("method", "asked"), [("GET", 3), ("SCAN", 3), ("POST", 2), ("PATCH", 2)])
def test_only_a_look_is_sent_again_where_a_kept_connection_had_ended(method: str, asked: int) -> None:
    with talking(GOOD, None, GOOD) as (address, came):
        transport = Transport(address, keep=1)
        call(transport, address)
        if asked == 3:
            assert call(transport, address, method=method).content == b"{}"
        else:
            with pytest.raises(requests.exceptions.ConnectionError):
                call(transport, address, method=method)
            assert len(came) == asked
            call(transport, address)
        transport.close()
    assert len(came) == 3


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100,
    ],
)
def test_an_answer_has_a_bound(endless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_transport, "_MOST", 64)
    monkeypatch.setattr(vault_transport, "_PART", 16)
    with talking(endless, GOOD) as (address, _):
        transport = Transport(address, keep=1)
        with pytest.raises(requests.exceptions.ConnectionError):
            call(transport, address)
        assert call(transport, address).content == b"{}"
        transport.close()


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"32\r\n" + b"x" * 50 + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 50,
    ],
)
def test_an_answer_that_does_not_say_its_length_is_whole(whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_transport, "_PART", 16)
    with talking(whole) as (address, _):
        transport = Transport(address, keep=1)
        assert call(transport, address).content == b"x" * 50
        transport.close()


def test_threads_do_not_get_each_others_answers() -> None:
    def echo(asked: Asked) -> Answer:
        return Answer(200, json.dumps(asked.body.decode()).encode())

    with serving(echo) as wire:
        transport = Transport(wire.url, keep=4)

        def ask(number: int) -> bool:
            request = requests.Request("POST", f"{wire.url}/v1/x", data=str(number).encode()).prepare()
            return bool(transport.send(request, timeout=(5, 5)).json() == str(number))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(200)))
        assert 0 < len(transport._idle) <= 4
        transport.close()
        assert not transport._idle


@pytest.mark.parametrize(
    ("proxied", "environ"),
    [
        (True, {"http_proxy": "PROXY"}),
        (False, {"https_proxy": "PROXY"}),
        (False, {"http_proxy": "PROXY", "no_proxy": "vault.invalid"}),
        (False, {"no_proxy": "example.com"}),
    ],
)
def test_a_proxy_is_used_where_the_environment_names_one(
    *, proxied: bool, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving(lambda _: Answer(404, b'{"errors": []}')) as wire:
        for name, value in environ.items():
            monkeypatch.setenv(name, value.replace("PROXY", wire.url))
        settings = VaultSettings(type="vault", address="http://vault.invalid", mount="kv")
        store = open_vault("vault", settings, Context({"VAULT_TOKEN": "canary-token"}))
        said = _refused(lambda: store.survey({}))
        store.close()
    assert bool(wire.asked) is proxied
    assert all(asked.path.startswith("http://vault.invalid/v1/") for asked in wire.asked)
    assert ("no connection" in said) is not proxied


def _refused(act: Callable[[], object]) -> str:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return str(error)
    return ""


def test_redirects_are_not_followed() -> None:
    with serving(lambda _: Answer(307, b"", {"Location": "/v1/elsewhere"})) as wire:
        session = vault_http._session(wire.url, {})
        answer = session.get_adapter(wire.url).send(
            requests.Request("GET", f"{wire.url}/v1/x").prepare(), timeout=(5, 5)
        )
        session.close()
    assert (answer.status_code, len(wire.asked)) == (307, 1)
