"""What a caller of sopsync.sops can rely on: kinds, lines, values, cheap imports, and that nothing shows a value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sopsync.errors import DecryptError, Reason
from sopsync.sops import decrypt, parse, text
from sopsync.sops.formats import Format
from sopsync.sops.tree import Kind, Map, Scalar, leaves, pointer
from tests.sops import real
from tests.sops.forge import sealed
from tests.support.leaks import assert_clean

ROOT = Path(__file__).parents[2]
KEYS = real.keyring()
PLAIN = b"""\
a: canary-1
b_unencrypted: canary-clear
l:
  - canary-2
  - num: 7
t: 2024-05-06
f: 0.5
b: true
e: ''
z:
d: {}
"""


@pytest.fixture(scope="module")
def yaml_file() -> bytes:
    return sealed(PLAIN)


def open_(data: bytes, kind: Format = "yaml") -> Any:
    return decrypt(data, format=kind, keyring=KEYS)


# -- what is read


def test_sealed_leaves_have_kinds_lines_and_ciphertexts(yaml_file: bytes) -> None:
    sealed_ = parse(yaml_file, format="yaml")
    found = {pointer(path): node for path, node, _ in leaves(sealed_.root)}
    assert {path: node.kind for path, node in found.items() if isinstance(node, Scalar)} == {
        "/a": Kind.STR,
        "/b_unencrypted": Kind.STR,
        "/l/0": Kind.STR,
        "/l/1/num": Kind.INT,
        "/t": Kind.TIME,
        "/f": Kind.FLOAT,
        "/b": Kind.BOOL,
        "/e": Kind.STR,
        "/z": Kind.NULL,
    }
    assert isinstance(found["/d"], Map)
    lines = yaml_file.decode().splitlines()
    for node in found.values():
        if isinstance(node, Scalar) and node.cipher:
            assert node.cipher in lines[node.line - 1]
    assert found["/b_unencrypted"].value == "canary-clear"  # type: ignore[union-attr]
    assert sealed_.metadata.selector == ("unencrypted_suffix", "_unencrypted")


def test_opened_values_and_their_text(yaml_file: bytes) -> None:
    opened = {pointer(path): node for path, node, _ in leaves(open_(yaml_file).root) if isinstance(node, Scalar)}
    assert {path: node.value for path, node in opened.items()} == {
        "/a": "canary-1",
        "/b_unencrypted": "canary-clear",
        "/l/0": "canary-2",
        "/l/1/num": 7,
        "/t": "2024-05-06T00:00:00Z",
        "/f": 0.5,
        "/b": True,
        "/e": "",
        "/z": None,
    }
    assert [text(opened[path]) for path in ("/a", "/l/1/num", "/t", "/f", "/b", "/z")] == [
        *("canary-1", "7", "2024-05-06T00:00:00Z", "0.5", "true", "")
    ]


def test_text_of_large_floats_is_positional_and_of_bytes_is_refused() -> None:
    assert text(Scalar(Kind.FLOAT, 1, 1e21)) == "1" + "0" * 21
    assert text(Scalar(Kind.FLOAT, 1, 1e-7)) == "0.0000001"
    with pytest.raises(DecryptError) as error:
        text(Scalar(Kind.BYTES, 1, b"\xff"))
    assert error.value.reason is Reason.UNREPRESENTABLE


def test_json_repeats_keys_and_ini_repeats_sections() -> None:
    opened = open_(sealed(b'{"a": "canary-1", "a": "canary-2"}', "json"), "json")
    assert [item[0] for item in opened.root.items] == ["a", "a"]
    opened = open_(sealed(b"[s]\na=canary-1\n[s]\na=canary-2\n", "ini"), "ini")
    assert [item[0] for item in opened.root.items] == ["DEFAULT", "s", "s"]


def test_values_that_are_not_utf8_are_bytes() -> None:
    data = sealed(b"A=canary-\xff\n", "dotenv")
    opened = open_(data, "dotenv")
    assert opened.root.items[0][2].kind is Kind.BYTES
    assert opened.to_json() == real.decrypt(data, "dotenv").json


def test_data_is_for_binary_files(yaml_file: bytes) -> None:
    assert open_(sealed(b"canary\x00\xff", "binary"), "binary").data == b"canary\x00\xff"
    with pytest.raises(DecryptError) as error:
        _ = open_(yaml_file).data
    assert error.value.reason is Reason.UNREPRESENTABLE


def test_all_documents_are_opened_and_the_first_is_printed() -> None:
    data = sealed(b"a: canary-1\n---\na: canary-2\n")
    opened = open_(data)
    assert [document.items[0][2].value for document in opened.documents] == ["canary-1", "canary-2"]
    assert parse(data, format="yaml").documents == 2
    assert opened.to_json() == real.decrypt(data, "yaml").json


# -- what nothing may show


def test_nothing_shows_a_value(yaml_file: bytes) -> None:
    opened = open_(yaml_file)
    assert_clean(repr(opened) + repr(opened.root) + repr(parse(yaml_file, format="yaml")))


def test_importing_the_package_costs_little() -> None:
    """No YAML, cryptography or key service before a file is read; no pydantic, re2 or cloud SDK to read one."""
    code = """
import sys
import sopsync.sops
early = {"yaml", "cryptography", "pyrage", "re2", "pydantic"} & set(sys.modules)
assert not early, early
sopsync.sops.parse(sys.stdin.buffer.read(), format="yaml")
late = {"re2", "pydantic", "boto3", "hvac", "google", "azure", "rich", "typer"} & set(sys.modules)
assert not late, late
"""
    subprocess.run([sys.executable, "-c", code], input=sealed(b"a: canary\n"), check=True, timeout=60)


def test_without_libyaml_the_pure_parser_reads_the_same() -> None:
    code = """
import sys
sys.modules["yaml._yaml"] = None
from sopsync.sops import parse, yaml_file
from sopsync.sops.tree import leaves
from tests.sops.vectors import cases
assert yaml_file._Parser.__module__ == "sopsync.sops.yaml_file"
names = ("yaml-floats", "yaml-unicode", "yaml-multidoc", "yaml-merge-key", "yaml-comments-list", "yaml-flow")
for case in cases():
    if case.name in names:
        for path, node, line in leaves(parse(case.data, format="yaml").root):
            print(case.name, path, line, node)
"""
    slow, fast = (
        subprocess.run(
            [sys.executable, "-c", text_], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
        ).stdout
        for text_ in (code, code.replace('sys.modules["yaml._yaml"] = None', "").replace('== "sopsync', '!= "sopsync'))
    )
    assert slow == fast
    assert slow.count("\n") > 20
