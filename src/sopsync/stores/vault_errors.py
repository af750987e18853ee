"""What a server's answer, or its silence, means for the reader. Texts of the server are recognised, never quoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sopsync.errors import StoreError
from sopsync.stores.place import Place

FOREIGN = 600
"""The status of a success that no Vault server would give: a proxy's login page, say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer of the server, its JSON body taken apart."""

    status: int
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    auth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    errors: tuple[str, ...] | None = field(default=None, repr=False)
    """None: the body has no `errors`, so it is not the server's own way of saying no."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """The server's clock, rounded up to the next second."""
    after: float = 1.0
    """Seconds in which it may be asked again, where it was asked too often."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def says(self, text: str) -> bool:
        """Whether an error of the server contains this text."""
        return any(text in error for error in self.errors or ())

    @property
    def nothing(self) -> bool:
        """A positive not-found: 404 with an empty list of errors. A proxy's 404 has none."""
        return self.status == 404 and self.errors == ()


def no_mount(place: Place, mount: str) -> StoreError:
    """The server routes nothing there: a matter of the store, not of the entry."""
    hint = f"vault secrets enable -path={mount} kv-v2; or look at mount and namespace"
    return place.whole.rejected(f"nothing is mounted at {mount}/", hint)


def version_one(place: Place, mount: str) -> StoreError:
    """KV version 1 keeps neither versions nor metadata."""
    what = f"{mount}/ is KV version 1: it has nowhere to put a stamp"
    return place.rejected(what, f"vault kv enable-versioning {mount}")


def refusal(answer: Answer, place: Place) -> StoreError:
    """An answer nobody expected, as the error it stands for. By status: vaultproject.io/api-docs#http-status-codes."""
    match answer.status:
        case 301 | 302 | 303 | 307 | 308:
            return place.rejected("the server sends us elsewhere", "give the address of the active node")
        case 400 if answer.says("Upgrading from non-versioned"):
            return place.unavailable("the mount is being upgraded to KV version 2", "retry in a moment")
        case 400:
            return place.rejected("the server takes the request for a bad one", "look at its name, fields and tags")
        case 403:
            hint = f"grant {place.needs}" if place.needs else "look at the token's policies"
            return place.denied("permission denied", hint)
        case 413 | 500 if answer.status == 413 or answer.says("value being too large"):
            return place.rejected("too large for the server", "split it over several entries")
        case 429:
            return place.unavailable("too many requests", "retry later, or raise the server's rate limit quota")
        case 501:
            return place.unavailable("the server is not initialized", "initialize it")
        case 503 if answer.says("sealed"):
            return place.unavailable("the server is sealed", "unseal it, then retry")
        case status if status == FOREIGN or (status < 500 and answer.errors is None):
            return place.unavailable("that was not the answer of a Vault server", "look at address and proxies")
        case status if status >= 500:
            return place.unavailable(f"the server failed ({status})")
        case status:
            return place.unavailable(f"the server gave an answer we do not know ({status})")
