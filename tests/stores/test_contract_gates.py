"""Abilities gate laws: a store that can do little is held to what it can do, and passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from sopsync.errors import Rejected
from sopsync.model import Payload, Secret, Stamp, Version
from sopsync.stores.testing import Contract, Expected, Harness
from tests.stores.toy import TRAITS, Server, Toy, ToyHarness, ToyOutside, fields, meta

LITTLE = replace(
    TRAITS, kind="poor", fields=False, binary=False, checked=False, recoverable=False, tags=False, folds_case=True
)


class PoorServer(Server):
    """Takes value and stamp in one call, compares nothing, and forgets what is deleted."""

    def put_stamped(self, name: str, value: bytes, stamp: Stamp) -> int:
        number = self.put(name, {"value": value})
        self.set_meta(name, meta(stamp.naming(str(number)), {}))
        return number

    def drop(self, name: str) -> None:
        self.records.pop(name, None)


class Poor(Toy):
    """One value, text only, folded names; looks before it writes, as nobody else compares for it."""

    traits = LITTLE
    server: PoorServer

    def write(
        self,
        name: str,
        payload: Payload,
        stamp: Stamp,
        *,
        expect: Version | None,
        options: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Version:
        self.fits(name, payload)
        (value,) = fields(payload).values()
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Rejected("not text", store=self.name, name=name, hint="encode it: base64") from None
        self.look(name, expect)
        return Version(str(self.call(name, lambda: self.server.put_stamped(name, value, stamp))))

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        self.look(name, expect)
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(expect), {})))

    def delete_one(self, name: str, expect: Version) -> None:
        self.look(name, expect)
        self.call(name, lambda: self.server.drop(name))

    def look(self, name: str, expect: Version | None) -> None:
        cas = self.number(name, expect)
        if self.call(name, lambda: self.server.get(name)).live != cas:
            raise self.conflict(name)


class PoorHarness(ToyHarness):
    expected = Expected(
        survey=lambda _entries: 1, create=2, update=2, restore=0, restamp=2, delete=2, read=1, fence=1
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(Poor)
        self._server = PoorServer()
        self.outside = Fresh(self._server)


class Fresh(ToyOutside):
    """A foreign write leaves none of our metadata."""

    def put(self, name: str, payload: Payload) -> None:
        self._server.put(name, fields(Payload(value=Secret(b"".join(fields(payload).values())))))
        self._server.set_meta(name, {})


class TestPoor(Contract):
    @pytest.fixture
    def empty(self) -> Callable[[], Harness]:
        return PoorHarness
