"""Decides whether an address that a SOPS file names may be given our credentials.

A file is untrusted: its author chose the address. So only somebody who set up this run can allow one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL: all there may be in an address."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def loopback(self) -> bool:
        """On this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def origin(address: str) -> Origin | None:
    """The origin of an http or https address. None for anything that two programs might read differently: user names,
    backslashes, control characters, paths, queries."""
    scheme, separator, rest = address.partition("://")
    rest = rest.removesuffix("/")
    if not separator or scheme.lower() not in _PORTS or not _HOST.fullmatch(rest):
        return None
    try:
        parts = urlsplit(f"{scheme.lower()}://{rest}")
        port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    except ValueError:
        return None
    return Origin(parts.scheme, parts.hostname or "", port)


def covered(asked: Origin, allowed: Collection[str]) -> bool:
    """Whether `asked` is in `allowed`, whose items are `host`, `host:port` or a URL. Without TLS only where the item is
    an http URL, or on this machine: otherwise a file could have a token sent in clear."""
    for item in allowed:
        listed = origin(item if "://" in item else f"https://{item}")
        if listed is None or listed.host != asked.host:
            continue
        any_port = "://" not in item and not re.search(r":\d+$", item.removesuffix("/"))
        if not any_port and listed.port != asked.port:
            continue
        if asked.scheme == "https" or item.startswith("http://") or asked.loopback:
            return True
    return False
