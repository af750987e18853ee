"""The five file formats behind one function: bytes in, raw documents and metadata out."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from sopsync.errors import Reason
from sopsync.sops import metadata_parse
from sopsync.sops.metadata import Metadata
from sopsync.sops.raw import MAX_BYTES, RawMap, problem, take_block
from sopsync.sops.selectors import uses_comments

# sops decrypts comments as it does values. An empty one, or one whose text was sealed as a value, turns into a value.
_COMMENT_THAT_COUNTS = rb"#(?:[\r\n]|\Z|ENC\[(?![^\r\n]*,type:comment\]))"

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
    if uses_comments(metadata) or re.search(_COMMENT_THAT_COUNTS, data):
        from sopsync.sops import yaml_comments

        first, *rest = yaml_comments.load(data)
        take_block(first)
    for document in rest:
        take_block(document)
    return File((first, *rest), metadata)


def _json(data: bytes, *, integers: bool) -> File:
    from sopsync.sops import json_file

    root, inexact = json_file.load(data, integers=integers)
    block = take_block(root)
    if block is None:
        raise metadata_parse.missing()
    return File((root,), metadata_parse.metadata(block, "json"), inexact)


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
