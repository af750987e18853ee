"""What the metadata of a KV entry says, and what sopsync keeps in its `custom_metadata`. Pure.

    sopsync-w      the stamp                    sopsync-o      who began to create it, until it is stamped
    sopsync-t      when the version it vouches  sopsync-k      the keys that are tags of ours, as JSON
                   for was made                 sopsync-v<N>   the stamp that version N had
    sopsync-p      the origin                   sopsync-f      (in a fence) its version and text

All other keys are tags, or somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sopsync.model import Observed, PastVersion, Stamp, State, Version

STAMP, MADE, ORIGIN, CLAIM, TAGS, PAST, FENCE = (f"sopsync-{letter}" for letter in "wtpokvf")
OURS = "sopsync-"
MAX_KEYS, MAX_KEY, MAX_VALUE = 64, 128, 512
"""Limits of `custom_metadata`: openbao.org/api-docs/secret/kv/kv-v2/#createupdate-metadata."""
_KEPT = 10
"""Versions whose stamp is kept: as many as a server keeps of an entry unless told otherwise (`max_versions`)."""

Custom = Mapping[str, str]
Changes = Mapping[str, str | None]
"""A merge patch (RFC 7396) of `custom_metadata`: None removes a key."""


@dataclass(frozen=True, slots=True)
class Meta:
    """The metadata of one entry."""

    current: int
    """The latest version; 0: there is none."""
    versions: Mapping[str, Mapping[str, Any]]
    custom: Custom
    revision: int | None
    """OpenBao's version of the metadata itself; None: the server keeps none."""
    now: datetime

    @classmethod
    def of(cls, data: Mapping[str, Any], now: datetime) -> Meta:
        """ValueError if this is not the metadata of a KV version 2 entry."""
        current, versions, custom = data.get("current_version"), data.get("versions"), data.get("custom_metadata") or {}
        if not (isinstance(current, int) and isinstance(versions, dict) and isinstance(custom, dict)):
            raise ValueError("not metadata")  # noqa: TRY004 - the shape of an answer, not of an argument
        revision = data.get("current_metadata_version")
        return cls(current, versions, custom, revision if isinstance(revision, int) else None, now)

    def version(self, number: int) -> Mapping[str, Any]:
        found = self.versions.get(str(number))
        return found if isinstance(found, dict) else {}

    def alive(self, number: int) -> bool:
        """A `deletion_time` may lie in the future: `delete_version_after` sets it in advance."""
        version = self.version(number)
        gone = version.get("deletion_time")
        return bool(version) and not version.get("destroyed") and not (gone and _moment(str(gone)) <= self.now)

    def made(self, number: int) -> str:
        return str(self.version(number).get("created_time", ""))

    @property
    def live(self) -> bool:
        return self.current > 0 and self.alive(self.current)

    def __str__(self) -> str:
        """For messages."""
        return f"v{self.current}" + ("" if self.live else ", deleted") if self.current else "nothing"


def observed(name: str, meta: Meta) -> Observed:
    """What is known of an entry. One that never had a version is a free name, whoever has put metadata there."""
    if not meta.current:
        return Observed(name, State.ABSENT)
    stamp = _stamp(meta.custom)
    # A number is not enough: numbers start again once an entry was deleted for good, and metadata can be copied.
    vouched = (
        stamp is not None
        and meta.live
        and stamp.version == str(meta.current)
        and meta.custom.get(MADE) == meta.made(meta.current)
    )
    author = meta.version(meta.current).get("created_by")
    return Observed(
        name=name,
        state=State.PRESENT if meta.live else State.RECOVERABLE,
        version=Version(str(meta.current)),
        owner=stamp.owner if stamp else meta.custom.get(CLAIM, ""),
        stamp=stamp,
        vouched=vouched,
        by=str(author.get("actor", "")) if isinstance(author, dict) else "",
        at=meta.made(meta.current),
    )


def history(meta: Meta) -> Iterator[PastVersion]:
    """Newest first."""
    live = _stamp(meta.custom)
    for number in sorted((int(key) for key in meta.versions if key.isdecimal()), reverse=True):
        stamp = live if live and live.version == str(number) else Stamp.decode(meta.custom.get(f"{PAST}{number}", ""))
        speaks = stamp is not None and stamp.version == str(number)
        yield PastVersion(Version(str(number)), meta.made(number), stamp if speaks else None, meta.alive(number))


def stamping(custom: Custom, stamp: Stamp, made: str, tags: Mapping[str, str]) -> Changes:
    """What makes `custom` say that `stamp` vouches for the version made then. Keys of others stay; the stamp that is
    replaced moves to the version it spoke for; the claim is redeemed."""
    keys = json.dumps(sorted(tags), ensure_ascii=False) if tags else None
    changes: dict[str, str | None] = dict.fromkeys(_tagged(custom))
    changes |= {STAMP: stamp.encode(), MADE: made or None, TAGS: keys, CLAIM: None}
    changes[ORIGIN] = stamp.origin.encode(MAX_VALUE) if stamp.origin else None
    changes |= tags
    old = Stamp.decode(custom.get(STAMP, ""))
    if old and old.version != stamp.version and old.version.isdecimal():
        changes[f"{PAST}{old.version}"] = old.encode()
    merged = merge(custom, changes)
    past = sorted(int(key[len(PAST) :]) for key in merged if key[len(PAST) :].isdecimal() and key.startswith(PAST))
    spare = max(len(past) - _KEPT, len(merged) - MAX_KEYS, 0)
    changes |= dict.fromkeys(f"{PAST}{number}" for number in past[:spare])
    return {key: value for key, value in changes.items() if value is not None or key in custom}


def merge(custom: Custom, changes: Changes) -> Custom:
    """`custom` with `changes` made."""
    return {key: value for key, value in {**custom, **changes}.items() if value is not None}


def untaggable(tags: Mapping[str, str]) -> str:
    """Why these cannot be tags, or ""."""
    for key, value in tags.items():
        if key.startswith(OURS):
            return f"a tag may not begin with {OURS}"
        for text, limit in ((key, MAX_KEY), (value, MAX_VALUE)):
            if not (0 < len(text.encode("utf-8", "surrogatepass")) <= limit and text.isprintable()):
                return f"a tag is printable, its key at most {MAX_KEY} bytes and its value {MAX_VALUE}, neither empty"
    if len(json.dumps(sorted(tags), ensure_ascii=False).encode()) > MAX_VALUE:
        return f"too many tags: the list of their keys takes more than {MAX_VALUE} bytes"
    return ""


def _stamp(custom: Custom) -> Stamp | None:
    return Stamp.decode(custom.get(STAMP, ""), custom.get(ORIGIN, ""))


def _tagged(custom: Custom) -> list[str]:
    """Which keys are tags of ours. A list that cannot be read is nobody's."""
    try:
        keys = json.loads(custom.get(TAGS, "[]"))
    except ValueError:
        return []
    return [key for key in keys if isinstance(key, str) and key in custom] if isinstance(keys, list) else []


def _moment(text: str) -> datetime:
    """RFC 3339 with nanoseconds, of which Python keeps microseconds. One that cannot be read is long past."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
