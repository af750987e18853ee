"""Small makers of values and stamps, and a place to use them in: what every law is written with."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from sopsync.errors import Conflict, StoreError
from sopsync.model import Fence, Observed, Origin, Payload, Secret, Stamp, Traits, Version
from sopsync.stores.base import Store
from sopsync.stores.testing.harness import Harness, Wire

OURS, THEIRS = "contract/ours", "contract/theirs"
COMMIT, ROOT = "c" * 40, "d" * 40
ORIGIN = Origin("services/api/prod.yaml", "/token")
NO_VERSION = Version("no-such-version")
MARK = b"canary-"
"""Every value starts with it, so that one that got out is recognised."""

Empty = Callable[[], Harness]


def secret(word: str | bytes) -> Secret:
    return Secret(MARK + (word if isinstance(word, bytes) else word.encode()))


def one(word: str | bytes) -> Payload:
    """A single value."""
    return Payload(value=secret(word))


def several(**fields: str) -> Payload:
    """A map of fields."""
    return Payload(fields={name: secret(word) for name, word in fields.items()})


def some(traits: Traits, word: str) -> Payload:
    """The richest payload that the store takes."""
    return several(user=f"{word}-user", password=f"{word}-password") if traits.fields else one(word)


def stamp(letter: str = "a", owner: str = OURS) -> Stamp:
    """A stamp whose digest is one letter over and over."""
    return Stamp(owner, letter * 32, COMMIT, ORIGIN)


def fence(letter: str = "a", owner: str = OURS) -> Fence:
    return Fence(owner, letter * 40, letter * 32, ROOT)


def assert_no_leak(error: BaseException) -> None:
    """Nothing that would be shown of an error, its cause and context included, holds a value."""
    marks = (MARK.decode(), b64encode(MARK[:6]).decode(), MARK.hex())
    at: BaseException | None = error
    while at is not None:
        text = f"{at!s} {at!r} {at.args!r}"
        assert not any(mark in text for mark in marks), (
            f"a value is in the {type(at).__name__} of {type(error).__name__}"
        )
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)


def told(act: Callable[[], object]) -> StoreError | None:
    """What the store said against it; None: it was done. No error shows a value."""
    try:
        act()
    except StoreError as error:
        assert_no_leak(error)
        return error
    return None


def delete(store: Store, name: str, *, expect: Version) -> None:
    """One entry; raises what it is refused with."""
    refused = store.delete({name: expect})
    assert refused.keys() <= {name}
    if refused:
        raise refused[name]


class Place:
    """A harness with a client on it, and what laws do with them."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.outside = harness.outside
        self.wire = Wire()
        self.store = harness.open(self.wire)
        self.traits = self.store.traits

    def fresh(self) -> Store:
        """Another client, which knows nothing yet."""
        return self.harness.open(Wire())

    def some(self, word: str) -> Payload:
        return some(self.traits, word)

    def write(
        self,
        name: str,
        payload: Payload,
        stamped: Stamp | None = None,
        *,
        expect: Version | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        return self.store.write(name, payload, stamped or stamp(), expect=expect, options={}, tags=tags or {})

    def see(self, name: str) -> Observed:
        """What a fresh client sees of a name, which it must say exactly once."""
        (seen,) = [entry for entry in self.fresh().survey({name: ""}).entries if entry.name == name]
        return seen

    def version(self, name: str) -> Version:
        version = self.see(name).version
        assert version is not None
        return version

    def holds(self, name: str, payload: Payload) -> bool:
        """Whether exactly this is live, by the store's own account and by that of an outsider."""
        live = self.outside.peek(name)
        if live is None or not live.same(payload):
            return False
        return self.fresh().read(name, expect=self.version(name)).same(payload)

    @contextmanager
    def refuses(self, name: str, *kinds: type[StoreError]) -> Iterator[None]:
        """What is done inside is refused, with an error that names store and entry, says what to do, and no value."""
        with pytest.raises(kinds or Conflict) as caught:
            yield
        assert_no_leak(caught.value)
        assert (caught.value.store, caught.value.name) == (self.store.name, name)
        assert caught.value.problems[0].hint, "an error says what to do"

    @contextmanager
    def changes_nothing(self, name: str) -> Iterator[None]:
        """What is done inside leaves the entry, its value and its stamp as they were."""
        seen, live = self.see(name), self.outside.peek(name)
        try:
            yield
        finally:  # what is refused raises, and that is when it matters
            after = self.outside.peek(name)
            assert (live is None and after is None) or (live is not None and after is not None and live.same(after))
            assert self.see(name) == seen
