"""Random plain files of every format, and the selectors to encrypt them with. Seeded: a failure names its seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from sopsync.sops.formats import Format

KEYS = ("a", "b_unencrypted", "c_enc", "pass word", "k:v", "データ", "x.y", "123key", "true_", "<<x", "é", "#h", "Sops")
# Spellings whose type depends on whose YAML it is.
PLAIN = (
    *("canary-plain", "canary two words", "7", "-7", "+7", "007", "08", "0x1F", "-0x10", "0b101", "0o17", "1_000"),
    *("9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e3", "1.5", ".5", "5.", "-.5e-7"),
    *("1e21", "123456789012345680000", "1e-7", "-0.0", "0.1", "1.5e400", "1:30", "true", "True", "FALSE", "yes", "off"),
    *("null", "~", "", "nULL", "2024-02-29", "2023-02-29", "2024-1-2T3:4:5.678+05:30", "2001-12-14t21:59:43.10-05:00"),
    *(
        "2001-12-14 21:59:43",
        "2024-01-01T00:00:00Z",
        "!!str 5",
        "!!int '5'",
        "!!float 3",
        "!!binary aGVsbG8=",
        "!t canary",
    ),
    *(
        "'canary ''quoted'''",
        "[]",
        "{}",
        "[canary-1, {canary: 2}]",
        "&anchor canary-anchored",
        "0.30000000000000004",
        "<<",
    ),
)
TEXTS = (
    *(
        "canary-text",
        "canary <&> \u2028",
        "canary\n two\nlines\n",
        "canary\ttab",
        " canary ",
        "canary\u00e9\U0001f600",
        "",
    ),
    *(
        "true",
        "null",
        "1e3",
        "2024-01-01",
        "canary\\n",
        'canary "q"',
        "\ncanary",
        "canary: x",
        "#canary",
        "canary\x7f\x1f",
    ),
)
NUMBERS = ("0", "-0", "1", "-1.5", "1e3", "1E-7", "1e21", "123456789012345678", "0.1", "1e-6", "9e-7", "5e-324")


def source(rng: Random, kind: Format) -> bytes:
    """The text of a random plain file."""
    makers: dict[Format, Callable[[Random], bytes]] = {"yaml": _yaml, "json": _json, "dotenv": _dotenv, "ini": _ini}
    return makers.get(kind, _binary)(rng)


def selector(rng: Random, kind: Format) -> list[str]:
    """Arguments that make sops encrypt only part of the file, or all."""
    options = [
        [],
        [],
        ["--unencrypted-suffix", "_enc"],
        ["--encrypted-suffix", "_enc"],
        ["--encrypted-regex", "^(a|c_enc|é)$"],
        ["--encrypted-regex", "(?i)sops|\\d+key|\\p{Katakana}"],
        ["--unencrypted-regex", "[:_ ]"],
    ]
    if kind in ("yaml", "dotenv", "ini"):
        options += [["--encrypted-comment-regex", "sealed"], ["--unencrypted-comment-regex", "(open|clear)"]] * 2
    return rng.choice(options) + rng.choice([[], [], ["--mac-only-encrypted"]])


def _comment(rng: Random, indent: str = "") -> list[str]:
    if rng.random() > 0.25:
        return []
    text = rng.choice((" sealed", " open", " clear it", " canary-note", "", " sealed # twice"))
    return [indent + "#" + text] + ([""] if rng.random() < 0.2 else [])


def _yaml(rng: Random) -> bytes:
    lines: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        lines += ["---"] if lines else []
        lines += _mapping(rng, "", 0)
    return ("\n".join(lines) + "\n").encode()


def _mapping(rng: Random, indent: str, depth: int) -> list[str]:
    lines: list[str] = []
    for key in rng.sample(KEYS, rng.randint(1, 4)):
        lines += _comment(rng, indent)
        name = json.dumps(key, ensure_ascii=False) if rng.random() < 0.3 or key[0] in "#<1" else key
        lines += _entry(rng, f"{indent}{name}:", indent, depth)
    return lines + _comment(rng, indent)


def _entry(rng: Random, head: str, indent: str, depth: int) -> list[str]:
    choice = rng.random()
    if depth < 3 and choice < 0.2:
        return [head, *_mapping(rng, indent + "  ", depth + 1)]
    if depth < 3 and choice < 0.4:
        return [head, *_sequence(rng, indent + "  ", depth + 1)]
    if choice < 0.5:
        return [f"{head} |", f"{indent}  canary-block", "", f"{indent}  line 2"]
    if choice < 0.7:
        return [f"{head} {json.dumps(rng.choice(TEXTS), ensure_ascii=False)}"]
    note = rng.choice(("", "", "", " # sealed", " # open"))
    return [f"{head} {rng.choice(PLAIN)}{note}"]


def _sequence(rng: Random, indent: str, depth: int) -> list[str]:
    lines: list[str] = []
    for _ in range(rng.randint(1, 3)):
        lines += _comment(rng, indent)
        below = _entry(rng, f"{indent}-", indent, depth)
        lines += below if below[0] != f"{indent}- |" else [f"{indent}- canary-item"]
    return lines


def _binary(rng: Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 20, 5000)))


def _json(rng: Random) -> bytes:
    def value(depth: int) -> str:
        choice = rng.random()
        if depth < 4 and choice < 0.2:
            return mapping(depth + 1)
        if depth < 4 and choice < 0.35:
            return "[" + ", ".join(value(depth + 1) for _ in range(rng.randint(0, 3))) + "]"
        if choice < 0.6:
            return rng.choice((*NUMBERS, "true", "false", "null"))
        return json.dumps(rng.choice(TEXTS), ensure_ascii=rng.random() < 0.5)

    def mapping(depth: int) -> str:
        keys = [rng.choice(KEYS[:-1]) for _ in range(rng.randint(0, 4))]  # repeated keys are kept
        items = [f"{json.dumps(key, ensure_ascii=False)}: {value(depth)}" for key in keys]
        return "{" + rng.choice((",\n", ", ")).join(items) + "}"

    return mapping(0).encode()


def _dotenv(rng: Random) -> bytes:
    lines: list[str] = []
    for _ in range(rng.randint(1, 6)):
        lines += _comment(rng)
        value = rng.choice((*TEXTS, *PLAIN)).replace("\n", "\\n")
        lines.append(f"{rng.choice(('A', 'B_enc', 'c d', 'é', 'A', 'export X'))}={value}")
    return ("\n".join(lines) + rng.choice(("\n", ""))).encode()


def _ini(rng: Random) -> bytes:
    lines: list[str] = []
    for section in rng.sample(("", "a", "c_enc", "b.c", "a", "é"), rng.randint(1, 4)):
        lines += _comment(rng)
        lines += [f"[{section}]"] if section else []
        for key in rng.sample(("a", "c_enc", "x y", "é", "b_unencrypted"), rng.randint(0, 3)):
            lines += _comment(rng)
            text = rng.choice(("canary-ini", "'canary'", '"canary "', "7", "", "canary ; open", "`canary # x`", "a\\"))
            lines.append(f"{key} {rng.choice('=:')} {text}")
    return ("\n".join(lines) + "\n").encode()
