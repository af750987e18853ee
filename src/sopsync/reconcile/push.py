"""Pushes the gauges of a run to a Prometheus Pushgateway: for Jobs, which are gone before anybody scrapes them.

https://github.com/prometheus/pushgateway#post-method: metrics with the names that are sent are replaced, others of the
group stay. So the time of the last success outlives runs that fail. Counters are not sent: each run would begin anew.
"""

from __future__ import annotations

from threading import Event
from urllib.parse import urlsplit

from sopsync.errors import Problem
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.metrics import CONTENT_TYPE, gauges, text
from sopsync.reconcile.post import post
from sopsync.reconcile.result import Result


def push(url: str, shard: str, result: Result, clock: Clock, stop: Event) -> Problem | None:
    """Send it to the gateway at `url`. `shard`: its index, or ""; the problem, if any."""
    job = "sopsync-check" if result.dry else "sopsync"
    path = f"/metrics/job/{job}" + (f"/shard/{shard}" if shard else "")
    headers = {"Content-Type": CONTENT_TYPE}
    why = post(url.rstrip("/") + path, text(gauges(result)).encode(), lambda: headers, clock, stop)
    host = urlsplit(url).hostname or ""
    return Problem("push", f"{host} did not take the metrics: {why}", "the next run sends its own") if why else None
