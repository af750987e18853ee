"""Stamps and fences: what sopsync writes beside a value, in one grammar that is legal in every store.

AWS tag values are the narrowest place: letters, digits, space and `_.:/=+-@`, 256 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

OWNER = re.compile(r"[A-Za-z0-9_.:/@+-]{1,64}")
_STAMP = re.compile(
    r"sopsync1 o=(?P<owner>[A-Za-z0-9_.:/@+-]{1,64}) v=(?P<version>[A-Za-z0-9_.:/@+-]{0,64})"
    r" c=(?P<digest>[0-9a-f]{32}) g=(?P<commit>[0-9a-f]{40}(?:[0-9a-f]{24})?)"
)
_FENCE = re.compile(
    r"sopsync1-fence o=(?P<owner>[A-Za-z0-9_.:/@+-]{1,64}) g=(?P<commit>[0-9a-f]{40}(?:[0-9a-f]{24})?)"
    r" c=(?P<config>[0-9a-f]{32}) r=(?P<root>[0-9a-f]{40}(?:[0-9a-f]{24})?)"
)
_PLAIN = re.compile(r"[A-Za-z0-9_./@+-]")
_CUT = "=="


def _escape(text: str) -> str:
    """Every byte that is not plain as `=XX`. Undecodable path bytes (surrogate escapes) survive."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if _PLAIN.fullmatch(chr(b)) else f"={b:02X}" for b in raw)


def _unescape(text: str) -> str:
    raw = re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text.encode("ascii"))
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: a path in git and an RFC 6901 JSON Pointer into the file ("" = all of it)."""

    path: str
    pointer: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.pointer}" if self.pointer else self.path

    def encode(self, limit: int) -> str:
        """ASCII of at most `limit` characters; a text that was cut ends in `==` and no longer names a file."""
        text = f"{_escape(self.path)}:{_escape(self.pointer)}"
        return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT

    @classmethod
    def decode(cls, text: str) -> Origin | None:
        """What `encode` wrote, or None if it was cut or is not ours."""
        if text.endswith(_CUT) or not re.fullmatch(r"[A-Za-z0-9_./@+:=-]*", text):
            return None
        path, colon, pointer = text.partition(":")
        return cls(_unescape(path), _unescape(pointer)) if colon and path else None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What we write beside a value: who manages it, from which commit, which ciphertext, which version it vouches for.

    `version` is empty until the store fills it in at the write.
    """

    owner: str
    digest: str
    commit: str
    origin: Origin | None = None
    version: str = ""

    def naming(self, version: str) -> Stamp:
        """The same stamp, vouching for `version`."""
        return replace(self, version=version)

    def encode(self) -> str:
        """At most 256 characters. The origin travels separately (`Origin.encode`)."""
        return f"sopsync1 o={self.owner} v={self.version} c={self.digest} g={self.commit}"

    @classmethod
    def decode(cls, text: str, origin: str = "") -> Stamp | None:
        """What `encode` wrote, or None: anything else is somebody else's text."""
        found = _STAMP.fullmatch(text)
        if not found:
            return None
        return cls(found["owner"], found["digest"], found["commit"], Origin.decode(origin), found["version"])


@dataclass(frozen=True, slots=True)
class Fence:
    """The last commit an owner applied to a store, its config, and which repository that owner is."""

    owner: str
    commit: str
    config: str
    """32 hex digits: digest of the config file."""
    root: str
    """The first commit of the repository."""

    def encode(self) -> str:
        """At most 256 characters."""
        return f"sopsync1-fence o={self.owner} g={self.commit} c={self.config} r={self.root}"

    @classmethod
    def decode(cls, text: str) -> Fence | None:
        """What `encode` wrote, or None."""
        found = _FENCE.fullmatch(text)
        return cls(found["owner"], found["commit"], found["config"], found["root"]) if found else None
