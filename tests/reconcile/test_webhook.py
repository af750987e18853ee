"""Notifications: signed as the docs say, when there is news, and never at the cost of the run."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from sopsync.errors import ConfigError, Problem
from sopsync.reconcile.result import Done, Finding, Result
from sopsync.reconcile.webhook import MOST, Webhook, body, notify, signature, worth_telling
from tests.reconcile.clocks import Hands, Process, job, nothing
from tests.reconcile.things import reconciled, samples
from tests.support import leaks
from tests.support.story import Stage, capture

KEY = b"0123456789abcdef0123456789abcdef"


@dataclass
class Receiver:
    url: str = ""
    answers: list[int] = field(default_factory=list)
    """What it says to the next requests; then 204."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def told(self) -> list[dict[str, Any]]:
        """The bodies, each checked as a receiver would."""
        for headers, content in self.got:
            signed = headers["sopsync-timestamp"].encode() + b"." + content
            assert headers["sopsync-signature"] == "v1=" + hmac.new(KEY, signed, hashlib.sha256).hexdigest()
        return [json.loads(content) for _, content in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, content))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("Location", made.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        made = Receiver(f"http://127.0.0.1:{http.server_address[1]}/hook")
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    return str(file)


def test_what_a_run_tells(acme: Stage, receiver: Receiver, key: str) -> None:
    args = ("--webhook", receiver.url, "--webhook-key-file", key)
    reconciled(*args)
    (told,) = receiver.told()
    assert told == {
        "format_version": 1,
        "event": "reconciled",
        "repository": ".",
        "ref": "",
        "commit": acme.repo.head(),
        "exit": 0,
        "counts": told["counts"],
        "problems": [],
        "changes": [{"store": "s", "name": f"api/k{i:04}", "action": "create", "status": "done"} for i in range(4)],
        "truncated": False,
    }
    assert told["counts"]["created"] == 4
    leaks.assert_clean(receiver.got[0][1])
    reconciled(*args)
    assert len(receiver.got) == 1, "nothing was done and nothing is wrong: no news"
    acme.do_outside(["put", "api/k0001", "value=canary-stranger"])
    reconciled(*args)
    assert [p["kind"] for p in receiver.told()[1]["problems"]] == ["drift"]


def test_the_signature_is_what_the_docs_say() -> None:
    """Known answer: printf '1764000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef"""
    assert signature(KEY, 1764000000, b"{}") == "v1=27f02469eb49b2d8e3eb8409071d82418b2245ac64f7960fa1a321212decc2a6"
    assert signature(KEY, 1764000001, b"{}") != signature(KEY, 1764000000, b"{}")


def test_a_process_tells_a_standing_problem_once(acme: Stage, receiver: Receiver) -> None:
    hook = Webhook.of(receiver.url, KEY, "r", "main")

    def drift() -> None:
        acme.do_outside(["put", "api/k0001", "value=canary-stranger"])

    def mend() -> None:
        acme.do_outside(["put", "api/k0001", "value=canary-1"])

    Process(job(acme), Hands(), [drift, nothing, nothing, mend, nothing], webhook=hook)
    told = [(len(t["changes"]), [p["kind"] for p in t["problems"]]) for t in receiver.told()]
    assert told == [(4, []), (0, ["drift"]), (1, [])]


def test_a_problem_that_nobody_took_is_told_with_the_next_run(acme: Stage, receiver: Receiver) -> None:
    hook = Webhook.of(receiver.url, KEY, "r", "main")
    receiver.answers = [204, 400, 400]  # the first run's news, and twice nobody takes the drift

    def drift() -> None:
        acme.do_outside(["put", "api/k0001", "value=canary-stranger"])

    Process(job(acme), Hands(), [drift, nothing, nothing, nothing], webhook=hook)
    assert [[p["kind"] for p in told["problems"]] for told in receiver.told()] == [[], ["drift"], ["drift"], ["drift"]]


@pytest.mark.parametrize(
    ("answers", "tries", "taken"),
    [
        ([], 1, True),
        ([500], 2, True),
        ([429, 503], 3, True),
        ([500] * 3, 3, False),
        ([400], 1, False),
        ([302], 1, False),
    ],
)
def test_tries(answers: list[int], tries: int, *, taken: bool, receiver: Receiver) -> None:
    receiver.answers = list(answers)
    hands = Hands()
    hook = Webhook.of(receiver.url + "?token=canary-in-the-url", KEY, "r", "main")
    problem = notify(hook, Result(1), hands.clock(), Event())
    assert (problem is None) == taken
    assert len(receiver.told()) == tries
    assert hands.pauses == [1.0, 4.0][: tries - 1]
    assert problem is None or (str(answers[-1]) in problem.what and "canary" not in str(problem))


def test_each_try_has_a_time_of_its_own(receiver: Receiver) -> None:
    receiver.answers = [500]
    notify(Webhook.of(receiver.url, KEY, "r", "main"), Result(1), Hands().clock(), Event())
    first, second = (int(headers["sopsync-timestamp"]) for headers, _ in receiver.got)
    assert second == first + 1
    receiver.told()


def test_a_receiver_that_is_down_changes_nothing_of_the_run(acme: Stage, key: str, tmp_path: Path) -> None:
    prom = tmp_path / "sopsync.prom"
    with receiving() as gone:
        pass
    code, said = capture(["reconcile", "--webhook", gone.url, "--webhook-key-file", key, "--metrics-file", str(prom)])
    run, complaint = said.splitlines()
    assert code == 0
    assert " created=4 " in run
    assert 'msg="warning" where=webhook what="127.0.0.1 did not take the notification: Connection refused"' in complaint
    assert samples(prom.read_text())["sopsync_notification_failures_total"] == 1


def test_news() -> None:
    drift = Finding("drift", Problem("s:a", "x"))
    assert not worth_telling(Result(0), None)
    assert worth_telling(Result(0, done=(Done("s", "a", "create", "done"),)), None)
    assert worth_telling(Result(0, findings=(drift,)), None)
    assert not worth_telling(Result(0, findings=(drift,)), Result(0, findings=(drift,)))
    assert worth_telling(Result(0), Result(0, findings=(drift,))), "that it is over is news too"
    planned = Result(2, dry=True, done=(Done("s", "a", "create", "planned"),))
    assert worth_telling(planned, None)
    assert not worth_telling(planned, planned)


def test_a_body_is_bounded() -> None:
    many = Result(3, done=tuple(Done("s", f"n{i}", "create", "failed") for i in range(MOST + 1)))
    told = json.loads(body(Webhook("https://x", KEY), many))
    assert (len(told["changes"]), told["truncated"]) == (MOST, True)


@pytest.mark.parametrize(
    ("url", "key_", "said"),
    [
        ("http://example.com/hook", KEY, "not an https:// URL"),
        ("https://example.com/hook", b"short \n", "fewer than 16 bytes"),
    ],
)
def test_what_is_not_safe_is_refused(url: str, key_: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Webhook.of(url, key_, "r", "main")


def test_a_url_that_is_a_secret_comes_by_file_or_variable_and_no_child_sees_it(
    acme: Stage, receiver: Receiver, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "url"
    file.write_text(receiver.url + "\n")
    assert reconciled("--webhook-url-file", str(file), "--webhook-key-file", key)[0] == 0
    assert len(receiver.told()) == 1
    acme.do_put(["api.yaml", "more=canary-more"])
    acme.do_commit(["More"])
    monkeypatch.setenv("SOPSYNC_WEBHOOK", receiver.url)
    assert reconciled("--webhook-key-file", key)[0] == 0
    assert len(receiver.told()) == 2
    assert "SOPSYNC_WEBHOOK" not in os.environ
    code, said = capture(["reconcile", "--webhook", receiver.url, "--webhook-url-file", str(file)])
    assert (code, "two ways to one URL" in said) == (64, True)
    for wrong in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").touch()
        code, said = capture(["reconcile", "--webhook-url-file", str(wrong), "--webhook-key-file", key])
        assert (code, "hint: --webhook-url-file" in said) == (1, True)
