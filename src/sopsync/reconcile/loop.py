"""Run after run, at about the same distance, until told to stop; and what is shown of them meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from sopsync.errors import Problem
from sopsync.reconcile import metrics
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.push import push
from sopsync.reconcile.result import Result
from sopsync.reconcile.run import Job, run
from sopsync.reconcile.serve import serving
from sopsync.reconcile.webhook import Webhook, notify, worth_telling

_JITTER = 0.1
"""Share of the interval that a run may come earlier or later, so that many do not come at once."""
_STUCK = 600.0
"""Seconds beyond three intervals after which a process that has ended no run is taken for dead."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Who hears of a run. `say` gets each result; `complain` what went wrong in telling others."""

    say: Callable[[Result], None]
    complain: Callable[[Problem], None]
    metrics_file: Path | None = None
    webhook: Webhook | None = None
    listen: str = ""
    gateway: str = ""
    """URL of a Pushgateway."""
    shard: str = ""
    """The index of this part, which tells it from others there; "" for the whole."""
    export: Callable[[metrics.Samples], Problem | None] | None = None
    """Sends the metrics elsewhere."""


@dataclass
class _Shown:
    """What the endpoint reads while a run is going on. Each field is replaced whole."""

    clock: Clock
    totals: metrics.Totals
    last: Result | None = None
    told: Result | None = None
    """The last run that whoever is notified knows of: what nobody took is news still."""
    ended: float = 0.0
    """By `clock.elapsed`, as all times here."""
    success: float | None = None
    verified: dict[str, float] = field(default_factory=dict)
    """Store → when the last run began that could verify its slice."""

    def text(self, *, up: bool) -> str:
        if self.last is None:
            return metrics.nothing_yet()
        age = self.clock.elapsed() - self.success if up and self.success is not None else None
        return metrics.render(self.last, self.totals, age)


def reconcile(job: Job, telling: Telling, clock: Clock, stop: Event, *, stay: bool) -> tuple[Result, bool]:
    """One run, or (`stay`) runs until `stop` is set. (The last result, whether `stop` was set between two runs.)

    SourceError if the endpoint cannot listen.
    """
    shown = _Shown(clock, metrics.load(telling.metrics_file), ended=clock.elapsed())

    def healthy() -> bool:
        return clock.elapsed() - shown.ended < 3 * job.interval + _STUCK

    endpoint: AbstractContextManager[object] = nullcontext()
    if telling.listen:
        endpoint = serving(telling.listen, lambda: shown.text(up=True), healthy)
    with endpoint:
        while True:
            result = _once(job, telling, shown, stop)
            if not stay or stop.is_set():
                return result, False
            if clock.wait(stop, job.interval * (1 + _JITTER * (2 * clock.chance() - 1))):
                return result, True


def _once(job: Job, telling: Telling, shown: _Shown, stop: Event) -> Result:
    clock, begun = shown.clock, shown.clock.elapsed()
    result = run(job, clock, stop, {store: begun - at for store, at in shown.verified.items()})
    totals = metrics.Totals(shown.totals.counters.copy(), shown.totals.success)
    totals.add(result)
    telling.say(result)
    hook = telling.webhook if worth_telling(result, shown.told) else None
    if hook is not None and (problem := notify(hook, result, clock, stop)):
        totals.counters["sopsync_notification_failures_total", ()] += 1
        telling.complain(problem)
    else:
        shown.told = result
    shown.totals, shown.last, shown.ended = totals, result, clock.elapsed()
    shown.success = shown.ended if metrics.succeeded(result) else shown.success
    shown.verified |= {store: begun for store, states in result.entries.items() if not states["unknown"]}
    if telling.gateway and (problem := push(telling.gateway, telling.shard, result, clock, stop)):
        telling.complain(problem)
    if telling.export is not None and (problem := telling.export(metrics.whole(result, totals))):
        telling.complain(problem)
    if telling.metrics_file is not None and (problem := metrics.save(telling.metrics_file, shown.text(up=False))):
        telling.complain(problem)
    return result
