"""Whether an entry fits its store, told from ciphertext lengths before any call is made."""

from __future__ import annotations

from sopsync.errors import Problem
from sopsync.model import Desired, Traits


def breach(want: Desired, traits: Traits) -> Problem | None:
    """The limit of the store that this entry breaks, or None. Sizes are lower bounds: the write checks again."""
    limit = max([traits.max_bytes, *(n for (name, v), n in traits.max_bytes_of.items() if want.options.get(name) == v)])
    if want.size > limit:
        # the limit, never the length of what is in it
        more = [f"{name}: {value} takes {n}; or " for (name, value), n in traits.max_bytes_of.items() if n > limit]
        hint = f"{''.join(more[:1])}split it over several entries, or route it to a store that takes more"
        return Problem(want.where, f"too large for {traits.kind}, which takes {limit} bytes", hint)
    return None
