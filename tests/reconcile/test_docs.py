"""docs/scheduled.md says what is so: every metric, every part of a notification, and how to check one."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from sopsync.reconcile.metrics import COUNTERS, GAUGES
from sopsync.reconcile.result import Result
from sopsync.reconcile.webhook import Webhook, body, signature
from tests.support.docs import Doc

PAGE = Doc.at(Path(__file__).parents[2] / "docs" / "scheduled.md")


def test_every_metric_is_there_and_no_other() -> None:
    said = {match for _, code in PAGE.spans() for match in re.findall(r"sopsync_\w+", code)}
    assert said == GAUGES.keys() | COUNTERS.keys()


def test_the_receiver_of_the_page_works() -> None:
    (code,) = [block for block in PAGE.blocks() if block.info == "python"]
    space: dict[str, object] = {}
    exec("\n".join(code.lines), space)  # noqa: S102 - the page's own
    genuine = space["genuine"]
    assert callable(genuine)
    key, now = b"k" * 32, int(time.time())

    def headers(at: int, content: bytes) -> dict[str, str]:
        return {"Sopsync-Timestamp": str(at), "Sopsync-Signature": signature(key, at, content)}

    assert genuine(key, headers(now, b"{}"), b"{}")
    assert not genuine(key, headers(now, b"{}"), b"{ }")
    assert not genuine(b"x" * 32, headers(now, b"{}"), b"{}")
    assert not genuine(key, headers(now - 301, b"{}"), b"{}"), "sent again later"
    assert not genuine(key, headers(now - 301, b"{}") | {"Sopsync-Timestamp": str(now)}, b"{}")


def test_every_field_of_a_notification_is_there() -> None:
    said = {code for _, code in PAGE.spans()}
    assert set(json.loads(body(Webhook("https://x", b""), Result(0)))) <= said
