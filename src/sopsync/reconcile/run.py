"""One scheduled run, from git to a result. It never raises: whatever goes wrong is what the result says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Protocol

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Plan
from sopsync.errors import ConfigError, Problem, Refused, SopsyncError, unforeseen
from sopsync.reconcile import result as r
from sopsync.reconcile.clock import Clock
from sopsync.reconcile.rotation import overdue
from sopsync.reconcile.slices import due, look_back
from sopsync.session import Ask, Session
from sopsync.shard import WHOLE, Shard
from sopsync.stores.local_settings import LocalSettings


@dataclass(frozen=True, slots=True)
class Codes:
    """How a run becomes an exit code: the command line's table."""

    applied: Callable[[Plan, Sequence[Outcome]], int]
    planned: Callable[[Plan], int]
    error: Callable[[SopsyncError], int]


class Record(Protocol):
    """The audit trail of one run."""

    stop: Event
    """Set when the run is to end: because the process is, or because nothing can be recorded any more."""
    lost: str
    """Why lines are missing; "" if none is."""

    @property
    def code(self) -> int:
        """How the run ended."""

    @property
    def head(self) -> str:
        """Digest of the last line; "" where nothing is kept."""

    def outcome(self, outcome: Outcome) -> None:
        """Keep what became of one change."""

    def done(self, code: int) -> int:
        """How the run ends: an error if lines are missing."""


@dataclass(frozen=True, slots=True)
class Job:
    """What each run of a process does. Times are in seconds."""

    source: Callable[[Event], AbstractContextManager[Path]] = field(repr=False)
    """Brings the repository up to date and keeps it from others meanwhile. SourceError."""
    rev: str
    environ: Mapping[str, str] = field(repr=False)
    codes: Codes = field(repr=False)
    config: str = "sopsync.yaml"
    shard: Shard = WHOLE
    dry: bool = False
    """Write nothing: say what is to do and what is wrong."""
    sealed: bool = False
    """Use no keys and read no values; only with `dry`."""
    require_signed: bool = False
    allowed_signers: Path | None = None
    interval: float = 3600.0
    """How often it runs, about."""
    period: float = 86400.0
    """Within which every entry is verified by value once; 0: none is."""
    fleeting: bool = False
    """The repository is thrown away afterwards, and whatever was put into it."""
    record: Callable[[str, Event], AbstractContextManager[Record]] | None = field(default=None, repr=False)
    """Opens the audit trail of a run at this commit that may write. Refused if it cannot be kept."""


@dataclass(frozen=True, slots=True)
class _Means:
    """What a run works with. `now`: Unix time at its start, from which `since` counts back."""

    now: float
    since: Mapping[str, float]
    stop: Event
    report: Callable[[Outcome], None] = lambda _outcome: None


@dataclass(frozen=True, slots=True)
class _Ran:
    """How far a run came. `refused`: why nothing was written."""

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    refused: tuple[Problem, ...] = ()


def run(job: Job, clock: Clock, stop: Event, since: Mapping[str, float]) -> r.Result:
    """One run. `since`: store → seconds since a run that could verify its slice, where there was one."""
    # before the fetch, which may take long: `since` is counted from here, and a run looks back from where it began
    started, begun, now = clock.wall(), clock.elapsed(), clock.steady()
    try:
        result = _run(job, now, stop, since)
    except SopsyncError as error:
        result = _failed(job, error)
    except Exception as error:  # noqa: BLE001 - a process that stays up survives a fault; its text could quote a secret
        result = _failed(job, unforeseen(error, ""))
    return replace(result, started=started, seconds=clock.elapsed() - begun)


def _run(job: Job, now: float, stop: Event, since: Mapping[str, float]) -> r.Result:
    """1. Fetch, and read the commit. Then, on record if anything may be written, the work."""
    with (
        job.source(stop) as path,
        Session(Ask(path, job.environ, job.rev, job.config, shard=job.shard)) as session,
    ):
        _check_lasting(job, session)
        if job.dry or job.record is None:
            return _work(job, session, _Means(now, since, stop))
        with job.record(session.commit, stop) as record:
            result = _work(job, session, _Means(now, since, record.stop, record.outcome))
            record.done(result.code)
        return _recorded(result, record)


