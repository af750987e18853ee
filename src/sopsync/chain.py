"""Audit lines that each carry the SHA-256 of the line before, and what a file of them shows.

1. A line is one JSON object in ASCII, without its newline; its digest is the SHA-256 of those bytes, in hex.
2. `prev` is the digest of the line before; of the first line, 64 zeros: it anchors the chain.
3. A line that was torn (its writer died) stays, ended by a newline. The next line takes its digest as `prev`, and says
   so (`after_torn`), so that it is on record and covered like any other.

There is no key in it. A line other than the last that was changed, removed, put in or moved shows, and so does a
missing beginning. Whoever may write the file can compute the chain anew, change its last line, or cut its end: only a
digest that was kept elsewhere shows that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

FORMAT = 1
ANCHOR = "0" * 64
_BEGIN = b'{"sopsync_audit":1,'


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a chain goes on. `torn`: its last line is not whole, and has no newline yet."""

    digest: str = ANCHOR
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with (or, unless `broken`, worth knowing of) a line. Line 0: the file as a whole."""

    line: int
    what: str
    broken: bool = True


@dataclass(slots=True)
class Verdict:
    """A file of audit lines, looked through."""

    lines: int = 0
    runs: int = 0
    head: str = ANCHOR
    """Digest of the last line."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is broken."""
        return not any(finding.broken for finding in self.findings)


def digest(line: bytes) -> str:
    """Of a line without its newline."""
    return sha256(line).hexdigest()


def link(tail: Tail, fields: Mapping[str, Any]) -> bytes:
    """The next line, without its newline."""
    torn = {"after_torn": True} if tail.torn else {}
    line = {"sopsync_audit": FORMAT, "prev": tail.digest, **torn, **fields}
    # ascii: a path that is not UTF-8 carries surrogates, which no encoder would take
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def tail_of(last: bytes, *, ended: bool) -> Tail | None:
    """What to go on from after this last line of a file; None if it is no line of ours, nor the beginning of one."""
    if ended:
        return Tail(digest(last)) if _record(last) is not None else None
    ours = last.startswith(_BEGIN) or _BEGIN.startswith(last)
    return Tail(digest(last), torn=True) if ours else None


def verify(lines: Iterable[bytes], *, head: str = "") -> Verdict:
    """Look through all lines (each with its newline, if it has one). `head`: a digest, kept elsewhere, to be met on the
    way."""
    verdict = Verdict()
    met = 0
    open_runs: dict[str, int] = {}
    before = b""
    for number, raw in enumerate(lines, 1):
        line = raw.removesuffix(b"\n")
        record = _record(line) if raw.endswith(b"\n") else None
        verdict.findings += _link(number, record, before, verdict.head)
        if not raw.endswith(b"\n"):
            verdict.findings.append(Finding(number, "torn: a run was cut off while writing it, or the file was cut"))
        if record is not None:
            _follow(record, number, open_runs, verdict)
        verdict.lines, verdict.head, before = number, digest(line), line
        met = number if verdict.head == head else met
    verdict.findings += _ends(verdict, before, open_runs)
    if head and not met:
        what = "no line has the digest that was kept: the end was cut off, or the chain was made anew"
        verdict.findings.append(Finding(0, what))
    elif head and met < verdict.lines:
        verdict.findings.append(
            Finding(met, f"has the digest that was kept; {verdict.lines - met} more since", broken=False)
        )
    return verdict


def _link(number: int, record: Mapping[str, Any] | None, before: bytes, head: str) -> Iterator[Finding]:
    """Whether a line follows the one before. What is no line of ours is judged when the next one is seen."""
    if record is None:
        return
    if number > 1 and record.get("after_torn") and record["prev"] == head:
        yield Finding(number - 1, "torn: a run was cut off while writing it", broken=False)
    elif number > 1 and _record(before) is None:
        yield Finding(number - 1, "not an audit line")
    if record["prev"] == head:
        return
    if number == 1:
        yield Finding(1, "does not begin a chain: the lines before it are missing")
    elif record["prev"] == ANCHOR:
        yield Finding(number, "begins a chain of its own: the end of the one before it may be missing")
    else:
        yield Finding(number, f"does not follow line {number - 1}: a line was changed, removed or put in")


def _follow(record: Mapping[str, Any], number: int, open_runs: dict[str, int], verdict: Verdict) -> None:
    run = str(record.get("run"))
    if record.get("kind") == "start":
        open_runs[run] = number
        verdict.runs += 1
    elif record.get("kind") == "end":
        open_runs.pop(run, None)


def _ends(verdict: Verdict, last: bytes, open_runs: Mapping[str, int]) -> Iterator[Finding]:
    if not verdict.lines:
        yield Finding(0, "holds no audit line")
    elif _record(last) is None and not any(one.line == verdict.lines for one in verdict.findings):
        yield Finding(verdict.lines, "not an audit line")
    for number in open_runs.values():
        what = "this run has no end: it was killed, or still runs, or the end of the file was cut off"
        yield Finding(number, what, broken=False)


def _record(line: bytes) -> Mapping[str, Any] | None:
    """The fields of a line; None for what no sopsync wrote."""
    if not line.startswith(_BEGIN):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("prev"), str) else None
