"""The quick reader of YAML as sops writes it: it takes what sops writes, and never differs from libyaml."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsync.sops import yaml_comments, yaml_file, yaml_plain
from sopsync.sops.raw import MAX_NODES, RawList, RawMap, RawNode
from tests.sops import real
from tests.sops.vectors import cases

FILES = [case.data for case in cases() if case.format == "yaml" and len(case.data) < 20_000]
ODD = [
    *(
        " ",
        "\n",
        "\t",
        "\r",
        "- ",
        "-",
        ": ",
        ":",
        "|",
        "|-",
        ">",
        '"',
        "'",
        "#",
        "?",
        "&a",
        "*a",
        "!",
        "!!str ",
        "{",
        "}",
    ),
    *("[", "]", ",", "%", "@", "`", "=", "~", "\\", "\x00", "\x7f", "é", "---\n", "...\n", "<<: ", "null", "true", "y"),
    *("1.5", "0x1f", "2024-01-01", "a:\n", "k: v\n", "- x\n", "- a: b\n", "|\n  t\n", "\n\n"),
]


def shape(node: RawNode) -> object:
    """Everything a raw node says, its types and lines included."""
    if isinstance(node, RawMap):
        return "map", node.line, [(key, line, shape(child)) for key, line, child in node.items]
    if isinstance(node, RawList):
        return "list", node.line, [shape(child) for child in node.items]
    return repr(node)


def agrees(data: bytes) -> bool:
    """Whether the file was taken; if so, libyaml and the reader of comments must see the same in it."""
    root = yaml_plain.load(data)
    if root is None:
        return False
    for load in (yaml_file.load, yaml_comments.load):
        documents = list(load(data))
        assert [shape(document) for document in documents] == [shape(root)]
        yaml_file.check_root(documents[0])
    return True


def test_every_recorded_file() -> None:
    assert sum(map(agrees, FILES)) > len(FILES) / 2


@pytest.mark.parametrize(
    "plain",
    [
        "password: canary-p\nport: 5432\nrate: 0.5\nenabled: true\n",
        "db:\n    main:\n        user: canary-u\n    h:\n        - canary-a\n        - k: canary-b\n          p: 1\n",
        "kind: Secret\nmetadata:\n    name: app\nstringData:\n    tls.crt: |\n        canary-1\n        canary-2\n",
    ],
)
def test_it_takes_what_sops_writes(plain: str) -> None:
    for arguments in ((), ("--encrypted-regex", "^(password|user|stringData)$")):
        sealed = real.encrypt(plain.encode(), "yaml", *arguments)
        assert sealed
        assert agrees(sealed)


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "",
        "\n",
        "a:\n",
        "a:\nb: c\n",
        "a: b\na: c\n",
        "a: b # c\n",
        "# c\na: b\n",
        "a: b\n\nc: d\n",
        "a: 'b'\n",
        "a: [b]\n",
        "a: {}\n",
        'a: "b\\n"\n',
        "a: b c\n",
        "- a\n",
        "a:\n- b\n",
        "a: b\n  c: d\n",
        "a:\n    b: c\n  d: e\n",
        "a: |\nb: c\n",
        "a: |\n    b\n\n    c\n",
        "a:\n    b: |\n    c\n",
        "null: a\n",
        '"n": a\n',
        "~: a\n",
        "<<: a\n",
        "a: é\n",
        "a: b\r\n",
        "a: b\n---\nc: d\n",
        "a: *b\n",
        "a: !!str b\n",
        "a: b \n",
        f"{'k' * 129}: b\n",
        "a:\n" + "".join(f"{' ' * i}a:\n" for i in range(1, 40)) + " " * 40 + "b: c\n",
        "a: b\n" * (MAX_NODES // 3 + 1),
    ],
)
def test_it_leaves_what_is_odd(text: str) -> None:
    assert yaml_plain.load(text.encode()) is None


def bent(random: Random) -> bytes:
    """A few lines of a file that sops wrote, moved, repeated and broken."""
    lines = random.choice(FILES).decode("utf-8", "surrogateescape").split("\n")
    first = random.randrange(len(lines))
    lines = lines[first : first + random.randrange(1, 12)] if random.random() < 0.7 else lines
    for _ in range(random.randrange(4)):
        number = random.randrange(len(lines))
        line = lines[number]
        at = random.randrange(len(line) + 1)
        match random.randrange(5):
            case 0:
                lines[number] = line[:at] + random.choice(ODD) + line[at:]
            case 1:
                lines[number] = line[:at] + line[at + 1 :]
            case 2:
                lines[number] = " " * random.choice((1, 2, 4)) + line
            case 3:
                lines[number] = line.lstrip(" ")
            case _:
                lines.insert(number, random.choice(lines))
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


@given(st.integers(0, 2**32))
def test_it_never_differs(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        agrees(bent(random))