def _work(job: Job, session: Session, means: _Means) -> r.Result:
    """2. Only a commit that apply would take. 3. Plan; verify what is due. 4. Apply."""
    # 2.
    session.check_commit(require_signed=job.require_signed, allowed_signers=job.allowed_signers)
    # 3.
    now, since = means.now, means.since
    back = {name: look_back(job.interval, since.get(name)) for name in session.config.stores}
    plan = session.plan(
        sealed=job.sealed,
        verify=lambda change: due(change.ref, now=now, back=back[change.ref.store], period=job.period),
    )
    refused = session.refusals(plan, force=False)
    # 4.
    outcomes = () if refused or job.dry else session.apply(plan, means.stop, means.report)
    return _result(job, session, _Ran(plan, outcomes, refused), now)


def _recorded(result: r.Result, record: Record) -> r.Result:
    """What was done was done; a trail that misses some of it is an error all the same."""
    result = replace(result, code=record.code, audit=record.head)
    if not record.lost:
        return result
    what = f"the audit file could not be written on: {record.lost}; no write was begun after that"
    lost = r.Finding("error", Problem("audit", what, "not all that was done is in the file; make room, and run again"))
    return replace(result, findings=(*result.findings, lost))


def _result(job: Job, session: Session, ran: _Ran, now: float) -> r.Result:
    plan, outcomes, stores = ran.plan, ran.outcomes, list(session.config.stores)
    written = [o.change for o in outcomes if o.status is Status.DONE]
    failures = dict.fromkeys(stores, 0)
    for outcome in outcomes:
        failures[outcome.change.ref.store] += outcome.status is not Status.DONE
    if job.dry:
        code, done = job.codes.planned(plan), [(change, "planned") for change in plan.writes()]
    else:
        code = job.codes.error(Refused.of(ran.refused)) if ran.refused else job.codes.applied(plan, outcomes)
        done = [(o.change, o.status.value) for o in outcomes]
    late = _overdue(session, plan, written, now)
    return r.Result(
        code,
        commit=plan.commit,
        dry=job.dry,
        entries=r.by_state(plan, outcomes, stores),
        changes=r.by_action(list(plan.writes()) if job.dry else written, stores),
        failures=failures,
        calls={**dict.fromkeys(stores, 0), **session.calls()},
        verified=plan.read,
        overdue=len(late),
        findings=(*r.findings(plan, outcomes, ran.refused), *late),
        done=tuple(r.Done(c.ref.store, c.ref.name, c.action.value, status) for c, status in done),
    )


def _overdue(session: Session, plan: Plan, written: Sequence[object], now: float) -> list[r.Finding]:
    limits = {path: file.rotate_after for path, file in session.manifests.files.items() if file.rotate_after}
    if not limits:
        return []
    repo = session.repo
    renewed = {id(change) for change in written}
    standing = [c for c in plan.changes if c.action is not Action.UPDATE or id(c) not in renewed]
    found = overdue(standing, limits, lambda at: repo.info(at).date if repo.has(at) else None, now)
    return [
        r.Finding("overdue", Problem(str(origin), f"{late} days past rotate_after", "rotate it, and commit"))
        for origin, late in sorted(found.items(), key=lambda item: -item[1])
    ]


def _check_lasting(job: Job, session: Session) -> None:
    """What an embedded store writes beside the repository must outlive the run."""
    if not job.fleeting:
        return
    for name, settings in session.config.stores.items():
        if isinstance(settings, LocalSettings) and not Path(settings.path).is_absolute():
            what = f'store "{name}" lies in the clone, which is thrown away after the run'
            raise ConfigError(what, where=job.config, hint="give it an absolute path, or give the clone a --storage")


def _failed(job: Job, error: SopsyncError) -> r.Result:
    findings = tuple(r.Finding("error", problem) for problem in error.problems)
    return r.Result(job.codes.error(error), dry=job.dry, findings=findings)
