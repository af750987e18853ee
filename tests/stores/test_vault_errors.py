"""What can go wrong with a Vault server, each named by what to do, without a word of a request or an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.models import PreparedRequest, Response

from sopsync.errors import Conflict, Denied, Rejected, StoreError, Unavailable
from sopsync.model import Payload, Secret, Stamp, State, Version
from sopsync.stores.testing.place import assert_no_leak, delete
from sopsync.stores.vault import VaultStore, open_vault
from sopsync.stores.vault_settings import VaultSettings
from sopsync.stores.vault_transport import Transport
from tests.stores.vault_harness import Context, client
from tests.stores.vault_tls import SealedBao, sealed_bao
from tests.support.servers import OpenBao, await_ready

STAMP = Stamp("acme/prod", "a" * 32, "c" * 40)
VALUE = Payload(fields={"password": Secret(b"canary-password")})
SHUT = OpenBao("http://127.0.0.1:9", "canary-token")
"""An address nobody calls: answers are canned."""


def canned(*answers: Response | Exception) -> Callable[..., Response]:
    """Answers in turn; the last one again and again."""
    left = list(answers)

    def send(request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send


def answer(status: int, body: Any = None, **headers: str) -> Response:
    response = Response()
    response.status_code = status
    response.headers.update(headers)
    response._content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return response


def error(act: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        act()
    assert_no_leak(caught.value)
    assert caught.value.problems[0].hint
    return caught.value


def write(
    store: VaultStore, payload: Payload = VALUE, *, expect: Version | None = None, name: str = "entry"
) -> Version:
    return store.write(name, payload, STAMP, expect=expect, options={}, tags={})


# -- answers


SAID = "canary-said"
ANSWERS: list[tuple[Response, type[StoreError], str]] = [
    (answer(400, {"errors": [SAID]}), Rejected, "bad"),
    (answer(400, {"errors": ["Upgrading from non-versioned to versioned data."]}), Unavailable, "being upgraded"),
    (answer(403, {"errors": [SAID]}), Denied, "token is not valid"),
    (answer(403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token"]}), Denied, "token is not"),
    (answer(404, {"errors": ['no handler for route "x"']}), Rejected, "nothing is mounted"),
    (answer(404, "<html>" + SAID), Unavailable, "not the answer of a Vault"),
    (answer(404), Unavailable, "not the answer of a Vault"),
    (answer(200, "<html>" + SAID), Unavailable, "not the answer of a Vault"),
    (answer(200, [SAID]), Unavailable, "not the answer of a Vault"),
    (answer(200, "[" * 100000), Unavailable, "not the answer of a Vault"),
    (answer(307, "", Location="http://example.com/" + SAID), Rejected, "sends us elsewhere"),
    (answer(412, {"errors": [SAID]}), Unavailable, "do not know"),
    (answer(413, SAID), Rejected, "too large"),
    (answer(429, {"errors": [SAID]}), Unavailable, "too many requests"),
    (answer(200, {"message": SAID}), Unavailable, "cannot be read"),
    (answer(200, {"data": {"keys": SAID}}), Unavailable, "cannot be read"),
    (answer(500, {"errors": [SAID]}), Unavailable, "failed (500)"),
    (answer(502, SAID), Unavailable, "failed (502)"),
    (answer(501, {"errors": [SAID]}), Unavailable, "not initialized"),
    (answer(503, {"errors": ["Vault is sealed"]}), Unavailable, "sealed"),
]
BREAKS: list[tuple[Exception, type[StoreError], str]] = [
    (requests.exceptions.SSLError(f"{SAID} [SSL: CERTIFICATE_VERIFY_FAILED]"), Rejected, "certificate is not trusted"),
    (requests.exceptions.SSLError(f"{SAID} [SSL: UNEXPECTED_EOF_WHILE_READING]"), Unavailable, "no connection"),
    (requests.exceptions.ReadTimeout(SAID), Unavailable, "no answer in time"),
    (requests.exceptions.ConnectTimeout(SAID), Unavailable, "no answer in time"),
    (requests.exceptions.ConnectionError(SAID), Unavailable, "no connection"),
    (requests.exceptions.ChunkedEncodingError(SAID), Unavailable, "ChunkedEncodingError"),
    (requests.exceptions.InvalidHeader(SAID), Unavailable, "InvalidHeader"),
    (ValueError(SAID), Unavailable, "ValueError"),
    (OSError(SAID), Unavailable, "OSError"),
]


@pytest.mark.parametrize(("said", "kind", "what"), [*ANSWERS, *BREAKS], ids=str)
def test_every_answer_is_named_by_what_to_do(said: Response | Exception, kind: type[StoreError], what: str) -> None:
    store = client(SHUT, "kv", canned(said)).store
    for act in (
        lambda: store.survey({"entry": ""}),
        lambda: store.read("entry", expect=Version("1")),
        lambda: write(store),
    ):
        found = error(act)
        assert type(found) is kind
        assert what in str(found)


def test_a_404_is_absent_only_if_the_server_says_so() -> None:
    proxied = client(
        SHUT, "kv", canned(answer(405, ""), answer(200, {"data": {"keys": ["entry"]}}), answer(404, "gone"))
    )
    (seen,) = proxied.store.survey({"entry": ""}).entries
    assert seen.state is State.UNKNOWN
    listed, mounted = {"data": {"keys": ["entry"]}}, {"data": {"type": "kv", "options": {"version": "2"}}}
    answers = (answer(405, ""), answer(200, listed), answer(404, {"errors": []}), answer(200, mounted))
    genuine = client(SHUT, "kv", canned(*answers))
    (seen,) = genuine.store.survey({"entry": ""}).entries
    assert seen.state is State.ABSENT, "gone between listing and look"


@pytest.mark.parametrize("listing", [{}, {"data": {}}, {"data": {"keys": None}}, {"data": {"keys": {"entry": 1}}}])
def test_a_listing_without_names_is_not_an_empty_folder(listing: Any) -> None:
    found, mounted = answer(200, {"data": {"keys": ["a/"]}}), answer(200, {"data": {"type": "kv"}})
    walked = client(SHUT, "kv", canned(answer(405, ""), found, answer(200, listing), mounted))
    seen = {entry.name: entry.state for entry in walked.store.survey({"a/b": ""}).entries}
    assert State.ABSENT not in seen.values()
    assert seen["a/"] is State.UNKNOWN
    assert isinstance(error(lambda: client(SHUT, "kv", canned(answer(200, listing))).store.survey({})), Unavailable)


def test_who_is_asked_to_wait_waits_and_asks_again() -> None:
    waited: list[float] = []
    busy = [answer(429, "", **{"Retry-After": after}) for after in ("3", "0", "soon", "")]
    c = client(SHUT, "kv", canned(*busy, answer(404, {"errors": []})))
    c.store._wire._sleep = waited.append
    error(lambda: c.store.read("entry", expect=Version("1")))
    assert (waited, len(c.log)) == ([3.0, 1.0, 1.0, 1.0], 5)
    waited.clear()
    c = client(SHUT, "kv", canned(answer(429, "", **{"Retry-After": "12"})))
    c.store._wire._sleep = waited.append
    assert "too many requests" in str(error(lambda: c.store.read("entry", expect=Version("1"))))
    assert waited == [12.0, 12.0], "half a minute in all"
    error(lambda: c.store.read("entry", expect=Version("1")))
    assert waited == [12.0, 12.0], "not for each of a thousand entries"


@pytest.mark.parametrize("date", ["Thu, 01 Jan 2026 00:00:00 -0000", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"])
def test_a_clock_that_nobody_can_read_stops_nothing(date: str) -> None:
    version = {"created_time": "2026-01-01T00:00:00Z", "deletion_time": "2026-01-01T00:00:00", "destroyed": False}
    meta = {"current_version": 1, "versions": {"1": version}}
    said = answer(200, {"data": {"keys": ["e"], "key_info": {"e": meta}}}, Date=date)
    (seen,) = client(SHUT, "kv", canned(said)).store.survey({"e": ""}).entries
    assert seen.state is State.RECOVERABLE


def test_a_write_that_was_lost_is_made_once_more_and_only_once() -> None:
    """A kept connection that ends as the server restarts: the answer is lost, and the write never came."""
    lost, none = requests.exceptions.ConnectionError(SAID), answer(404, {"errors": []})
    mounted = answer(200, {"data": {"type": "kv", "options": {"version": "2"}}})
    written = {"version": 1, "created_time": "2026-01-01T00:00:00Z", "custom_metadata": None}
    made = answer(200, {"data": written})
    stale = answer(400, {"errors": ["check-and-set parameter did not match the current version"]})
    found = answer(200, {"data": {"data": {"password": "canary-password"}, "metadata": written}})
    theirs = answer(200, {"data": {"data": {"password": "canary-other"}, "metadata": written}})
    claim, done = [mounted, answer(204), answer(204)], answer(204)

    def run(*answers: Response | Exception) -> tuple[str, int]:
        c = client(SHUT, "kv", canned(*claim, *answers))
        try:
            said = str(write(c.store))
        except StoreError as raised:
            said = type(raised).__name__
        return said, sum(line == "POST kv/data/entry" for line in c.log)

    assert run(lost, none, made, done) == ("1", 2)
    assert run(lost, none, stale, found, done) == ("1", 2), "the first one came late"
    assert run(lost, none, lost, found, done) == ("1", 2)
    assert run(lost, none, stale, theirs, done) == ("Conflict", 2)
    assert run(lost, none, stale, none, done) == ("Unavailable", 2), "a standby that is behind tells nothing"
    assert run(lost, found, done) == ("1", 1)
    assert run(lost, theirs, done) == ("Conflict", 1)
    assert run(lost, answer(500, {"errors": [SAID]})) == ("Unavailable", 1)


def test_metadata_that_is_none_is_not_an_empty_entry() -> None:
    for metadata in ({}, {"current_version": "1", "versions": {}}, {"current_version": 1, "versions": []}):
        scanned = client(SHUT, "kv", canned(answer(200, {"data": {"keys": ["e"], "key_info": {"e": metadata}}})))
        assert isinstance(error(lambda: scanned.store.survey({})), Unavailable)  # noqa: B023 - called at once


def test_a_redirect_does_not_take_the_token_along() -> None:
    c = client(SHUT, "kv", canned(answer(307, "", Location="http://127.0.0.1:9/v1/elsewhere")))
    error(lambda: c.store.read("entry", expect=Version("1")))
    assert len(c.log) == 1


def test_a_server_that_stops_answering_ends_the_walk() -> None:
    names = [f"e{number}" for number in range(500)]
    lost = requests.exceptions.ConnectionError(SAID)
    c = client(SHUT, "kv", canned(answer(405, ""), answer(200, {"data": {"keys": names}}), lost))
    assert isinstance(error(lambda: c.store.survey(dict.fromkeys(names, ""))), Unavailable)
    assert len(c.log) < 50


def test_one_entry_that_does_not_answer_is_unknown() -> None:
    c = client(
        SHUT,
        "kv",
        canned(
            answer(405, ""),
            answer(200, {"data": {"keys": ["entry"]}}),
            requests.exceptions.ReadTimeout(SAID),
        ),
    )
    (seen,) = c.store.survey({"entry": ""}).entries
    assert (seen.state, seen.reason) == (State.UNKNOWN, "no answer in time")


def test_a_value_that_is_not_what_json_can_hold(bao: OpenBao) -> None:
    huge = (
        '{"data": {"data": {"n": ' + "9" * 5000 + ', "f": 1e999}, "metadata": {"version": 1, "custom_metadata": null}}}'
    )
    store = client(SHUT, "kv", canned(answer(200, huge))).store
    fields = store.read("entry", expect=Version("1")).as_fields()
    assert {name: secret.reveal() for name, secret in fields.items()} == {"n": b"9" * 5000, "f": b"1e999"}


# -- a real server


@pytest.fixture(scope="module")
def mounts(bao: OpenBao) -> tuple[str, str]:
    """A mount of each version."""
    return bao.mount("errors-two"), bao.mount("errors-one", version="1")


def test_kv_version_one_is_refused_and_never_written(
    bao: OpenBao, mounts: tuple[str, str], connections: Transport
) -> None:
    _, one = mounts
    for prefix in (None, "below"):
        for act in (lambda s: s.survey({"entry": ""}), write, lambda s: s.raise_fence(None, expect=None)):
            c = client(bao, one, connections.send, prefix=prefix)
            found = error(lambda: act(c.store))  # noqa: B023 - called at once
            assert isinstance(found, Rejected)
            assert str(found) == (
                "vault: errors-one/ is KV version 1: it has nowhere to put a stamp; "
                "hint: vault kv enable-versioning errors-one"
            )
    token = bao.token_for('path "errors-one/*" { capabilities = ["list", "read", "create", "update"] }', "one")
    assert isinstance(error(lambda: client(bao, one, connections.send, token=token).store.survey({})), Rejected)
    with pytest.raises(OSError, match="404"):
        bao.call("LIST", one)


def test_a_mount_that_is_not_there(bao: OpenBao, connections: Transport) -> None:
    found = error(lambda: client(bao, "nope", connections.send).store.survey({}))
    assert isinstance(found, Rejected)
    assert "nothing is mounted at nope/" in str(found)
    # a token that is not root is not told
    token = bao.token_for(
        'path "errors-two/*" { capabilities = ["read"] }\npath "auth/token/lookup-self" { capabilities = ["read"] }',
        "two",
    )
    found = error(lambda: client(bao, "nope", connections.send, token=token).store.survey({}))
    assert isinstance(found, Denied)
    assert "nothing is mounted at nope/, or nothing there is granted to us" in str(found)


def test_another_engine_is_not_kv(bao: OpenBao, connections: Transport) -> None:
    bao.mount("errors-transit", "transit")
    assert "not a KV secrets engine" in str(error(lambda: write(client(bao, "errors-transit", connections.send).store)))


def test_an_expired_token_is_told_from_a_refused_path(
    bao: OpenBao, mounts: tuple[str, str], connections: Transport
) -> None:
    mount, _ = mounts
    write(client(bao, mount, connections.send).store, name="told")
    token = bao.token_for(f'path "{mount}/metadata/*" {{ capabilities = ["list", "read"] }}', "told")
    c = client(bao, mount, connections.send, token=token)
    c.store.survey({"told": ""})
    found = error(lambda: c.store.read("told", expect=Version("1")))
    assert isinstance(found, Denied)
    assert str(found) == f"vault:told: permission denied; hint: grant read on {mount}/data/told"
    assert c.log[-1] == f"GET sys/internal/ui/mounts/{mount}"
    bao.call("POST", "auth/token/revoke", {"token": token})
    for act in (lambda: c.store.survey({"told": ""}), lambda: c.store.read("told", expect=Version("1"))):
        found = error(act)
        assert isinstance(found, Denied)
        assert "the token is not valid, or has expired" in str(found)


def test_a_name_the_server_cannot_print(bao: OpenBao, mounts: tuple[str, str], connections: Transport) -> None:
    mount, _ = mounts
    c = client(bao, mount, connections.send)
    assert isinstance(error(lambda: write(c.store, name="zero\u200bwidth")), Rejected)


def test_a_conflict_says_what_was_found(bao: OpenBao, mounts: tuple[str, str], connections: Transport) -> None:
    mount, _ = mounts
    store = client(bao, mount, connections.send).store
    write(store, name="moved")
    write(store, name="moved", expect=Version("1"))
    found = error(lambda: write(store, name="moved", expect=Version("1")))
    assert isinstance(found, Conflict)
    assert str(found) == "vault:moved: planned on v1, found v2; hint: plan again"
    delete(store, "moved", expect=Version("2"))
    assert "planned on nothing, found v2, deleted" in str(error(lambda: write(store, name="moved")))


# -- TLS, a seal, and integrated storage


@pytest.fixture(scope="module")
def earnest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedBao]:
    """Initialized and unsealed, after having been looked at while it was neither."""
    with sealed_bao(tmp_path_factory.mktemp("bao")) as (server, process):
        for step in (server.initialize, server.unseal):
            store = _trusting(server)
            found = error(lambda: store.survey({}))  # noqa: B023 - called at once
            assert isinstance(found, Unavailable)
            assert str(found) == "vault: the server is sealed; hint: unseal it, then retry"
            store.close()
            step()
        await_ready(server.active, process)
        server.call("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        await_ready(lambda: server.call("GET", "kv/config"), process)
        yield server


def _trusting(server: SealedBao, *, ca: str = "ca.pem", address: str = "") -> VaultStore:
    settings = VaultSettings(type="vault", address=address or server.address, mount="kv", ca_cert=ca)
    return open_vault("vault", settings, Context({"VAULT_TOKEN": server.token or "none"}, server.ca.parent))


def test_an_authority_of_ones_own(earnest: SealedBao) -> None:
    store = _trusting(earnest)
    version = write(store)
    assert store.read("entry", expect=version).same(VALUE)
    assert store.survey({}).entries[0].vouched
    store.close()
    store.close()


def test_a_certificate_nobody_vouches_for(earnest: SealedBao) -> None:
    for store in (
        _trusting(earnest, ca=""),
        _trusting(earnest, ca="server.pem"),
        _trusting(earnest, address=earnest.address.replace("127.0.0.1", "localhost")),
    ):
        found = error(lambda: store.survey({}))  # noqa: B023 - called at once
        assert isinstance(found, Rejected)
        assert "certificate is not trusted" in str(found)
        store.close()


def test_what_json_makes_too_large_is_refused_with_nothing_changed(earnest: SealedBao) -> None:
    """512 KiB of `<` are 3 MiB as Go writes JSON; integrated storage takes 1 MiB an entry."""
    store = _trusting(earnest)
    version = write(store, name="large")
    found = error(
        lambda: write(store, Payload(value=Secret(b"canary-" + b"<" * 500_000)), name="large", expect=version)
    )
    assert isinstance(found, Rejected)
    assert "too large for the server" in str(found)
    assert store.read("large", expect=version).same(VALUE)
    lines = Payload(value=Secret((b"canary-" + b"x" * 57 + b"\n") * (512 * 1024 // 65)))
    assert store.read("large", expect=write(store, lines, name="large", expect=version)).same(lines)
    store.close()


def test_a_certificate_file_that_is_not_there(tmp_path: Path) -> None:
    settings = VaultSettings(type="vault", address="https://127.0.0.1:9", ca_cert="missing.pem")
    assert isinstance(error(lambda: open_vault("vault", settings, Context({}, tmp_path))), Rejected)
    (tmp_path / "empty.pem").write_text("")
    settings = VaultSettings(type="vault", address="https://127.0.0.1:9", ca_cert="empty.pem")
    store = open_vault("vault", settings, Context({"VAULT_TOKEN": "x"}, tmp_path))
    error(lambda: store.survey({}))
    store.close()


def test_no_address() -> None:
    for environ in ({}, {"VAULT_ADDR": "vault.example.com"}, {"BAO_ADDR": "ftp://x"}):
        assert isinstance(error(lambda: open_vault("v", VaultSettings(type="vault"), Context(environ))), Rejected)  # noqa: B023
