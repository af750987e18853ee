"""What a parameter says of itself, and what sopsync keeps in its `Description` and tags. Pure.

    Description    the stamp, ` p=` and the origin; it comes with a version, and that version has it for ever
    sopsync-w      a tag: a stamp for a version that is there already, ` t=` and when that version was made
    sopsync-p      a tag: the origin of that stamp
    sopsync-k      a tag: the keys of the tags that are ours, escaped, with spaces between them

A stamp in a tag is believed only while it names the live version: of number and of time, because numbers begin again
after a delete. It is then younger than the Description of that version, and goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sopsync.model import Observed, Stamp, State, Version
from sopsync.stores.aws_tags import MAX_TAGS, MAX_VALUE, untaggable

STAMP, ORIGIN, KEYS = (f"sopsync-{letter}" for letter in "wpk")
MAX_DESCRIPTION = 1024
_TIERS = {"standard": "Standard", "advanced": "Advanced", "intelligent": "Intelligent-Tiering"}

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """One parameter as DescribeParameters and GetParameterHistory show it."""

    name: str
    version: int
    description: str = ""
    type: str = "SecureString"
    tier: str = ""
    key: str = ""
    arn: str = ""
    by: str = ""
    at: datetime | None = field(default=None)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Listed:
        at = row.get("LastModifiedDate")
        text = {name: str(row.get(name, "")) for name in ("Description", "Type", "Tier", "KeyId", "ARN")}
        return cls(
            name=str(row["Name"]),
            version=int(row["Version"]),
            description=text["Description"],
            type=text["Type"],
            tier=text["Tier"],
            key=text["KeyId"],
            arn=text["ARN"],
            by=str(row.get("LastModifiedUser", "")),
            at=at if isinstance(at, datetime) else None,
        )

    @property
    def made(self) -> str:
        """When the live version was: seconds, to the millisecond that AWS tells."""
        return f"{self.at.timestamp():.3f}" if self.at else ""


# -- stamps


def describe(stamp: Stamp) -> str:
    """The Description of the version that the stamp names."""
    text = stamp.encode()
    return f"{text} p={stamp.origin.encode(MAX_DESCRIPTION - len(text) - 3)}" if stamp.origin else text


def described(description: str) -> Stamp | None:
    """What `describe` wrote, or None: anything else is somebody else's text."""
    text, _, origin = description.partition(" p=")
    return Stamp.decode(text, origin)


def label(stamp: Stamp, made: str) -> dict[str, str]:
    """The tags that stamp a version which is there already. `made` "": it is being made by this very call."""
    text = stamp.encode()
    origin = stamp.origin.encode(MAX_VALUE) if stamp.origin else ""
    return {STAMP: f"{text} t={made}" if made else text, ORIGIN: origin}


@dataclass(frozen=True, slots=True)
class Label:
    """What `label` wrote."""

    stamp: Stamp
    made: str

    @classmethod
    def of(cls, tags: Tags) -> Label | None:
        text, _, made = tags.get(STAMP, "").partition(" t=")
        stamp = Stamp.decode(text, tags.get(ORIGIN, ""))
        return cls(stamp, made) if stamp else None

    def names(self, seen: Listed) -> bool:
        return self.stamp.version == str(seen.version) and self.made in ("", seen.made)


def observed(seen: Listed, tags: Tags, *, told: bool) -> Observed:
    """What is known of a parameter. `told`: its Description is where a stamp may be."""
    stamp, labelled = described(seen.description) if told else None, Label.of(tags)
    vouched = stamp is not None and stamp.version == str(seen.version)
    if labelled and labelled.names(seen):
        stamp, vouched = labelled.stamp, True
    elif labelled and (stamp is None or stamp.version == labelled.stamp.version):
        stamp = labelled.stamp  # of the same version, so it was put there later
    return Observed(
        name=seen.name,
        state=State.PRESENT,
        version=Version(str(seen.version)),
        owner=stamp.owner if stamp else "",
        stamp=stamp,
        vouched=vouched,
        by=seen.by,
        at=seen.at.astimezone(UTC).isoformat().replace("+00:00", "Z") if seen.at else "",
        options=options(seen),
    )


def options(seen: Listed) -> dict[str, Collection[str]]:
    """Write option → what of it the live parameter satisfies. A tier is never lowered, so a higher one will do."""
    shown: dict[str, Collection[str]] = {"type": {seen.type}}
    if seen.tier:
        shown["tier"] = {"standard", "intelligent"} if seen.tier == _TIERS["standard"] else set(_TIERS)
    if seen.key:
        shown["kms_key"] = _spellings(seen)
    return shown


def _spellings(seen: Listed) -> set[str]:
    """Every way to write the key as far as can be told without asking KMS: whose alias it is cannot."""
    parts, home = seen.key.split(":", 5), seen.arn.split(":")[:5]
    if len(parts) == 6:  # an ARN: the alias, or `key/` and the id, is what comes last
        return {seen.key, parts[5].removeprefix("key/")}
    if len(home) < 5:
        return {seen.key}
    resource = seen.key if seen.key.startswith("alias/") else f"key/{seen.key}"
    return {seen.key, ":".join([*home[:2], "kms", *home[3:], resource])}


def tier(asked: str | None, live: str) -> str:
    """The Tier of a put; "": the account's default. A put to an advanced parameter is one of an advanced parameter."""
    return live if live == _TIERS["advanced"] else _TIERS.get(asked or "", "")


# -- tags


@dataclass(frozen=True, slots=True)
class Retag:
    """What makes the tags of ours those that git wants, and leaves those of others."""

    remove: tuple[str, ...]
    add: Tags


def retag(now: Tags, wanted: Tags) -> Retag:
    kept = {key: value for key, value in wanted.items() if now.get(key) != value}
    listed = _encode(wanted)
    if wanted and now.get(KEYS) != listed:
        kept[KEYS] = listed
    ours = [key for key in _decode(now.get(KEYS, "")) if key in now and key not in wanted]
    return Retag((*ours, *([KEYS] if KEYS in now and not wanted else [])), kept)


def unkept(tags: Tags) -> str:
    """Why these cannot be tags of a parameter, or ""."""
    if why := untaggable(tags, MAX_TAGS - len((STAMP, ORIGIN, KEYS))):
        return why
    return f"too many tags: {MAX_VALUE} characters at most for all their keys" if len(_encode(tags)) > MAX_VALUE else ""


def _encode(keys: Collection[str]) -> str:
    return " ".join(sorted(re.sub(r"[^A-Za-z0-9_.:/+@-]", _escape, key) for key in keys))


def _escape(match: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in match[0].encode())


def _decode(text: str) -> list[str]:
    """A list that cannot be read is nobody's."""
    if re.search(r"=(?![0-9A-F]{2})", text):
        return []
    raw = [re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), word.encode()) for word in text.split()]
    return [word.decode(errors="replace") for word in raw]
