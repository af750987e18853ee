"""A store in memory whose writes take two calls: a good one, to break in many ways, and an example of a harness.

The server knows records (versions of fields, a mark that they are gone, free metadata) and compares versions if asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar

from sopsync.errors import Conflict, Denied, Rejected, StoreError, Unavailable
from sopsync.model import VALUE, Fence, Observed, PastVersion, Payload, Secret, Stamp, State, Survey, Traits, Version
from sopsync.stores.base import one_by_one
from sopsync.stores.testing import Expected, Fault, Wire

T = TypeVar("T")
Fields = dict[str, bytes]

TRAITS = Traits(
    kind="toy", fields=True, binary=True, checked=True, recoverable=True, max_bytes=4096, tags=True,
    name_pattern=r"[a-zA-Z /]+", name_rule="letters, space and slash", max_name=200,
)  # fmt: skip


class MismatchError(Exception):
    """The server compared, and it was not so."""


class ForbiddenError(Exception):
    """The server says no."""


@dataclass(frozen=True)
class Record:
    versions: Mapping[int, Fields] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    gone: bool = False

    @property
    def live(self) -> int:
        """The newest version, 0 if there is none."""
        return max(self.versions, default=0)


class Server:
    """Every method is one API call."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.fences: dict[str, str] = {}
        self.numbers: dict[str, int] = {}

    def listing(self) -> tuple[dict[str, Record], dict[str, str]]:
        return dict(self.records), dict(self.fences)

    def get(self, name: str) -> Record:
        return self.records.get(name, Record())

    def put(self, name: str, fields: Fields, cas: int | None = None) -> int:
        record = self._compared(name, cas)
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        self.records[name] = replace(record, versions={**record.versions, number: fields}, gone=False)
        return number

    def set_meta(self, name: str, meta: Mapping[str, str], cas: int | None = None) -> None:
        self.records[name] = replace(self._compared(name, cas), meta=dict(meta))

    def delete(self, name: str, cas: int | None = None) -> None:
        self.records[name] = replace(self._compared(name, cas), gone=True)

    def set_fence(self, owner: str, text: str, cas: str) -> None:
        if self.fences.get(owner, "") != cas:
            raise MismatchError
        self.fences[owner] = text

    def _compared(self, name: str, cas: int | None) -> Record:
        record = self.get(name)
        if cas is not None and record.live != cas:
            raise MismatchError
        return record


class Toy:
    """The client. Order of a write: mark what is new as ours, value (compared), stamp."""

    name = "toy"
    traits = TRAITS

    def __init__(self, server: Server, lock: Lock, wire: Wire) -> None:
        self.server = server
        self.calls = 0
        self._lock = lock
        self._wire = wire

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        records, fences = self.call("", self.server.listing)
        entries = [self.observed(name, record) for name, record in records.items()]
        shown = [entry for entry in entries if entry.owner or entry.name in wanted]
        absent = [Observed(name, State.ABSENT) for name in wanted if name not in records]
        found = [fence for text in fences.values() if (fence := Fence.decode(text))]
        return Survey((*shown, *absent), {fence.owner: fence for fence in found})

    def observed(self, name: str, record: Record) -> Observed:
        stamp = Stamp.decode(record.meta.get("stamp", ""), record.meta.get("origin", ""))
        owner = record.meta.get("owner", "")
        if not record.live:
            return Observed(name, State.ABSENT, owner=owner)
        state = State.RECOVERABLE if record.gone else State.PRESENT
        vouched = stamp is not None and not record.gone and stamp.version == str(record.live)
        return Observed(name, state, Version(str(record.live)), owner, stamp, vouched)

    def read(self, name: str, *, expect: Version) -> Payload:
        cas = self.number(name, expect)
        record = self.call(name, lambda: self.server.get(name))
        if record.gone or record.live != cas:
            raise self.conflict(name)
        return payload(record.versions[record.live])

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
        cas = self.number(name, expect)
        if cas == 0:
            self.call(name, lambda: self.server.set_meta(name, {"owner": stamp.owner}, cas))
        number = self.call(name, lambda: self.server.put(name, fields(payload), cas))
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(str(number)), tags)))
        return Version(str(number))

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        cas = self.number(name, expect)
        if self.server.get(name).gone:  # the server's own check, so to speak
            raise self.conflict(name)
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(expect), tags), cas))

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        return one_by_one(versions, self.delete_one)

    def delete_one(self, name: str, expect: Version) -> None:
        if self.server.get(name).gone:
            raise self.conflict(name)
        cas = self.number(name, expect)
        self.call(name, lambda: self.server.delete(name, cas))

    def history(self, name: str) -> Iterator[PastVersion]:
        record = self.call(name, lambda: self.server.get(name))
        stamp = Stamp.decode(record.meta.get("stamp", ""))
        for number in sorted(record.versions, reverse=True):
            speaks = stamp is not None and stamp.version == str(number)
            yield PastVersion(Version(str(number)), "", stamp if speaks else None, alive=not record.gone)

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        seen = expect.encode() if expect else ""
        self.call("", lambda: self.server.set_fence(fence.owner, fence.encode(), seen))

    def close(self) -> None:
        """Nothing to let go of."""

    # -- the parts

    def call(self, name: str, what: Callable[[], T]) -> T:
        self.calls += 1
        try:
            return self.send(what)
        except ForbiddenError:
            raise Denied("forbidden", store=self.name, name=name, hint="ask for access") from None
        except ConnectionError:
            raise Unavailable("no answer", store=self.name, name=name, hint="retry") from None
        except MismatchError:
            raise self.conflict(name) from None

    def send(self, what: Callable[[], T]) -> T:
        fault = self._wire.send()
        if fault is Fault.REFUSED:
            raise ForbiddenError
        if fault is Fault.BEFORE:
            raise ConnectionError
        with self._lock:
            answer = what()
        if fault is Fault.AFTER:
            raise ConnectionError
        return answer

    def number(self, name: str, expect: Version | None) -> int:
        if expect is None:
            return 0
        if not expect.isdigit() or expect == "0":
            raise self.conflict(name)
        return int(expect)

    def conflict(self, name: str) -> StoreError:
        return Conflict("it moved", store=self.name, name=name, hint="plan again")

    def fits(self, name: str, payload: Payload) -> None:
        legal = name and len(name) <= TRAITS.max_name and all(c.isalpha() or c in " /" for c in name)
        if not legal or sum(map(len, fields(payload).values())) > TRAITS.max_bytes:
            raise Rejected("against the rules", store=self.name, name=name, hint="change it")


