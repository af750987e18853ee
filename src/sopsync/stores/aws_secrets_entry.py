"""What Secrets Manager shows of a secret, and what sopsync keeps in its tags. Pure.

    sopsync-o   the owner                      sopsync-w   a stamp in full, of the version it names
    sopsync-p   the origin                     sopsync-k   digests of the keys that are tags of ours
    sopsync-q   the KMS key as git named it    sopsync-f, sopsync-v   of a fence: its text, the version that has it

All other tags are somebody else's.

Labels: AWSCURRENT is what is live. `sopsync-pending` stays on the version we put last, live or not, and tells apart
what AWSCURRENT on an older version of ours means:

    pending = current                    as we left it
    pending ≠ current, was never live    a write of ours was cut off before it moved AWSCURRENT: the old truth holds
    pending ≠ current = AWSPREVIOUS's    somebody moved AWSCURRENT back (moving it leaves AWSPREVIOUS behind): drift
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sopsync.model import Observed, PastVersion, Stamp, State, Version
from sopsync.stamp import OWNER as OWNER_RULE
from sopsync.stamp import Origin
from sopsync.stores.aws_secrets_options import KMS_KEY, REPLICAS, Regions, spellings
from sopsync.stores.aws_secrets_token import Token
from sopsync.stores.aws_tags import MAX_VALUE, OURS

OWNER, ORIGIN, STAMP, KEYS, KEY, FENCE, FENCED = (f"sopsync-{letter}" for letter in "opwkqfv")
CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "sopsync-pending"
SHELL = Version("no-value")
"""Stands for the version of a secret that has no value: made by a tool that leaves the value to others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret, as ListSecrets or DescribeSecret shows it."""

    name: str
    arn: str
    stages: Mapping[str, Collection[str]]
    """Version id → its labels."""
    tags: Mapping[str, str]
    deleted: bool
    key: str
    """The KMS key as shown; empty: AWS's own."""
    replicas: Regions | None
    """None: not shown, as in a listing."""
    reason: str
    """Why nobody should write here, or ""."""

    @classmethod
    def of(cls, data: Mapping[str, Any], *, listed: bool = False) -> Entry:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html."""
        described = data.get("ReplicationStatus") or []
        alive = frozenset(str(replica["Region"]) for replica in described if replica.get("Status") != "Failed")
        stages = data.get("VersionIdsToStages") or data.get("SecretVersionsToStages") or {}
        return cls(
            name=str(data.get("Name", "")),
            arn=str(data.get("ARN", "")),
            stages=stages,
            tags={tag["Key"]: tag.get("Value", "") for tag in data.get("Tags") or []},
            deleted=data.get("DeletedDate") is not None,
            key=str(data.get("KmsKeyId") or ""),
            replicas=None if listed else Regions(alive),
            reason=_reason(data),
        )

    def holder(self, label: str) -> str | None:
        """The version with this label: there is at most one."""
        return next((version for version, labels in self.stages.items() if label in labels), None)

    @property
    def version(self) -> Version:
        """What a write must expect."""
        return Version(self.holder(CURRENT) or SHELL)

    @property
    def replica(self) -> bool:
        return self.reason.startswith(_REPLICA)

    @property
    def owner(self) -> str:
        """A replica has the tags of its original, and is nobody's to write."""
        owner = self.tags.get(OWNER, "")
        return owner if OWNER_RULE.fullmatch(owner) and not self.replica else ""

    @property
    def keys(self) -> frozenset[str]:
        """Every way to name its KMS key."""
        return spellings(self.key, self.arn, self.tags.get(KEY))

    @property
    def turned_back(self) -> bool:
        """AWSCURRENT was moved back to an older version of ours."""
        now, before, last = (self.holder(label) for label in (CURRENT, PREVIOUS, PENDING))
        if now is None or last == now or Token.decode(now) is None:
            return False
        # the label is gone only where somebody took it off; after a create there is no version before
        return before == last if last else before is not None and Token.decode(before) is not None


_REPLICA = "a replica of "


