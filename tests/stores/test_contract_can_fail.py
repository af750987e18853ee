"""A contract that cannot be broken says nothing: each defect here is caught by the law that is there to catch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sopsync.errors import Denied, Rejected, StoreError, Unavailable
from sopsync.model import Fence, Observed, PastVersion, Payload, Secret, Stamp, State, Survey, Version
from sopsync.stores.testing import Contract, Harness
from tests.stores.toy import Record, T, Toy, ToyHarness, fields, meta


class TestToy(Contract):
    """Unbroken, it passes."""

    @pytest.fixture
    def empty(self) -> Callable[[], Harness]:
        return ToyHarness


class Written(Toy):
    """A toy whose write is to be broken: `store` and `finish` are its two halves."""

    def write(self, name: str, payload: Payload, stamp: Stamp, *, expect: Version | None, **more: Any) -> Version:
        self.fits(name, payload)
        return self.carry_out(name, fields(payload), stamp, self.number(name, expect), more["tags"])

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        self.mark(name, stamp, cas)
        number = self.call(name, lambda: self.server.put(name, value, cas))
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(str(number)), tags)))
        return Version(str(number))

    def mark(self, name: str, stamp: Stamp, cas: int) -> None:
        if cas == 0:
            self.call(name, lambda: self.server.set_meta(name, {"owner": stamp.owner}, cas))


class StampFirst(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(str(cas + 1)), tags), cas))
        return Version(str(self.call(name, lambda: self.server.put(name, value, cas))))


class IgnoresExpect(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        number = self.call(name, lambda: self.server.put(name, value))
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(str(number)), tags)))
        return Version(str(number))


class LooksThenWrites(Written):
    """Compares by itself, a call too early."""

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        if self.call(name, lambda: self.server.get(name)).live != cas:
            raise self.conflict(name)
        number = self.call(name, lambda: self.server.put(name, value))
        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(str(number)), tags)))
        return Version(str(number))


class NoMark(Written):
    def mark(self, name: str, stamp: Stamp, cas: int) -> None:
        """A crash after the value leaves an entry that nobody owns."""


class MarksOver(Written):
    def mark(self, name: str, stamp: Stamp, cas: int) -> None:
        if cas == 0:
            self.call(name, lambda: self.server.set_meta(name, {"owner": stamp.owner}))


class KeepsFields(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        record = self.server.get(name)
        old = record.versions[record.live] if record.live else {}
        return super().carry_out(name, {**old, **value}, stamp, cas, tags)


class Truncates(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        return super().carry_out(name, {key: text[:1024] for key, text in value.items()}, stamp, cas, tags)


class DropsTags(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        return super().carry_out(name, value, stamp, cas, {})


class Claims(Written):
    """Says that it wrote what it was not let write."""

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        try:
            return super().carry_out(name, value, stamp, cas, tags)
        except (Denied, Unavailable):
            return Version(str(cas + 1))


class Retries(Toy):
    """Sends again what may have arrived."""

    def send(self, what: Callable[[], T]) -> T:
        try:
            return super().send(what)
        except ConnectionError:
            return super().send(what)


class FoldsCase(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        return super().carry_out(name.lower(), value, stamp, 0 if cas == 0 else cas, tags)

    def read(self, name: str, *, expect: Version) -> Payload:
        return super().read(name.lower(), expect=expect)


class StripsNames(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        return super().carry_out(name.strip() or "blank", value, stamp, cas, tags)


class TokenOfContent(Written):
    """Takes what it stored before for what is live."""

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        for number, known in self.server.get(name).versions.items():
            if known == value:
                return Version(str(number))
        return super().carry_out(name, value, stamp, cas, tags)


class WritesTwice(Written):
    """Writes an entry again that it finds marked, without looking whether the value is there already."""

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        if "stamp" in self.server.get(name).meta:
            return super().restamp(name, stamp, expect=expect, tags=tags)
        record = self.server.get(name)
        self.carry_out(name, dict(record.versions[record.live]), stamp, record.live, tags)
        return None


class TouchesAll(Written):
    """Cleans up after itself, and after others."""

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        try:
            return super().carry_out(name, value, stamp, cas, tags)
        except Unavailable:
            for other, record in self.server.records.items():
                if not record.meta:
                    self.server.put(other, value)
            raise


class KeepsScratch(Written):
    """Remembers on itself what it is writing."""

    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        self.scratch = value
        self.mark(name, stamp, cas)
        return super().carry_out(name, self.scratch, stamp, cas, tags)


class ClosesOnce(Toy):
    def close(self) -> None:
        del self.server


class TellsTheValue(Toy):
    def fits(self, name: str, payload: Payload) -> None:
        try:
            super().fits(name, payload)
        except Rejected:
            value = next(iter(fields(payload).values()))
            raise Rejected(f"too large: {value!r}", store=self.name, name=name, hint="change it") from None


class ChainsTheValue(Toy):
    def fits(self, name: str, payload: Payload) -> None:
        try:
            super().fits(name, payload)
        except Rejected as error:
            raise error from ValueError(next(iter(fields(payload).values())))


class ShowsItself(Toy):
    def write(self, name: str, payload: Payload, stamp: Stamp, **more: Any) -> Version:
        self.server.__dict__["last"] = fields(payload)
        return super().write(name, payload, stamp, **more)

    def __repr__(self) -> str:
        return f"Toy({self.server.__dict__.get('last')})"


class DigestOnly(Toy):
    def observed(self, name: str, record: Record) -> Observed:
        seen = super().observed(name, record)
        return Observed(seen.name, seen.state, seen.version, seen.owner, seen.stamp, seen.stamp is not None)


class SeesTheDead(Toy):
    def observed(self, name: str, record: Record) -> Observed:
        return super().observed(name, Record(record.versions, record.meta))


class ForgetsTheDead(Toy):
    def observed(self, name: str, record: Record) -> Observed:
        return Observed(name, State.ABSENT) if record.gone else super().observed(name, record)


class OwnsAll(Toy):
    def observed(self, name: str, record: Record) -> Observed:
        seen = super().observed(name, record)
        return Observed(seen.name, seen.state, seen.version, seen.owner or "contract/ours", seen.stamp, seen.vouched)


class ForgetsOrigin(Toy):
    def observed(self, name: str, record: Record) -> Observed:
        return super().observed(name, Record(record.versions, {**record.meta, "origin": ""}, record.gone))


class ErrorIsEmpty(Toy):
    def survey(self, wanted: Mapping[str, str]) -> Survey:
        try:
            return super().survey(wanted)
        except StoreError:
            return Survey(tuple(Observed(name, State.ABSENT) for name in wanted))


class SaysNothingOfAbsent(Toy):
    def survey(self, wanted: Mapping[str, str]) -> Survey:
        survey = super().survey(wanted)
        return Survey(tuple(e for e in survey.entries if e.state is not State.ABSENT), survey.fences)


class SeesOnlyWhatWasAsked(Toy):
    def survey(self, wanted: Mapping[str, str]) -> Survey:
        survey = super().survey(wanted)
        return Survey(tuple(e for e in survey.entries if e.name in wanted), survey.fences)


class Chatty(Toy):
    def survey(self, wanted: Mapping[str, str]) -> Survey:
        super().survey(wanted)
        return super().survey(wanted)


class Miscounts(Toy):
    def send(self, what: Callable[[], T]) -> T:
        self.calls -= 1
        return super().send(what)


class BlamesOthers(Toy):
    """Every failure is a conflict, so that nobody looks whether it was written."""

    def call(self, name: str, what: Callable[[], T]) -> T:
        try:
            return super().call(name, what)
        except StoreError:
            raise self.conflict(name) from None


class RestampWrites(Toy):
    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        value = self.read(name, expect=expect)
        self.write(name, value, stamp, expect=expect, options={}, tags=tags)


class RestampsAnything(Toy):
    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        def live() -> str:
            return str(self.server.get(name).live)

        self.call(name, lambda: self.server.set_meta(name, meta(stamp.naming(live()), tags)))


class DeletesAnything(Toy):
    def delete_one(self, name: str, expect: Version) -> None:
        self.call(name, lambda: self.server.delete(name))


class RefusesTooLate(Toy):
    def delete_one(self, name: str, expect: Version) -> None:
        try:
            super().delete_one(name, expect)
        except StoreError:
            if name in self.server.records:
                self.server.delete(name)
            raise


class DeletesForGood(Toy):
    def delete_one(self, name: str, expect: Version) -> None:
        super().delete_one(name, expect)
        del self.server.records[name]


class OldestFirst(Toy):
    def history(self, name: str) -> Iterator[PastVersion]:
        return reversed(list(super().history(name)))


class LooseFence(Toy):
    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        def now() -> str:
            return self.server.fences.get(fence.owner, "")

        self.call("", lambda: self.server.set_fence(fence.owner, fence.encode(), now()))


class OneFence(Toy):
    def survey(self, wanted: Mapping[str, str]) -> Survey:
        survey = super().survey(wanted)
        return Survey(survey.entries, dict(list(survey.fences.items())[:1]))


class TextOnly(Written):
    def carry_out(self, name: str, value: dict[str, bytes], stamp: Stamp, cas: int, tags: Mapping[str, str]) -> Version:
        text = {key: raw.decode(errors="replace").encode() for key, raw in value.items()}
        return super().carry_out(name, text, stamp, cas, tags)


class TakesAnyName(Toy):
    def fits(self, name: str, payload: Payload) -> None:
        super().fits("name", payload)


class DropsEmpty(Toy):
    def read(self, name: str, *, expect: Version) -> Payload:
        kept = {key: secret for key, secret in super().read(name, expect=expect).as_fields().items() if secret.reveal()}
        return Payload(fields=kept)


class Trims(Toy):
    def read(self, name: str, *, expect: Version) -> Payload:
        found = super().read(name, expect=expect).as_fields()
        return Payload(fields={key: Secret(secret.reveal().strip()) for key, secret in found.items()})


DEFECTS = [
    (IgnoresExpect, "what_does_not_hold_is_a_conflict_and_changes_nothing", None),
    (RefusesTooLate, "what_does_not_hold_is_a_conflict_and_changes_nothing", None),
    (IgnoresExpect, "a_strangers_entry_withstands_every_wrong_expectation", None),
    (IgnoresExpect, "two_at_once", "update"),
    (IgnoresExpect, "between_any_two_calls_another_applier_may_come", "update"),
    (LooksThenWrites, "between_any_two_calls_another_applier_may_come", "create"),
    (KeepsFields, "fields_are_replaced_whole", None),
    (Truncates, "the_largest_value_fits_and_no_larger", None),
    (DropsTags, "tags_follow_the_last_word", None),
    (Claims, "a_failed_act_says_so_and_a_done_one_is_done", "update"),
    (Retries, "a_failed_act_says_so_and_a_done_one_is_done", "create"),
    (FoldsCase, "case_counts_unless_the_store_folds_it", None),
    (StripsNames, "odd_names_are_names", None),
    (TokenOfContent, "each_write_makes_a_version_that_its_stamp_names", None),
    (TellsTheValue, "the_largest_value_fits_and_no_larger", None),
    (ChainsTheValue, "the_largest_value_fits_and_no_larger", None),
    (ShowsItself, "nothing_shows_a_value", None),
    (DigestOnly, "a_stamp_does_not_speak_for_what_others_did", "put"),
    (SeesTheDead, "a_stamp_does_not_speak_for_what_others_did", "soft delete"),
    (SeesTheDead, "what_was_deleted_can_be_had_back", None),
    (ForgetsTheDead, "a_deleted_entry_that_comes_back_is_the_same_entry", None),
    (OwnsAll, "a_survey_names_all_that_is_ours_and_all_that_was_asked_for", None),
    (ForgetsOrigin, "a_stamp_is_read_as_it_was_written", None),
    (ErrorIsEmpty, "a_failed_survey_is_never_an_empty_one", None),
    (SaysNothingOfAbsent, "an_empty_store_is_empty_and_stays_so", None),
    (SeesOnlyWhatWasAsked, "all_that_git_no_longer_wants_is_deleted", None),
    (KeepsScratch, "one_client_serves_two_threads", None),
    (ClosesOnce, "closing_twice_is_closing", None),
    (Chatty, "a_survey_takes_the_least_calls", 1),
    (Chatty, "after_apply_a_plan_finds_nothing", None),
    (Miscounts, "an_act_takes_the_least_calls", "read"),
    (BlamesOthers, "a_failed_act_says_so_and_a_done_one_is_done", "delete"),
    (RestampWrites, "a_restamp_makes_no_version", None),
    (RestampWrites, "an_act_takes_the_least_calls", "restamp"),
    (RestampsAnything, "between_any_two_calls_another_applier_may_come", "restamp"),
    (DeletesForGood, "what_was_deleted_can_be_had_back", None),
    (OldestFirst, "history_is_newest_first_and_true", None),
    (LooseFence, "a_fence_moves_only_from_where_it_was_seen", None),
    (LooseFence, "between_any_two_calls_another_applier_may_come", "fence"),
    (OneFence, "a_fence_moves_only_from_where_it_was_seen", None),
    (TextOnly, "any_bytes_or_a_clear_no", None),
    (TakesAnyName, "a_name_against_the_rules_is_refused", None),
    (DropsEmpty, "an_empty_value_is_kept_or_refused", None),
    (Trims, "what_was_written_is_read", None),
]


DISTURBED = [
    (StampFirst, "update", "UNSAFE: the plan says unchanged"),
    (StampFirst, "create", "UNSAFE: the plan says unchanged"),
    (IgnoresExpect, "update", "UNSAFE: a value that nobody had looked at was overwritten"),
    (LooksThenWrites, "update", "UNSAFE: a value that nobody had looked at was overwritten"),
    (DeletesAnything, "delete", "UNSAFE: a value that nobody had looked at was overwritten"),
    (NoMark, "create", "NOT HEALED: the plan says conflict"),
    (MarksOver, "create", "UNSAFE: a stranger's entry was claimed"),
    (OwnsAll, "create", "UNSAFE: a stranger's entry was claimed"),
    (Claims, "update", "UNSAFE: the run says done, and it is not"),
    (DigestOnly, "unchanged", "UNSAFE: the plan says unchanged"),
    (SeesTheDead, "unchanged", "UNSAFE: the plan says unchanged"),
    (WritesTwice, "create", "NOT HEALED: 2 versions; a clean run makes 1"),
    (TouchesAll, "update", "UNSAFE: a stranger's entry was changed"),
]


def _id(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("store", "law", "of"), DEFECTS, ids=_id)
def test_the_law_catches_it(store: type[Toy], law: str, of: object) -> None:
    given = [] if of is None else [of]
    with pytest.raises((AssertionError, AttributeError, StoreError, pytest.fail.Exception)):
        getattr(Contract(), f"test_{law}")(lambda: ToyHarness(store), *given)


@pytest.mark.parametrize(("store", "scenario", "verdict"), DISTURBED, ids=_id)
def test_the_matrix_catches_it(store: type[Toy], scenario: str, verdict: str) -> None:
    lines: list[Any] = []
    with pytest.raises(AssertionError, match=verdict):
        Contract().test_what_gets_in_between_is_seen_and_healed(
            lambda: ToyHarness(store), scenario, lambda _name, line: lines.append(line)
        )
    (_, _, trials, unsafe, unhealed) = lines[0]
    assert 0 < (unsafe if verdict.startswith("UNSAFE") else unhealed) < trials


def test_every_law_was_seen_to_fail() -> None:
    laws = {name.removeprefix("test_") for name in dir(Contract) if name.startswith("test_")}
    assert laws == {law for _, law, _ in DEFECTS} | {"what_gets_in_between_is_seen_and_healed"}
