"""The five file formats behind one function: bytes in, raw documents and metadata out."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from sopsync.errors import Reason
from sopsync.sops import metadata_parse
from sopsync.sops.golang import folded
from sopsync.sops.metadata import Metadata
from sopsync.sops.raw import MAX_BYTES, RawMap, RawNode, problem, take_block
from sopsync.sops.selectors import uses_comments
from sopsync.sops.tree import Kind

_EMPTY_COMMENT = rb"#(?:[\r\n]|\Z)"
_SEALED_COMMENT = rb"#ENC\[[^\r\n]*"

Format = Literal["yaml", "json", "dotenv", "ini", "binary"]


class File(NamedTuple):
    """A file read but not yet understood: documents without their `sops` block, at least one."""

    documents: tuple[RawMap, ...]
    metadata: Metadata
    inexact: bool = False
    """JSON only: it holds a clear integer that versions of sops hash differently."""


def read(data: bytes, format: Format, *, integers: bool = False) -> File:  # noqa: A002 - the word of the field
    """Raises DecryptError."""
    if len(data) > MAX_BYTES:
        raise problem(Reason.TOO_LARGE, f"more than {MAX_BYTES >> 20} MiB", hint="no store takes a secret that large")
    if format == "yaml":
        return _yaml(data)
    if format in ("json", "binary"):
        return _json(data, integers=integers)
    if format == "dotenv":
        return _dotenv(data)
    if format == "ini":
        return _ini(data)
    raise ValueError(f"no such SOPS format: {format}")


def _yaml(data: bytes) -> File:
    from sopsync.sops import yaml_plain

    root = yaml_plain.load(data)
    block = take_block(root) if root else None
    if root and block is not None:
        return File((root,), metadata_parse.metadata(block, "yaml"))
    return _any_yaml(data)


def _any_yaml(data: bytes) -> File:
    from sopsync.sops import yaml_file

    documents = yaml_file.load(data)
    # Document 1 first, then its metadata, then the others: so a file that is not SOPS at all is reported as that.
    first = next(documents, RawMap(1))
    yaml_file.check_root(first)
    block = take_block(first)
    if block is None:
        raise metadata_parse.missing()
    metadata = metadata_parse.metadata(block, "yaml")
    rest = list(documents)
    if uses_comments(metadata) or has_comment_that_counts(data):
        from sopsync.sops import yaml_comments

        first, *rest = yaml_comments.load(data)
        take_block(first)
    for document in rest:
        take_block(document)
    return File((first, *rest), metadata)


def has_comment_that_counts(data: bytes) -> bool:
    """sops decrypts comments as it does values. An empty one, or one whose text was sealed as a value, turns into one.

    A line at a time and from its end, which takes linear time; a regular expression for all of it may not.
    """
    return bool(re.search(_EMPTY_COMMENT, data)) or any(
        line[0].rfind(b"#ENC[") > line[0].rfind(b",type:comment]") for line in re.finditer(_SEALED_COMMENT, data)
    )


def _json(data: bytes, *, integers: bool) -> File:
    from sopsync.sops import json_file

    root, inexact = json_file.load(data, integers=integers)
    block = _json_block(root)
    take_block(root)
    return File((root,), metadata_parse.metadata(block, "json"), inexact)


def _json_block(root: RawMap) -> RawNode:
    """What encoding/json fills sops' metadata from: `sops`, and each key that differs from it in case only."""
    block: RawMap | None = None
    for key, line, node in root.items:
        if key is None or folded(key) != "sops":
            continue
        if isinstance(node, RawMap):
            joined = RawMap(line)
            joined.items = [*block.items, *node.items] if block else node.items
            block = joined
        elif isinstance(node, tuple) and node[0] is Kind.NULL:
            block = None
        else:
            return node
    if block is None:
        raise metadata_parse.missing()
    return block


def _dotenv(data: bytes) -> File:
    from sopsync.sops import dotenv_file, flat

    root, flattened = dotenv_file.load(data)
    if not flattened:
        raise metadata_parse.missing()
    return File((root,), metadata_parse.metadata(flat.unflatten(flattened), "flat"))


def _ini(data: bytes) -> File:
    from sopsync.sops import flat, ini_file

    root, flattened = ini_file.load(data)
    if flattened is None:
        raise metadata_parse.missing()
    return File((root,), metadata_parse.metadata(flat.unflatten(flattened), "flat"))
