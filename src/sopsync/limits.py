"""Whether an entry fits its store, told from ciphertext lengths before any call is made."""

from __future__ import annotations

from sopsync.errors import Problem
from sopsync.model import Desired, Traits


def breach(want: Desired, traits: Traits) -> Problem | None:
    """The limit of the store that this entry breaks, or None. Sizes are lower bounds: the write checks again."""
    if want.size > traits.max_bytes:
        # the limit, never the length of what is in it
        return Problem(
            want.where,
            f"too large for {traits.kind}, which takes {traits.max_bytes} bytes",
            "split it over several entries, or route it to a store that takes more",
        )
    return None
