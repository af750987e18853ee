"""Hostile files cost little: refused early, in linear time, in bounded memory, and with our own error only."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopsync.errors import DecryptError, Reason
from sopsync.sops import decrypt, parse
from sopsync.sops.formats import Format
from sopsync.sops.raw import MAX_BYTES, MAX_DEPTH, MAX_NODES
from tests.sops import real
from tests.sops.vectors import cases

ROOT = Path(__file__).parents[2]
FORMATS: tuple[Format, ...] = ("yaml", "json", "dotenv", "ini", "binary")
KEYS = real.keyring()
META = b"""\
sops:
    age:
        - recipient: x
          enc: x
    lastmodified: "2024-01-01T00:00:00Z"
    mac: x
    encrypted_suffix: _secret
    version: 3.11.0
"""
META_JSON = b'"sops": {"age": [{"enc": "x"}], "lastmodified": "2024-01-01T00:00:00Z", "mac": "x", "version": "3.11.0"}}'


def laughs(levels: int) -> bytes:
    lines = [b"a0: &a0 [" + b"x," * 9 + b"x]"]
    lines += [b"a%d: &a%d [%s]" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, levels)]
    return b"\n".join([*lines, META])


def chain(length: int) -> bytes:
    """Aliases that nest without the text nesting."""
    return b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (i, i, i - 1) for i in range(1, length)) + META


HOSTILE: dict[str, tuple[Format, bytes, Reason]] = {
    "100 MB": ("yaml", bytes(100_000_000), Reason.TOO_LARGE),
    "one byte too many": ("binary", b" " * (MAX_BYTES + 1), Reason.TOO_LARGE),
    "billion laughs": ("yaml", laughs(9), Reason.TOO_LARGE),
    "nested by aliases": ("yaml", chain(600), Reason.TOO_LARGE),
    "alias of itself": ("yaml", b"a: &a [*a]\n" + META, Reason.PARSE),
    "alias of itself, named anew": ("yaml", b"a: &a x\nb: &a [*a]\n" + META, Reason.PARSE),
    "alias of itself in a map": ("yaml", b"a: &a\n  b: {c: *a}\n" + META, Reason.PARSE),
    "flow lists": ("yaml", b"a: " + b"[" * 100_000, Reason.TOO_LARGE),
    "flow maps": ("yaml", b"a: " + b"{a: " * 100_000, Reason.TOO_LARGE),
    "block lists": ("yaml", b"a:\n" + b"- " * 100_000, Reason.TOO_LARGE),
    "indentation": ("yaml", b"".join(b" " * i + b"a:\n" for i in range(2_000)), Reason.TOO_LARGE),
    "complex keys": ("yaml", b"? " * 100_000, Reason.TOO_LARGE),
    "many values": ("yaml", b"a:\n" + b"- x\n" * 300_000 + META, Reason.TOO_LARGE),
    "many documents": ("yaml", b"a: 1\n" + META + b"---\n" * 300_000, Reason.TOO_LARGE),
    "many empty comments": ("yaml", b"#\n" * 600_000 + META, Reason.TOO_LARGE),
    "JSON lists": ("json", b'{"a":' + b"[" * 1_000_000, Reason.TOO_LARGE),
    "JSON maps": ("json", b'{"a":' * 1_000_000, Reason.TOO_LARGE),
    "JSON values": ("json", b'{"a":[' + b"1," * 300_000 + b"1]," + META_JSON, Reason.TOO_LARGE),
    "JSON number": ("json", b'{"a":' + b"9" * 1_000_000 + b"," + META_JSON, Reason.PARSE),
    "dotenv lines": ("dotenv", b"\n" * 30_000_000, Reason.TOO_LARGE),
    "INI lines": ("ini", b"\n" * 30_000_000, Reason.TOO_LARGE),
    "INI comments": ("ini", b"; x\n" * 200_000, Reason.NO_METADATA),
    "INI value without end": ("ini", b'a="""' + b"x\n" * 200_000, Reason.PARSE),
    "flat lists with gaps": (
        "dotenv",
        b"".join(b"sops_a%d__list_999=x\n" % i for i in range(100_000)),
        Reason.TOO_LARGE,
    ),
    "hexadecimal threshold": (
        "dotenv",
        b"sops_mac=x\nsops_shamir_threshold=0x" + b"f" * 1_000_000 + b"\n",
        Reason.BAD_PLAINTEXT_OR_TIME,
    ),
    "sealed comments": (
        "yaml",
        b"b_secret: x # " + b"#ENC[" * 1_000_000 + b",type:comment]\n" + META,
        Reason.BAD_VALUE_FORMAT,
    ),
    "deep flat key": ("dotenv", b"sops_" + b"a__map_" * 10_000 + b"=x\n", Reason.PARSE),
    "huge flat list": ("dotenv", b"sops_age__list_999999999__map_enc=x\n", Reason.PARSE),
    "nested flat lists": ("dotenv", b"sops_age" + b"__list_999" * 12 + b"=x\n", Reason.PARSE),
    "backtracking": (
        "yaml",
        b"a_secret: 'ENC[AES256_GCM,data:" + b",iv:,tag:,type:" * 100_000 + b"'\n" + META,
        Reason.BAD_VALUE_FORMAT,
    ),
    "long number": ("yaml", b"a: !!int 1" + b"0" * 1_000_000 + b"\nb_secret: x\n" + META, Reason.BAD_VALUE_FORMAT),
    "long hexadecimal": ("yaml", b"a: 0x" + b"f" * 1_000_000 + b"\nb_secret: x\n" + META, Reason.BAD_VALUE_FORMAT),
    "long line": ("yaml", b"a: " + b"x" * 20_000_000 + b"\nb_secret: x\n" + META, Reason.BAD_VALUE_FORMAT),
    "escapes": ("yaml", b'a: "' + b"\\x41" * 1_000_000 + b'"\nb_secret: x\n' + META, Reason.BAD_VALUE_FORMAT),
    "large expression": (
        "yaml",
        b"a: x\n" + META.replace(b"encrypted_suffix: _secret", b"encrypted_regex: ((a{999}){999}){999}"),
        Reason.BAD_SELECTOR,
    ),
    "slow expression": (
        "yaml",
        b"a" * 1_000 + b": x\n" + META.replace(b"encrypted_suffix: _secret", b"encrypted_regex: (a*)*(a|b|ab)*"),
        Reason.BAD_VALUE_FORMAT,
    ),
}


