"""The real sops and we agree: on files sops wrote, on files somebody damaged, and on every single byte of one."""

from __future__ import annotations

from random import Random

import pytest

from sopsync.errors import DecryptError, Reason
from sopsync.sops import decrypt
from sopsync.sops.document import DataKeys
from sopsync.sops.formats import Format
from tests.sops import real, trees

FORMATS: tuple[Format, ...] = ("yaml", "json", "dotenv", "ini", "binary")


@pytest.fixture(scope="module")
def keys() -> DataKeys:
    return real.keyring()


def ours(data: bytes, kind: Format, keys: DataKeys) -> real.Answer:
    """Our reading, in sops' terms. Anything else than DecryptError is a failure of the test."""
    try:
        return real.Answer(decrypt(data, format=kind, keyring=keys).to_json())
    except DecryptError as error:
        return real.Answer(None, error.reason.value)


def sealed(seed: int, kind: Format) -> bytes | None:
    rng = Random(seed)
    return real.encrypt(trees.source(rng, kind), kind, *trees.selector(rng, kind))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("start", range(0, 30, 10))
def test_random_files_of_sops_read_as_sops_reads_them(kind: Format, start: int, keys: DataKeys) -> None:
    """The other direction, sops reading what we write, does not exist: sopsync never writes a SOPS file."""
    read = 0
    for seed in range(start, start + (5 if kind == "binary" else 10)):
        data = sealed(seed, kind)
        if data is None:  # sops will not encrypt it
            continue
        theirs = real.decrypt(data, kind)
        mine = ours(data, kind, keys)
        if theirs.reason == "sops_crashes":  # on a file of its own, which it does
            assert mine.reason
        else:
            assert mine == theirs, f"seed {seed}"
        read += 1
    assert read >= 3, "the generator makes too few files that sops accepts"


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_give_the_same_outcome_or_a_clean_error(kind: Format, keys: DataKeys) -> None:
    """Whatever we accept, sops accepts, and reads the same. What sops tells apart, we tell apart where both refuse."""
    rng = Random(kind)
    agreed = 0
    for seed in range(3):
        data = sealed(seed + 40, kind)
        if data is None:
            continue
        for _ in range(5):
            bad = damage(rng, data)
            theirs, mine = real.decrypt(bad, kind), ours(bad, kind, keys)
            if mine.json is not None:
                assert theirs == mine
            agreed += mine == theirs
    assert agreed >= 6


def damage(rng: Random, data: bytes) -> bytes:
    """A line removed, repeated, moved, retyped, indented or changed in one byte."""
    lines = data.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    types = (b"str", b"int", b"float", b"bool", b"time", b"comment", b"bytes", b"none")
    match rng.randrange(7):
        case 0:
            del lines[i]
        case 1:
            lines.insert(i, lines[j])
        case 2:
            lines[i], lines[j] = lines[j], lines[i]
        case 3:
            lines[i] = lines[i].replace(b"type:str", b"type:" + rng.choice(types))
        case 4:
            lines.insert(i, rng.choice((b"# open", b"  # sealed", b"", b"#")))
        case 5:
            lines[i] = rng.choice((b"  ", b"    ", b"\t", b"- ")) + lines[i]
        case _:
            changed = bytearray(lines[i] or b"x")
            changed[rng.randrange(len(changed))] = rng.choice(b" \t:-#[]{},&*!|>'\"%@`?x0~Aa=_.\r\\/+")
            lines[i] = bytes(changed)
    return b"\n".join(lines)


SMALL: dict[Format, bytes] = {
    "yaml": b"a: canary-1\nl:\n  # c\n  - canary-2\n  - 7\nm:\n  x_unencrypted: clear\nt: 2024-05-06\n",
    "json": b'{"a": "canary-1", "l": ["canary-2", 7], "m": {"x_unencrypted": true}}',
    "dotenv": b"A=canary-1\n# c\nB_unencrypted=clear\n",
    "ini": b"[s]\n; c\na = canary-1\nb_unencrypted = clear\n",
    "binary": b"canary-\x00\xff",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_single_byte_counts(kind: Format, keys: DataKeys) -> None:
    """Each byte of a file, replaced in several ways: refused, or the same tree; and a tree that changed is one that
    sops accepts and reads as we do (clear key names and types are outside the MAC)."""
    data = real.encrypt(SMALL[kind], kind)
    assert data is not None
    whole = decrypt(data, format=kind, keyring=keys).to_json()
    changed: dict[bytes, str] = {}
    refused = 0
    for at, byte in enumerate(data):
        for other in {byte ^ 1, byte ^ 0x20, ord("0"), ord("\n")} - {byte}:
            bad = data[:at] + bytes([other]) + data[at + 1 :]
            read = ours(bad, kind, keys)
            assert read.reason != Reason.TOO_LARGE
            refused += read.json is None
            if read.json not in (None, whole):
                changed[bad] = str(read.json)
    assert refused > len(data)
    # Every changed tree is renamed or retyped clear data, so there are few; sops is asked about a sample of them.
    assert len(changed) < 150
    for bad in Random(kind).sample(sorted(changed), min(12, len(changed))):
        assert real.decrypt(bad, kind) == real.Answer(changed[bad])


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_files_are_refused(kind: Format, keys: DataKeys) -> None:
    """Cut anywhere: refused, unless what is missing is not needed (an INI file may end with its recipient's name)."""
    data = real.encrypt(SMALL[kind], kind)
    assert data is not None
    whole = decrypt(data, format=kind, keyring=keys).to_json()
    assert {ours(data[:end], kind, keys).json for end in range(len(data.rstrip()))} <= {None, whole}
