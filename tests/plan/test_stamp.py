"""Stamps, fences and origins survive the trip through any store, and nothing else is taken for one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sopsync.stamp import OWNER, Fence, Origin, Stamp

# AWS tag values, the narrowest of all: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
LEGAL = re.compile(r"[\w .:/=+@-]*", re.ASCII)

owners = st.from_regex(OWNER, fullmatch=True)
hexes = {n: st.text("0123456789abcdef", min_size=n, max_size=n) for n in (32, 40, 64)}
commits = hexes[40] | hexes[64]
versions = st.from_regex(r"[A-Za-z0-9_.:/@+-]{0,64}", fullmatch=True)
# paths are bytes in git: anything but NUL, undecodable ones as surrogate escapes
paths = (
    st.binary(min_size=1, max_size=60)
    .filter(lambda b: b"\0" not in b)
    .map(lambda b: b.decode("utf-8", "surrogateescape"))
)
origins = st.builds(Origin, paths, st.text(max_size=40).filter(lambda t: "\0" not in t and t.isprintable()))


@given(owners, hexes[32], commits, origins, versions)
def test_a_stamp_comes_back(owner: str, digest: str, commit: str, origin: Origin, version: str) -> None:
    stamp = Stamp(owner, digest, commit, origin, version)
    text, where = stamp.encode(), origin.encode(1024)
    assert LEGAL.fullmatch(text)
    assert LEGAL.fullmatch(where)
    assert len(text) <= 256
    assert Stamp.decode(text, where) == stamp


@given(owners, commits, hexes[32], commits)
def test_a_fence_comes_back(owner: str, commit: str, config: str, root: str) -> None:
    fence = Fence(owner, commit, config, root)
    assert LEGAL.fullmatch(fence.encode())
    assert len(fence.encode()) <= 256
    assert Fence.decode(fence.encode()) == fence


@given(origins, st.integers(8, 80))
def test_a_cut_origin_names_no_file(origin: Origin, limit: int) -> None:
    text = origin.encode(limit)
    assert len(text) <= limit
    assert Origin.decode(text) in (origin, None)


@given(st.text())
def test_other_text_is_no_stamp(text: str) -> None:
    assert Stamp.decode(text) is None
    assert Fence.decode(text) is None
    found = Origin.decode(text)
    assert found is None or found.path


def test_a_stamp_must_be_whole() -> None:
    text = Stamp("a/b", "0" * 32, "1" * 40, None, "3").encode()
    assert Stamp.decode(text + " ") is None
    assert Stamp.decode(text[:-1]) is None
    assert Stamp.decode(text + "\n") is None
