"""What looking through an audit file found, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator

from sopsync.chain import Verdict
from sopsync.errors import printable
from sopsync.render.json import FORMAT, dump


def findings_lines(verdict: Verdict, path: str) -> Iterator[str]:
    """A line a finding."""
    for finding in verdict.findings:
        where = f"{path}:{finding.line}" if finding.line else path
        yield f"{'error' if finding.broken else 'note'}: {printable(where)}: {finding.what}"


def summary(verdict: Verdict, path: str, *, checked: bool) -> str:
    """The last line."""
    lines, runs = f"{verdict.lines} line{'s' * (verdict.lines != 1)}", f"{verdict.runs} run{'s' * (verdict.runs != 1)}"
    if not verdict.whole:
        broken = sum(finding.broken for finding in verdict.findings)
        return f"{printable(path)}: {lines}, {runs}, {broken} problem{'s' * (broken != 1)}"
    end = "" if checked else "; whether its end was cut off or its last line changed, only --head tells"
    return f"{printable(path)}: {lines}, {runs}, the chain is whole{end}\nhead {verdict.head}"


def verdict_json(verdict: Verdict) -> str:
    """One object."""
    return dump(
        {
            "format_version": FORMAT,
            "whole": verdict.whole,
            "lines": verdict.lines,
            "runs": verdict.runs,
            "head": verdict.head,
            "findings": [{"line": f.line or None, "what": f.what, "broken": f.broken} for f in verdict.findings],
        }
    )
