"""Laws of values: what was written is what is read, all of it and nothing else."""

from __future__ import annotations

import re

import pytest

from sopsync.errors import Rejected
from sopsync.model import Payload, Secret, State
from sopsync.stores.testing.place import Empty, Place, delete, one, several

_TEXTS = (
    "plain",
    "two\nlines\r\n",
    " spaces around ",
    "ünïcode 🔑 \u202e",
    '{"json": "text"}',
    "ENC[AES256_GCM,data:x]",
)


class ValueLaws:
    """Write, read, replace."""

    def test_what_was_written_is_read(self, empty: Empty) -> None:
        place = Place(empty())
        name = place.harness.name("text")
        version = None
        for text in _TEXTS:
            version = place.write(name, one(text), expect=version)
            assert place.holds(name, one(text)), f"not kept whole: {text!r}"

    def test_fields_are_replaced_whole(self, empty: Empty) -> None:
        place = Place(empty())
        if not place.traits.fields:
            pytest.skip("the store takes single values only")
        name = place.harness.name("map")
        first = place.write(name, several(kept="1", dropped="2"))
        second = place.write(name, several(kept="3", added="4"), expect=first)
        assert place.holds(name, several(kept="3", added="4")), "a field nobody wants any more is still there"
        place.write(name, one("single"), expect=second)
        assert place.holds(name, one("single"))

    def test_any_bytes_or_a_clear_no(self, empty: Empty) -> None:
        place = Place(empty())
        name, payload = place.harness.name("bytes"), one(bytes(range(256)))
        if place.traits.binary:
            place.write(name, payload)
            assert place.holds(name, payload)
            return
        with place.refuses(name, Rejected), place.changes_nothing(name):
            place.write(name, payload)

    def test_an_empty_value_is_kept_or_refused(self, empty: Empty) -> None:
        place = Place(empty())
        empties = [Payload(value=Secret(b""))]
        if place.traits.fields:
            empties += [Payload(fields={}), Payload(fields={"field": Secret(b"")})]
        for word, payload in zip(("nothing", "nofields", "hollow"), empties, strict=False):
            name = place.harness.name(word)
            try:
                place.write(name, payload)
            except Rejected:
                assert place.see(name).state is State.ABSENT, "refused, and yet something was written"
            else:
                assert place.holds(name, payload), "accepted, but something else was stored"

    def test_the_largest_value_fits_and_no_larger(self, empty: Empty) -> None:
        place = Place(empty())
        name, limit = place.harness.name("large"), place.traits.max_bytes
        full = (b"canary-" + b"0123456789abcdef" * (limit // 16 + 1))[:limit]
        place.write(name, Payload(value=Secret(full)))
        assert place.holds(name, Payload(value=Secret(full)))
        version = place.version(name)
        with place.refuses(name, Rejected), place.changes_nothing(name):
            place.write(name, Payload(value=Secret(full + b"!")), expect=version)

    def test_odd_names_are_names(self, empty: Empty) -> None:
        place = Place(empty())
        names = place.harness.odd_names
        assert names, "the harness names the oddest names that the store takes"
        for name in names:
            assert len(name) <= place.traits.max_name
            assert re.fullmatch(place.traits.name_pattern, name)
            place.write(name, one(name))
        # all at once: none is mistaken for another
        seen = {entry.name: entry for entry in place.fresh().survey({}).entries}
        for name in names:
            assert place.holds(name, one(name)), f"lost under an odd name: {name!a}"
            assert seen[name].vouched
            delete(place.store, name, expect=place.version(name))
            assert place.see(name).state is not State.PRESENT

    def test_a_name_against_the_rules_is_refused(self, empty: Empty) -> None:
        place = Place(empty())
        long = place.harness.name("x" * (place.traits.max_name + 1))
        for name in (long, "", "bell\x07"):
            if len(name) > place.traits.max_name or not re.fullmatch(place.traits.name_pattern, name):
                try:
                    place.write(name, one("misnamed"))
                except Rejected:
                    continue
                raise AssertionError(f"taken against the store's own rules: {name[:20]!a}")

    def test_case_counts_unless_the_store_folds_it(self, empty: Empty) -> None:
        place = Place(empty())
        lower = place.harness.name("word")
        upper = lower.replace("word", "WORD")
        if place.traits.folds_case or not re.fullmatch(place.traits.name_pattern, upper):
            pytest.skip("the store does not tell case apart")
        place.write(lower, one("lower"))
        place.write(upper, one("upper"))
        assert place.holds(lower, one("lower"))
        assert place.holds(upper, one("upper"))
