"""`sopsync apply`: carry out a plan, made now or saved before."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sopsync.cli import options as o

if TYPE_CHECKING:
    from sopsync.apply import Outcome
    from sopsync.change import Change, Plan
    from sopsync.cli.recording import Recording
    from sopsync.session import Session


def apply(
    file: Annotated[Path | None, typer.Argument(help="A plan saved by sopsync plan -o. None: plan now.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Set the thresholds aside; nothing else.")] = False,
    require_signed: o.Signed = False,
    allowed_signers: o.Signers = None,
    audit: Annotated[
        str,
        typer.Option(
            "--audit", envvar="SOPSYNC_AUDIT", help="Append an audit line an operation to this file; - prints."
        ),
    ] = "",
    repo: o.Repo = o.HERE,
    rev: o.Rev = "HEAD",
    config: o.Config = o.CONFIG,
    store: o.Stores = None,
    path: o.Paths = None,
    verify: o.Verify = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> int:
    """Make the stores agree with git.

    Narrowed by --store or --path, it deletes nothing.
    """
    from sopsync.cli.exits import of_apply
    from sopsync.cli.output import err
    from sopsync.cli.recording import recording
    from sopsync.errors import Refused

    o.check_signing(require_signed=require_signed, allowed_signers=allowed_signers)
    with (
        o.open_session(repo=repo, rev=rev, config=config, store=store, path=path) as session,
        recording(audit, commit=session.commit, json=json, quiet=quiet) as run,
    ):
        session.check_commit(require_signed=require_signed, allowed_signers=allowed_signers)
        plan, stale = _planned(session, file, verify=verify)
        if refused := session.refusals(plan, force=force):
            _show(plan, run, json=json, quiet=quiet, verbose=verbose)
            raise Refused.of(refused)
        if file is None:
            _show(plan, run, json=json, quiet=quiet, verbose=verbose)
            _confirm(plan, run, yes=yes)
        for outcome in stale:
            run.outcome(outcome)
        outcomes = (*stale, *_carry_out(session, plan, run))
        if json:
            _tell_json(plan, outcomes, run, config=config)
        else:
            _tell(plan, outcomes, run, saved=file is not None, quiet=quiet)
        if verbose:
            err(session.costs())
        return run.done(of_apply(plan, outcomes))


def _planned(session: Session, file: Path | None, *, verify: bool) -> tuple[Plan, tuple[Outcome, ...]]:
    """The plan to carry out, and what of a saved one has gone stale."""
    from sopsync import planfile
    from sopsync.cli.progress import working
    from sopsync.model import Ref

    if file is None:
        with working("planning"):
            return session.plan(sealed=False, verify=lambda _change: verify), ()
    saved = planfile.load(file)
    approved = {Ref(change.store, change.name) for change in saved.changes}
    with working("looking again at what the plan touches"):
        fresh = session.plan(sealed=False, verify=lambda change: change.ref in approved)
    planfile.check_binding(saved, fresh, file)
    return planfile.approved(saved, fresh)


def _show(plan: Plan, run: Recording, *, json: bool, quiet: bool, verbose: bool) -> None:
    from sopsync.cli.output import colour
    from sopsync.planreport import of_plan
    from sopsync.render.text import plan_lines

    if not json and not quiet:
        report = of_plan(plan, (), config="", verbose=verbose)
        run.say(plan_lines(report, colour=colour(), verbose=verbose))


def _tell_json(plan: Plan, outcomes: Sequence[Outcome], run: Recording, *, config: str) -> None:
    from sopsync.cli.exits import of_apply
    from sopsync.planreport import of_plan
    from sopsync.render.json import outcomes_json

    report = of_plan(plan, (), config=config, exit_code=of_apply(plan, outcomes))
    run.say([outcomes_json(report, outcomes)])


def _tell(plan: Plan, outcomes: Sequence[Outcome], run: Recording, *, saved: bool, quiet: bool) -> None:
    from sopsync.cli.output import colour
    from sopsync.planreport import summary
    from sopsync.render.text import applied_summary, outcome_lines

    if saved and not outcomes:  # of what was not approved, nothing is said to be in step
        run.say(["Nothing to apply: the saved plan has no changes. hint: sopsync plan shows how things stand"])
    elif quiet:
        run.say([applied_summary(outcomes) if outcomes else summary(plan)])
    elif outcomes:
        run.say(outcome_lines(outcomes, colour=colour()))


def _confirm(plan: Plan, run: Recording, *, yes: bool) -> None:
    """Ask, where somebody can answer. Nobody there and no --yes is a usage error: silence is not consent."""
    from sopsync.cli.exits import UsageError
    from sopsync.cli.output import err

    writes = list(plan.writes())
    if yes or not writes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to confirm", hint="add --yes, or apply a saved plan")
    typer.confirm(_question(writes), abort=True, err=run.say is err)


def _question(writes: Sequence[Change]) -> str:
    """What is about to be done. Deleting is called deleting."""
    from sopsync.change import Action

    stores = ", ".join(dict.fromkeys(change.ref.store for change in writes))
    deletes = sum(change.action is Action.DELETE for change in writes)
    written = len(writes) - deletes
    if not deletes:
        return f"Write {_entries(written)} to {stores}?"
    return f"{f'Write {_entries(written)}, delete' if written else 'Delete'} {_entries(deletes)} in {stores}?"


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _carry_out(session: Session, plan: Plan, run: Recording) -> tuple[Outcome, ...]:
    """Apply with progress; SIGINT or SIGTERM lets the writes in hand finish and skips the rest."""
    from sopsync.cli.progress import counting

    writes = sum(1 for _ in plan.writes())
    if not writes:
        return ()
    with _stopping(run.stop), counting("applying", writes) as advance:

        def report(outcome: Outcome) -> None:
            run.outcome(outcome)
            advance()

        return session.apply(plan, run.stop, report)


@contextmanager
def _stopping(stop: Event) -> Iterator[None]:
    before = {which: signal.signal(which, lambda *_: stop.set()) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
