"""The nouns of tracing: what git and a store together tell of one live entry. No I/O, no values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sopsync.git import CommitInfo, Signature
from sopsync.model import Observed, PastVersion, Ref, Version
from sopsync.stamp import Origin, Stamp

# How forges name a pull request in a commit on the branch it went to. A number of more digits is nobody's.
_PULL = (
    re.compile(r"\(#(?P<number>[0-9]{1,18})\)$"),  # GitHub and Gitea, squashed or rebased
    re.compile(r"^Merge pull request #(?P<number>[0-9]{1,18})\b"),  # GitHub, Gitea and Bitbucket Server, merged
    re.compile(r"^Merged in .+ \(pull request #(?P<number>[0-9]{1,18})\)$"),  # Bitbucket Cloud
    re.compile(r"^Merged PR (?P<number>[0-9]{1,18}): "),  # Azure DevOps
)
_MERGE_REQUEST = re.compile(r"^See merge request [\w./-]*!(?P<number>[0-9]{1,18})$", re.MULTILINE)
"""GitLab, in a line of its own below the subject (docs.gitlab.com, Commit message templates: `%{reference}`)."""


def pull_request(commit: CommitInfo) -> str:
    """The pull request that a commit's message names, as its forge writes it (`#412`, GitLab `!412`), or ""."""
    subject = commit.subject.strip()
    found = next(filter(None, (pattern.search(subject) for pattern in _PULL)), None)
    if found is not None:
        return f"#{found['number']}"
    named = _MERGE_REQUEST.findall(commit.body)  # GitLab's own is below whatever people wrote
    return f"!{named[-1]}" if named else ""


def beside(text: str, pull: str) -> str:
    """The text, and the pull request behind it where the text does not name it: #4 is not named by #41."""
    return text if not pull or re.search(rf"{re.escape(pull)}(?![0-9])", text) else f"{text} {pull}"


@dataclass(frozen=True, slots=True)
class Told:
    """A commit as git tells of it. `info` is None where this clone does not have it."""

    commit: str
    info: CommitInfo | None = None
    merge: CommitInfo | None = None
    """The merge that brought it to the branch, if one did."""
    signature: Signature | None = None

    @property
    def pull(self) -> str:
        """Its pull request: `#412`, on GitLab `!412`, or ""."""
        own = pull_request(self.info) if self.info else ""
        return own or (pull_request(self.merge) if self.merge else "")


class Now(StrEnum):
    """How what is live stands to what git wants now, as far as ciphertexts tell."""

    SAME = "same"
    PENDING = "pending"
    """Git has another ciphertext (or routing) now, or the entry is not there yet."""
    MOVED = "moved"
    """No stamp vouches for what is live: somebody else wrote it."""
    UNWANTED = "unwanted"
    """Git does not name it."""
    FOREIGN = "foreign"
    """Git names it, and another owner, or nobody, manages it."""


class Value(StrEnum):
    """What reading the live value told."""

    UNREAD = "unread"
    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """Git no longer shows the ciphertext that the stamp speaks of, so there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Blame:
    """Who put one version of an entry there, when and why."""

    ref: Ref
    seen: Observed
    """The entry as it is live."""
    now: Now
    version: Version | None
    """The version this is about: the live one, or the past one that was asked for."""
    past: PastVersion | None = None
    """Set where a version was asked for that is not live."""
    stamp: Stamp | None = None
    origin: Origin | None = None
    told: Told | None = None
    """Of the stamp's commit; of an entry that is not there, of the commit it will come from."""
    pending: Told | None = None
    """The commit whose value waits to be applied."""
    value: Value = Value.UNREAD


@dataclass(frozen=True, slots=True)
class Step:
    """One version of an entry beside its commit."""

    past: PastVersion
    live: bool
    told: Told | None = None