def meta(stamp: Stamp, tags: Mapping[str, str]) -> dict[str, str]:
    origin = stamp.origin.encode(512) if stamp.origin else ""
    own = {"owner": stamp.owner, "stamp": stamp.encode(), "origin": origin}
    return own | {f"tag {key}": value for key, value in tags.items()}


def fields(payload: Payload) -> Fields:
    return {name: secret.reveal() for name, secret in payload.as_fields().items()}


def payload(stored: Fields) -> Payload:
    if set(stored) == {VALUE}:
        return Payload(value=Secret(stored[VALUE]))
    return Payload(fields={name: Secret(value) for name, value in stored.items()})


class ToyOutside:
    """Talks to the server directly."""

    can_roll_back = False
    reuses_versions = False

    def __init__(self, server: Server) -> None:
        self._server = server

    def peek(self, name: str) -> Payload | None:
        record = self._server.get(name)
        return payload(record.versions[record.live]) if record.live and not record.gone else None

    def tags(self, name: str) -> Mapping[str, str]:
        stored = self._server.get(name).meta
        return {key.removeprefix("tag "): value for key, value in stored.items() if key.startswith("tag ")}

    def put(self, name: str, payload: Payload) -> None:
        self._server.put(name, fields(payload))

    copy_metadata = put  # metadata belongs to the record: it stays

    def strip_metadata(self, name: str) -> None:
        if name in self._server.records:
            self._server.set_meta(name, {})

    def delete(self, name: str) -> None:
        self._server.records.pop(name, None)

    def soft_delete(self, name: str) -> None:
        if self._server.get(name).live:
            self._server.delete(name)

    def undelete(self, name: str) -> None:
        if name in self._server.records:
            self._server.records[name] = replace(self._server.records[name], gone=False)

    def roll_back(self, name: str) -> None:
        """The server has no such thing."""


class ToyHarness:
    expected = Expected(
        survey=lambda _entries: 1, create=3, update=2, restore=2, restamp=1, delete=1, read=1, fence=1
    )  # fmt: skip
    odd_names = (" ", "/", "a b", "//a//", "x" * 200)

    def __init__(self, client: type[Toy] = Toy) -> None:
        self._server, self._lock, self._client = Server(), Lock(), client
        self.outside = ToyOutside(self._server)

    def open(self, wire: Wire) -> Toy:
        return self._client(self._server, self._lock, wire)

    def name(self, word: str) -> str:
        return word