def _reason(data: Mapping[str, Any]) -> str:
    arn, primary = str(data.get("ARN", "")).split(":"), data.get("PrimaryRegion")
    if primary and len(arn) > 3 and primary != arn[3]:
        return f"{_REPLICA}the secret in {primary}"
    if data.get("CrossAccountPrimary"):
        return f"{_REPLICA}a secret in another account"
    if service := data.get("OwningService"):
        return f"managed by {service}"
    if data.get("RotationEnabled"):
        return f"rotated by {data.get('RotationLambdaARN') or 'Secrets Manager'}"
    return ""


def observed(entry: Entry) -> Observed:
    """What is known of an entry. One without a value has nothing live, and its name is taken: like one that was deleted
    and can be had back."""
    live = entry.version != SHELL and not entry.deleted
    spoken = _spoken(entry)
    options: dict[str, Collection[str]] = {KMS_KEY: entry.keys}
    if entry.replicas is not None:
        options[REPLICAS] = entry.replicas
    return Observed(
        name=entry.name,
        state=State.PRESENT if live else State.RECOVERABLE,
        version=entry.version,
        owner=entry.owner,
        stamp=spoken or _last(entry),
        vouched=live and spoken is not None,
        reason=entry.reason,
        options=options,
    )


def _spoken(entry: Entry) -> Stamp | None:
    """The stamp that vouches for the current version."""
    if entry.turned_back:
        return None
    if (told := _told(entry)) and told.version == entry.version:
        return told
    token = Token.decode(entry.version)
    return _of(entry, entry.version) if token and token.alone else None


def _last(entry: Entry) -> Stamp | None:
    """What we vouched for last, where that is not what is current now."""
    told, last = _told(entry), entry.holder(PENDING) or entry.holder(PREVIOUS)
    if told and (last is None or told.version in (last, entry.holder(PREVIOUS))):
        return told
    return (_of(entry, last) if last else None) or told


def _told(entry: Entry) -> Stamp | None:
    stamp = Stamp.decode(entry.tags.get(STAMP, ""), entry.tags.get(ORIGIN, ""))
    return stamp if stamp and stamp.owner == entry.owner else None


def _of(entry: Entry, version: str) -> Stamp | None:
    """The stamp that a version's id makes, together with the tags."""
    token = Token.decode(version)
    if token is None or not entry.owner:
        return None
    return Stamp(entry.owner, token.digest, token.commit, Origin.decode(entry.tags.get(ORIGIN, "")), version)


def history(entry: Entry, versions: Iterable[tuple[str, str]]) -> Iterator[PastVersion]:
    """`versions`: (id, RFC 3339 of when it was made), newest first."""
    told = _told(entry)
    for version, at in versions:
        stamp = told if told and told.version == version else _of(entry, version)
        yield PastVersion(Version(version), at, stamp, not entry.deleted)


# -- tags


@dataclass(frozen=True, slots=True)
class Tagging:
    """What makes the tags of an entry say what is to be said."""

    put: Mapping[str, str]
    drop: Collection[str] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)

    def signed(self, stamp: Stamp) -> Tagging:
        """The same, and the stamp in full."""
        return Tagging({**self.put, STAMP: stamp.encode()}, self.drop)


def tagging(now: Mapping[str, str], stamp: Stamp, tags: Mapping[str, str], key: str | None) -> Tagging:
    """From the tags there are now. `key`: the KMS key as git names it, None where it names none. Nothing to do where
    the tags say already who owns the entry, where it comes from, and what git's tags are."""
    said = {OWNER: stamp.owner, **tags}
    if stamp.origin:
        said[ORIGIN] = stamp.origin.encode(MAX_VALUE)
    if tags:
        said[KEYS] = " ".join(sorted(map(_mark, tags)))
    if key is not None:
        said[KEY] = key
    marks = set(now.get(KEYS, "").split())
    old = {name for name in now if not name.startswith(OURS) and _mark(name) in marks}
    drop = (old | ({ORIGIN, KEYS} & now.keys())) - said.keys()
    return Tagging({name: text for name, text in said.items() if now.get(name) != text}, sorted(drop))


def _mark(key: str) -> str:
    """Keys themselves would not fit into one tag."""
    return sha256(key.encode()).hexdigest()[:8]
