"""Lists in pages, with tokens that tell a client nothing.

A token stands for a place among the keys, not for a number: what is deleted or created between two pages moves nothing
else. A page may be short or empty and still have a successor, as AWS says of its lists; `short_pages` makes it so.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.support.aws.wire import Call, Refusal

Key = TypeVar("Key")

_TOKENS = {"NextToken", "PaginationToken", "MaxResults", "ResourcesPerPage"}


def page(
    call: Call,
    keys: Sequence[Key],
    *,
    size: int,
    wanted: Callable[[Key], bool] = lambda _: True,
    short: bool,
    bad_token: Refusal,
    reverse: bool = False,
) -> tuple[list[Key], str | None]:
    """The next `size` wanted keys, and the token for what follows. `keys` are sorted; JSON can hold them."""
    number, last = _opened(call, bad_token)
    rest = list(keys) if last is None else [key for key in keys if (key < last if reverse else key > last)]
    if short:
        # filters apply after the cut, so that a filtered page can be empty; each third page has nothing in any case
        cut = rest[: 0 if number % 3 == 0 else max(1, size // 2)]
        more = len(cut) < len(rest)
        found = [key for key in cut if wanted(key)]
        at = cut[-1] if cut else last
    else:
        found = []
        for key in rest:
            if wanted(key):
                found.append(key)
                if len(found) > size:
                    break
        more = len(found) > size
        found = found[:size]
        at = found[-1] if found else last
    return found, _closed(call, number + 1, at) if more else None


def _opened(call: Call, bad_token: Refusal) -> tuple[int, Any]:
    text = call.body.get("NextToken") or call.body.get("PaginationToken")
    if not text:
        return 0, None
    try:
        request, number, last = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        raise bad_token from None
    if request != _request(call):
        raise bad_token
    return number, tuple(last) if isinstance(last, list) else last


def _closed(call: Call, number: int, last: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([_request(call), number, last]).encode()).decode()


def _request(call: Call) -> str:
    """A token belongs to the request it was given for."""
    asked = {name: value for name, value in call.body.items() if name not in _TOKENS}
    told = json.dumps([call.operation, call.region, call.account, asked], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
