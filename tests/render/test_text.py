"""Plans and outcomes as people read them."""

from __future__ import annotations

import json
from dataclasses import replace

from sopsync.apply import Outcome, Status
from sopsync.change import Action, Change
from sopsync.errors import Problem
from sopsync.model import Ref, Version
from sopsync.render.json import report_json
from sopsync.render.text import outcome_lines, plan_lines
from sopsync.stores.aws_secrets_token import Token
from tests.plan.things import seen, want
from tests.render.things import report

OURS = Token(fields=True, alone=True, digest="0123456789abcdef" * 2, commit="c" * 40)
LIVE, LATER = OURS.encode(1), OURS.encode(2)
THEIRS = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def test_long_version_ids_are_told_apart_by_both_ends_and_json_has_them_whole() -> None:
    reason = f"heals: v{LIVE} by arn:aws:iam::1:user/x, expected v{THEIRS}; on_drift: report"
    told = report("x")
    told = replace(told, rows=(replace(told.rows[0], keys=(), reason=reason),))
    text = "\n".join(plan_lines(told, colour=False, verbose=False))
    assert "heals: vs1m02fap…00001 by arn:aws:iam::1:user/x, expected v1b4e28ba…ca427; on_drift: report" in text
    assert json.loads(report_json(told))["rows"][0]["reason"] == reason
    change = Change(Ref("s", "api"), Action.UPDATE, "acme", desired=want(), seen=seen())
    moved = Problem("", f"planned on v{LIVE}, found v{LATER}")
    outcomes = [Outcome(change, Status.DONE, Version(LATER)), Outcome(change, Status.STALE, None, moved)]
    done, stale, _ = outcome_lines(outcomes, colour=False)
    assert done.endswith("done     vs1m02fap…00002")
    assert stale.endswith("planned on vs1m02fap…00001, found vs1m02fap…00002")


def test_short_versions_and_long_names_stay_whole() -> None:
    reason = "v7, expected v123456789012345678; very-long-names-that-begin-with-the-letter-v/and-more-of-it: kept"
    told = report("x")
    told = replace(told, rows=(replace(told.rows[0], keys=(), reason=reason),))
    assert reason in "\n".join(plan_lines(told, colour=False, verbose=False))
