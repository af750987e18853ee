"""A run as log lines: one for each problem, and one for the run. logfmt for people, or JSON objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sopsync.errors import Problem, printable
from sopsync.reconcile.result import Finding, Result

MOST = 100
"""Problems that get a line of their own: 10,000 orphans are told once a run, by their number."""

_SERIOUS = ("error", "failed", "stale", "file", "unknown", "refused")
_BARE = re.compile(r"[\w./:+@%-]+")


def lines(result: Result, *, as_json: bool, shard: str = "") -> Iterator[str]:
    """The problems, then the run itself."""
    for finding in result.findings[:MOST]:
        yield line(_problem(finding), as_json=as_json, at=result.started)
    if len(result.findings) > MOST:
        more = {"level": "warn", "msg": f"{len(result.findings) - MOST} more problems; sopsync plan shows all"}
        yield line(more, as_json=as_json, at=result.started)
    said: dict[str, Any] = {"level": level(result), "msg": "checked" if result.dry else "reconciled"}
    said |= {"commit": result.commit if as_json else result.commit[:7]}
    said |= {"shard": shard} if shard else {}
    said |= {**result.counts(), "secs": round(result.seconds, 1), "exit": int(result.code)}
    said |= {"audit": result.audit} if result.audit else {}
    yield line(said, as_json=as_json, at=result.started)


def level(result: Result) -> str:
    """info: nothing to look at; error: nothing could be done; warn: anything between."""
    if result.code == 1:
        return "error"
    return "warn" if result.code or result.findings else "info"


def trouble(problem: Problem, *, as_json: bool, at: float) -> str:
    """A problem outside the run itself: a webhook, a metrics file."""
    return line(_problem(Finding("warning", problem)), as_json=as_json, at=at)


def _problem(finding: Finding) -> dict[str, Any]:
    said = finding.problem
    found = {"level": "error" if finding.kind in _SERIOUS else "warn", "msg": finding.kind}
    found |= {"where": said.where} if said.where else {}
    return found | {"what": said.what} | ({"hint": said.hint} if said.hint else {})


def line(said: Mapping[str, Any], *, as_json: bool, at: float) -> str:
    """One line, whatever is in it. JSON has the time, RFC 3339; who keeps text logs stamps them."""
    if as_json:
        time = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return json.dumps({"time": time, **said}, ensure_ascii=True)
    return " ".join(f"{name}={_shown(name, value)}" for name, value in said.items())


def _shown(name: str, value: Any) -> str:
    text = printable(str(value).replace("\n", "; "))
    return text if _BARE.fullmatch(text) and name != "msg" else json.dumps(text, ensure_ascii=False)
