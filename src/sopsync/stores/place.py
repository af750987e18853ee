"""Where in a store a call was going, and the errors that are said of it."""

from __future__ import annotations

from dataclasses import dataclass

from sopsync.errors import Conflict, Denied, Rejected, Unavailable

UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""How OpenSSL, and so whoever quotes it, calls a certificate that is not trusted."""


@dataclass(frozen=True, slots=True)
class Place:
    """The store, the entry ("": the store as a whole), and what the call needs to be allowed."""

    store: str
    name: str = ""
    needs: str = ""
    """As a policy would grant it: `read on kv/data/api`, `ssm:PutParameter`."""

    @property
    def whole(self) -> Place:
        """The store as a whole."""
        return Place(self.store)

    def conflict(self, what: str) -> Conflict:
        return Conflict(what, store=self.store, name=self.name, hint="plan again")

    def denied(self, what: str, hint: str) -> Denied:
        return Denied(what, store=self.store, name=self.name, hint=hint)

    def rejected(self, what: str, hint: str) -> Rejected:
        return Rejected(what, store=self.store, name=self.name, hint=hint)

    def unavailable(self, what: str, hint: str = "retry") -> Unavailable:
        return Unavailable(what, store=self.store, name=self.name, hint=hint)
