"""Blame as text and JSON: one entry's version, its commit, and how both stand to what git wants now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sopsync.errors import printable
from sopsync.git import CommitInfo
from sopsync.lineage import Blame, Now, Step, Told, Value, beside, pull_request
from sopsync.model import Ref, State
from sopsync.render.json import FORMAT, dump

_VALUE = {
    Value.SAME: "the value is git's (read and compared)",
    Value.DIFFERENT: "the value is not what git had",
    Value.UNKNOWN: "not compared: git no longer shows what its stamp speaks of",
}


def blame_lines(found: Blame) -> Iterator[str]:
    """`live`, `from`, `commit`, `signed`; further lines only where there is more to know."""
    if found.past is not None:
        told = "its own stamp" if found.past.stamp else "no stamp speaks for it"
        alive = "" if found.past.alive else ", deleted"
        yield _line("was", f"v{found.version}{_of(found.past.at)}, {told}{alive}")
    yield _line("live", _live(found))
    if found.origin is not None:
        yield _line("from", str(found.origin))
    if found.seen.owner and found.now in (Now.FOREIGN, Now.UNWANTED):
        yield _line("owner", found.seen.owner)
    if found.told is not None:
        # the live version is somebody else's: this commit is of the one before it
        other = found.past is None and found.stamp is not None and found.stamp.version != found.version
        yield _line("commit", _commit(found.told) + (f" (of v{found.stamp.version})" if other and found.stamp else ""))
        yield from _more(found.told)
    if found.past is None and (said := _git(found)):
        yield _line("git", said)


def history_lines(steps: Sequence[Step]) -> Iterator[str]:
    """One version a line, newest first."""
    versions = [f"v{step.past.version}" for step in steps]
    wide, dates = max(map(len, versions), default=0), max((len(s.past.at) for s in steps), default=0)
    for step, version in zip(steps, versions, strict=True):
        state = "live" if step.live else "" if step.past.alive else "deleted"
        told = _commit(step.told) if step.told else "no stamp speaks for it"
        told = beside(told, step.told.pull if step.told else "")
        yield printable(f"{version:<{wide}}  {step.past.at:<{dates}}  {state:<7}  {told}").rstrip()


def blame_json(found: Blame) -> str:
    """One object."""
    seen = found.seen
    return dump(
        {
            "format_version": FORMAT,
            **_ref(found.ref),
            "version": found.version,
            "live": {
                "state": seen.state.value,
                "version": seen.version,
                "at": seen.at or None,
                "by": seen.by or None,
                "owner": seen.owner or None,
                "matches_stamp": seen.vouched,
                "value": found.value.value,
            },
            "git": found.now.value,
            "origin": {"path": found.origin.path, "pointer": found.origin.pointer} if found.origin else None,
            "commit": told_json(found.told),
            "pending": told_json(found.pending),
        }
    )


def history_json(ref: Ref, steps: Sequence[Step]) -> str:
    """One object, `versions` newest first."""
    versions = [
        {
            "version": step.past.version,
            "at": step.past.at or None,
            "live": step.live,
            "alive": step.past.alive,
            "commit": told_json(step.told),
        }
        for step in steps
    ]
    return dump({"format_version": FORMAT, **_ref(ref), "versions": versions})


def _live(found: Blame) -> str:
    seen = found.seen
    if seen.state is State.ABSENT:
        return "nothing: not applied yet"
    if seen.state is State.RECOVERABLE:
        return f"nothing: deleted{_of(seen.at)}; v{seen.version} can be restored"
    version = f"v{seen.version}"
    if found.value is not Value.UNREAD:
        forged = ", although its stamp vouches for it" if found.value is Value.DIFFERENT and seen.vouched else ""
        return f"{version}, {_VALUE[found.value]}{forged}"
    if seen.vouched:
        unread = " (value not read; --verify reads it)" if found.past is None else ""
        return f"{version}, matches its stamp{unread}"
    who = f" by {seen.by}" if seen.by else ""
    expected = f"its stamp is of v{seen.stamp.version}" if seen.stamp and seen.stamp.version else "without a stamp"
    return f"{version}{who}{_of(seen.at)}, {expected}: somebody else wrote it, or a run was cut off"


def _git(found: Blame) -> str:
    """What git wants now, where that is not what is live."""
    match found.now:
        case Now.SAME | Now.MOVED:
            return ""
        case Now.PENDING:
            source = f" {_commit(found.pending)}" if found.pending else ""
            return f"waits to be applied:{source}" if source else "waits to be applied"
        case Now.UNWANTED:
            return "names no such entry now"
        case Now.FOREIGN:
            return "wants it, and does not own it; sopsync plan tells what would adopt it"


def _more(told: Told) -> Iterator[str]:
    if told.merge is not None:
        yield _line("merged", f"{told.merge.commit[:7]}  {told.merge.date[:10]}  {_why(told.merge)}")
    if told.signature is not None:
        good = f"good, {told.signature.signer}" if told.signature.good else told.signature.reason
        yield _line("signed", good)
        if told.signature.reason == "signed, but no allowed signers are named":
            yield _line("", "hint: --allowed-signers FILE")


def _commit(told: Told) -> str:
    if told.info is None:
        return f"{told.commit[:7]}  not in this clone: git fetch, or it is another repository's"
    return f"{told.commit[:7]}  {told.info.date[:10]}  {told.info.author}  {_why(told.info)}"


def told_json(told: Told | None) -> dict[str, Any] | None:
    """A commit as an object."""
    if told is None:
        return None
    info, signature = told.info, told.signature
    return {
        "id": told.commit,
        "known": info is not None,
        "author": info.author if info else None,
        "email": info.email if info else None,
        "date": info.date if info else None,
        "subject": info.subject if info else None,
        "pull_request": int(told.pull[1:]) if told.pull else None,
        "merge": told.merge.commit if told.merge else None,
        "signature": {"good": signature.good, "signer": signature.signer or None, "reason": signature.reason or None}
        if signature
        else None,
    }


def _ref(ref: Ref) -> dict[str, str]:
    return {"store": ref.store, "name": ref.name}


def _line(word: str, text: str) -> str:
    return f"{word:<6}  {printable(text)}".rstrip()


def _of(at: str) -> str:
    return f" of {at[:16].replace('T', ' ')}" if at else ""


def _why(info: CommitInfo) -> str:
    """The subject; the pull request too, where only the rest of the message names it."""
    return beside(f'"{info.subject}"', pull_request(info))
