"""dotenv as sops reads it: no quotes, no trimming, no export; `\\n` stands for a newline; `sops_` keys are metadata."""

from __future__ import annotations

from sopsync.errors import Reason
from sopsync.sops.raw import MAX_NODES, RawComment, RawMap, RawScalar, problem, too_many
from sopsync.sops.yaml_types import string

PREFIX = "sops_"


def load(data: bytes) -> tuple[RawMap, dict[str, RawScalar]]:
    """The variables, and the flat metadata without its prefix (the last of a repeated key counts)."""
    root, flat = RawMap(1), dict[str, RawScalar]()
    if data.count(b"\n") > MAX_NODES:
        raise too_many(MAX_NODES)
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw:
            continue
        if raw.startswith(b"#"):
            root.items.append(("", number, RawComment(raw[1:].decode(errors="replace"))))
            continue
        name, equals, value = raw.partition(b"=")
        if not equals:
            raise problem(Reason.PARSE, "a line without `=`", line=number, hint="sops knows neither quotes nor blanks")
        try:
            key = name.decode()
        except UnicodeDecodeError:
            raise problem(Reason.PARSE, "a name that is not UTF-8", line=number) from None
        kind, content = string(value.replace(b"\\n", b"\n"))
        scalar = (kind, content, number, content if isinstance(content, str) else "")
        if key.startswith(PREFIX):
            flat[key[len(PREFIX) :]] = scalar
        else:
            root.items.append((key, number, scalar))
    return root, flat