def test_hostile_files_are_refused_in_little_time_and_memory() -> None:
    """In a process that may not use more than 1 GiB of addresses; libraries and the largest input are half of it."""
    code = """
import resource, sys, time
from sopsync.errors import DecryptError
from sopsync.sops import parse
from tests.sops.test_bounds import HOSTILE
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for name, (kind, data, reason) in HOSTILE.items():
    start = time.process_time()
    try:
        parse(data, format=kind)
    except DecryptError as error:
        assert error.reason == reason, (name, error.reason, str(error)[:200])
        assert len(str(error)) < 500, name
    else:
        raise AssertionError(f"{name}: accepted")
    assert time.process_time() - start < 10, f"{name}: {time.process_time() - start} s"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, cwd=ROOT)


def test_what_is_large_and_honest_is_read() -> None:
    assert parse(laughs(4), format="yaml").documents == 1
    deep = b"a: " + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"\n" + META
    assert parse(deep, format="yaml").documents == 1
    wide = b"a:\n" + b"- x\n" * (MAX_NODES // 10) + META
    assert len(parse(wide, format="yaml").root.items) == 1
    assert parse(b"a: " + b"x" * 5_000_000 + b"\n" + META, format="yaml").documents == 1


def test_depth_does_not_depend_on_the_stack_that_is_left() -> None:
    """A caller deep in its own recursion still gets an answer, not a RecursionError."""
    deep = b"a: " + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"\n" + META

    def below(levels: int) -> int:
        return below(levels - 1) if levels else parse(deep, format="yaml").documents

    assert below(400) == 1


# -- fuzzing: whatever the bytes, the only exception is ours

SEEDS = {kind: [case.data for case in cases() if case.format == kind and len(case.data) < 20_000] for kind in FORMATS}
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def survives(data: bytes, kind: Format) -> None:
    start = time.process_time()
    try:
        parse(data, format=kind)
        decrypt(data, format=kind, keyring=KEYS).to_json()
    except DecryptError:
        pass
    assert time.process_time() - start < 5


@pytest.mark.parametrize("kind", FORMATS)
def test_parsers_survive_damaged_files(kind: Format) -> None:
    @FUZZ
    @given(st.integers(0, 2**64))
    def run(seed: int) -> None:
        rng = Random(seed)
        data = bytearray(rng.choice(SEEDS[kind]))
        for _ in range(rng.randint(1, 8)):
            at, length = rng.randrange(len(data) + 1), rng.choice((0, 1, 1, 5, 100))
            other = rng.choice(SEEDS[kind])
            start = rng.randrange(len(other))
            new = rng.choice(
                (b"", rng.randbytes(2), other[start : start + length], b"[" * 9, b"- ", b'"', b"\n", b"&a *a")
            )
            data[at : at + length] = new
        survives(bytes(data), kind)

    run()


# fmt: off
WORDS = (
    "a: ", "- ", "? ", ": ", "[", "]", "{", "}", ",", '"', "'", "\\", "\n", "  ", "\t", "#", "|", ">", "&a ", "*a ",
    "!!int ", "!!binary ", "---", "...", "%YAML 1.1\n", "%TAG ! x\n", "<<: ", "sops", "sops:", "sops_mac=", "[sops]",
    "=", ";", "`", '"""', "ENC[AES256_GCM,data:", ",iv:", ",tag:", ",type:str]", "null", "1e3", "\r", "\x00", "\ufeff",
    "\u2028", "é", "\U0001f600", "~", "0x", "__map_", "__list_1", '"sops":{', "{}",
)
# fmt: on
GRAMMAR = st.lists(st.sampled_from(WORDS), max_size=40).map(lambda words: "".join(words).encode())


@pytest.mark.parametrize("kind", FORMATS)
def test_parsers_survive_anything(kind: Format) -> None:
    @FUZZ
    @given(st.one_of(GRAMMAR, st.binary(max_size=300)), st.booleans())
    def run(data: bytes, with_metadata: bool) -> None:
        if with_metadata:
            data = b'{"x": "' + data + b'",' + META_JSON if kind in ("json", "binary") else data + b"\n" + META
        survives(data, kind)

    run()
