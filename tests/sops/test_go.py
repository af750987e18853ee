"""Texts mean to us what they mean to the Go libraries inside sops: recorded cases of each."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sopsync.errors import DecryptError
from sopsync.sops import golang, ini_file, yaml_comments, yaml_file
from sopsync.sops.raw import RawComment, RawList, RawMap, RawNode
from sopsync.sops.tree import Kind
from sopsync.sops.yaml_types import resolve
from tests.sops.vectors import VECTORS


def recorded(name: str) -> Any:
    return json.loads((VECTORS / "go" / f"{name}.json").read_text("utf-8"))


SCALARS = recorded("scalars")


@pytest.mark.parametrize(("text", "tag", "wanted"), SCALARS["scalars"], ids=repr)
def test_yaml_scalars(text: str, tag: str | None, wanted: str) -> None:
    kind, value = resolve(text, tag, plain=True)
    assert shown(kind, value) == wanted


@pytest.mark.parametrize(("text", "wanted"), SCALARS["floats"], ids=repr)
def test_floats(text: str, wanted: str) -> None:
    value = golang.parse_float(text)
    assert ("err" if value is None else golang.float_text(value)) == wanted


@pytest.mark.parametrize(("text", "wanted"), SCALARS["json_numbers"])
def test_json_numbers(text: str, wanted: str) -> None:
    assert golang.json_number(float(text)) == wanted


@pytest.mark.parametrize(("text", "written", "to_the_second"), SCALARS["times"])
def test_times(text: str, written: str, to_the_second: str) -> None:
    parts = golang.parse_time(text)
    assert (parts[0] + parts[2] if parts else "err") == to_the_second
    assert ((golang.time_text(parts) or "merr") if parts else "err") == (written or "merr")


@pytest.mark.parametrize(("text", "wanted"), SCALARS["base64"], ids=repr)
def test_base64(text: str, wanted: str) -> None:
    raw = golang.decode_base64(text)
    assert ("err" if raw is None else raw.hex()) == wanted


@pytest.mark.parametrize("case", recorded("yaml_comments"), ids=lambda case: case["yaml"][:20])
def test_yaml_comments_hang_where_go_hangs_them(case: dict[str, str]) -> None:
    assert tree(lambda: yaml_comments.load(case["yaml"].encode())) == case["tree"]


@pytest.mark.parametrize("case", recorded("yaml_comments"), ids=lambda case: case["yaml"][:20])
def test_the_fast_reader_and_the_one_with_comments_agree(case: dict[str, str]) -> None:
    def without_comments() -> list[RawMap]:
        documents = yaml_comments.load(case["yaml"].encode())
        for document in documents:
            strip(document)
        return documents

    assert tree(lambda: list(yaml_file.load(case["yaml"].encode()))) == tree(without_comments)


@pytest.mark.parametrize("case", recorded("ini"), ids=lambda case: case["ini"][:20])
def test_ini(case: dict[str, str]) -> None:
    assert tree(lambda: [ini_file.load(case["ini"].encode())[0]], end="") == case["tree"]


def tree(load: Any, end: str = " ") -> str:
    """A file as the recorded trees are written."""
    try:
        documents = load()
    except DecryptError:
        # A root that is no map is an error to sops and to us; the recording was made below that.
        return "err" if not end else "notmap "
    return "".join(node(document) + end for document in documents)


def node(raw: RawNode) -> str:
    if isinstance(raw, RawMap):
        items = [
            node(child) if isinstance(child, RawComment) else f"{'nonstr' if key is None else text(key)}={node(child)}"
            for key, _, child in raw.items
        ]
        return "{" + "".join(f"{item} " for item in items) + "}"
    if isinstance(raw, RawList):
        return "[" + "".join(f"{node(item)} " for item in raw.items) + "]"
    if isinstance(raw, RawComment):
        return "#" + text(raw.text).removeprefix("str:")
    return shown(raw[0], raw[1])


def shown(kind: Kind, value: Any) -> str:
    match kind:
        case Kind.STR:
            return text(value)
        case Kind.BYTES:
            return "str:" + base64.b64encode(value).decode()
        case Kind.FLOAT:
            return "float:" + golang.float_text(value)
        case Kind.BOOL:
            return "bool:" + str(value).lower()
        case Kind.NULL:
            return "null"
        case Kind.TIME:
            return "time:" + value if value else "time!"
        case _:
            return f"int:{value}"


def text(value: str) -> str:
    return "str:" + base64.b64encode(value.encode()).decode()


def strip(raw: RawNode) -> None:
    if isinstance(raw, RawMap):
        raw.items = [item for item in raw.items if not isinstance(item[2], RawComment)]
        for _, _, child in raw.items:
            strip(child)
    elif isinstance(raw, RawList):
        raw.items = [item for item in raw.items if not isinstance(item, RawComment)]
        for child in raw.items:
            strip(child)
