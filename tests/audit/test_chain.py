"""A chain of audit lines: every change to it that can be seen is seen, and named by its line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsync.chain import ANCHOR, Tail, Verdict, digest, link, tail_of, verify


def chain(count: int = 6, start: Tail | None = None) -> list[bytes]:
    """Lines of one run, each with its newline."""
    tail, made = start or Tail(), []
    for number in range(count):
        kind = {0: "start", count - 1: "end"}.get(number, "change")
        line = link(tail, {"kind": kind, "run": "r", "entry": f"e{number}"})
        made.append(line + b"\n")
        tail = Tail(digest(line))
    return made


def told(verdict: Verdict) -> list[tuple[int, str]]:
    """(line, first words) of what is broken."""
    return [(finding.line, " ".join(finding.what.split()[:3])) for finding in verdict.findings if finding.broken]


def test_a_whole_chain() -> None:
    lines = chain()
    found = verify(lines)
    assert found.whole
    assert found.findings == []
    assert (found.lines, found.runs, found.head) == (6, 1, digest(lines[-1][:-1]))
    assert json.loads(lines[0])["prev"] == ANCHOR


BREAKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], list[tuple[int, str]]]] = {
    "a line changed": (
        lambda c: [*c[:2], c[2].replace(b'"e2"', b'"eX"'), *c[3:]],
        [(4, "does not follow")],
    ),
    "a line removed": (lambda c: [*c[:2], *c[3:]], [(3, "does not follow")]),
    "a line put in": (lambda c: [*c[:2], chain(1)[0], *c[2:]], [(3, "begins a chain"), (4, "does not follow")]),
    "two lines swapped": (lambda c: [c[0], c[2], c[1], *c[3:]], [(2, "does"), (3, "does"), (4, "does")]),
    "a line twice": (lambda c: [*c[:2], c[1], *c[2:]], [(3, "does not follow")]),
    "the beginning cut": (lambda c: c[2:], [(1, "does not begin")]),
    "two chains joined": (lambda c: [*c, *c], [(7, "begins a chain")]),
    "the last line torn": (lambda c: [*c[:-1], c[-1][:40]], [(6, "torn: a run")]),
    "the last newline lost": (lambda c: [*c[:-1], c[-1][:-1]], [(6, "torn: a run")]),
    "something else within": (lambda c: [*c[:2], b"hello\n", *c[2:]], [(3, "not an audit"), (4, "does not follow")]),
    "something else at the end": (lambda c: [*c, b"hello\n"], [(7, "not an audit")]),
    "something else at first": (lambda c: [b"hello\n", *c], [(1, "not an audit"), (2, "begins a chain")]),
    "an empty line": (lambda c: [*c[:2], b"\n", *c[2:]], [(3, "not an audit"), (4, "does not follow")]),
    "nothing at all": (lambda c: [], [(0, "holds no audit")]),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_seen_and_named(name: str) -> None:
    damage, expected = BREAKS[name]
    found = verify(damage(chain()))
    assert not found.whole
    assert [(line, what.startswith(words)) for (line, what), (_, words) in zip(told(found), expected, strict=True)] == [
        (line, True) for line, _ in expected
    ]


@settings(deadline=None)
@given(st.integers(0, 5), st.data())
def test_any_bit_that_flips_in_any_line_is_seen(which: int, data: st.DataObject) -> None:
    """But in the last: that only the head tells, as it would tell a cut."""
    lines = chain()
    head = digest(lines[-1][:-1])
    at = data.draw(st.integers(0, len(lines[which]) - 2))
    bit = 1 << data.draw(st.integers(0, 7))
    lines[which] = lines[which][:at] + bytes([lines[which][at] ^ bit]) + lines[which][at + 1 :]
    assert not verify([line + b"\n" for line in b"".join(lines).split(b"\n")[:-1]], head=head).whole


@settings(deadline=None)
@given(st.integers(0, 5))
def test_a_cut_end_shows_only_against_the_head(left: int) -> None:
    lines = chain()
    head = digest(lines[-1][:-1])
    assert not verify(lines[:left], head=head).whole
    assert verify(lines[:left]).whole == (left > 0)


def test_a_head_that_was_kept_earlier_is_met_on_the_way() -> None:
    lines = chain()
    found = verify(lines, head=digest(lines[2][:-1]))
    assert found.whole
    assert [(f.line, f.what) for f in found.findings] == [(3, "has the digest that was kept; 3 more since")]


def test_a_run_without_an_end_is_told_and_is_no_break() -> None:
    found = verify(chain()[:-1])
    assert found.whole
    assert [(f.line, f.broken) for f in found.findings] == [(1, False)]


def test_a_torn_line_that_was_taken_up_is_told_and_covered() -> None:
    lines = chain(3)
    torn = lines[2][:50]
    tail = tail_of(torn, ended=False)
    assert tail == Tail(digest(torn), torn=True)
    after = link(tail, {"kind": "start", "run": "s"})
    found = verify([*lines[:2], torn + b"\n", after + b"\n"])
    assert found.whole
    assert (3, "torn: a run was cut off while writing it") in [(f.line, f.what) for f in found.findings]
    changed = verify([*lines[:2], torn.replace(b"prev", b"perv") + b"\n", after + b"\n"])
    assert told(changed) == [(3, "not an audit"), (4, "does not follow")]
    unsaid = link(Tail(digest(torn)), {"kind": "start", "run": "s"})
    assert told(verify([*lines[:2], torn + b"\n", unsaid + b"\n"])) == [(3, "not an audit")]


def test_a_whole_line_that_lacks_only_its_newline_is_torn_too() -> None:
    last = chain(1)[0][:-1]
    tail = tail_of(last, ended=False)
    assert tail is not None
    assert tail.torn
    found = verify([last + b"\n", link(tail, {"kind": "end", "run": "r"}) + b"\n"])
    assert found.whole
    assert [(f.line, f.broken) for f in found.findings] == [(1, False)]


@pytest.mark.parametrize("last", [b"hello", b'{"a":1}', b"", b'{"sopsync_audit":1,"prev":7}', b'{"sopsync_audit":1,'])
def test_what_is_not_ours_is_not_gone_on_from(last: bytes) -> None:
    assert tail_of(last, ended=True) is None


def test_text_that_is_no_beginning_of_ours_is_not_torn() -> None:
    assert tail_of(b"hello", ended=False) is None
    assert tail_of(b'{"sops', ended=False) is not None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_break_the_verifier(lines: list[bytes]) -> None:
    assert not verify([line + b"\n" for line in lines]).whole
