"""Metrics over OTLP/HTTP: the real SDK, read by a receiver with the real protocol buffers."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.reconcile.things import reconciled
from tests.support.story import Stage, capture


@contextmanager
def collector(answer: int = 200) -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    got: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            got.append(ExportMetricsServiceRequest.FromString(content))
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}", got
        finally:
            http.shutdown()
            thread.join()


def test_what_a_run_sends(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (url, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        assert reconciled("--otel")[2] == []
    (request,) = got
    (resource,) = request.resource_metrics
    names = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert names["service.name"] == "sopsync"
    found = {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}
    created = [
        p.as_int for p in found["sopsync_changes"].sum.data_points if _labels(p) == {"store": "s", "action": "create"}
    ]
    assert created == [4]
    states = {_labels(p)["state"]: p.as_int for p in found["sopsync_entries"].gauge.data_points}
    assert states["in_sync"] == 4
    assert found["sopsync_last_run_exit_code"].gauge.data_points[0].as_int == 0


def _labels(point: object) -> dict[str, str]:
    return {a.key: a.value.string_value for a in point.attributes}  # type: ignore[attr-defined]


def test_nobody_takes_them(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector(400) as (url, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        code, said = capture(["reconcile", "--otel"])
    assert code == 0
    assert " created=4 " in said
    assert 'msg="warning" where=otel what="nobody took the metrics"' in said
    assert len(said.splitlines()) == 2


def test_without_the_extra(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    code, said = capture(["reconcile", "--otel"])
    assert code == 1
    assert 'pip install "sopsync[otel]"' in said
