"""Sends the metrics of runs over OTLP/HTTP (OpenTelemetry); the home of its SDK, which comes with the extra `otel`.

Where to, with which headers and how long to wait, say the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT, …).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sopsync.errors import ConfigError, Problem
from sopsync.reconcile.metrics import COUNTERS, GAUGES, Samples

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

Export = Callable[[Samples], Problem | None]


def exporter(shard: str = "") -> Export:
    """Something that sends what it is given, and says what went wrong. ConfigError without the extra.

    Names are those of Prometheus without `_total`, which is what a collector adds.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.metrics import Observation
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
    except ModuleNotFoundError:
        raise ConfigError("OpenTelemetry is not installed", hint='pip install "sopsync[otel]"') from None
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)  # it would write to standard error; we tell
    taken: list[bool] = []
    latest: Samples = {}

    class Watched(OTLPMetricExporter):
        """The exporter, whose answer the SDK would keep to itself."""

        def export(self, *args: Any, **more: Any) -> MetricExportResult:
            result = super().export(*args, **more)
            taken.append(result is MetricExportResult.SUCCESS)
            return result

    def observed(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _options: [Observation(value, dict(labels)) for labels, value in latest.get(name, [])]

    reader = PeriodicExportingMetricReader(Watched(), export_interval_millis=math.inf)  # only when a run has ended
    about = Resource.create({"service.name": "sopsync", **({"sopsync.shard": shard} if shard else {})})
    provider = MeterProvider([reader], about, shutdown_on_exit=False)
    meter = provider.get_meter("sopsync")
    for name, text in GAUGES.items():
        meter.create_observable_gauge(name, [observed(name)], description=text)
    for name, text in COUNTERS.items():
        meter.create_observable_counter(name.removesuffix("_total"), [observed(name)], description=text)

    def send(samples: Samples) -> Problem | None:
        latest.clear()
        latest.update(samples)
        taken.clear()
        try:
            provider.force_flush()
        except Exception as error:  # noqa: BLE001 - telling others is not worth a run; its text may hold a header
            return Problem("otel", f"metrics could not be sent ({type(error).__name__})", "look at OTEL_*")
        sent = bool(taken) and all(taken)
        return None if sent else Problem("otel", "nobody took the metrics", "look at OTEL_EXPORTER_OTLP_ENDPOINT")

    return send
