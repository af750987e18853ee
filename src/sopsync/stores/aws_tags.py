"""Which tags AWS takes, the same for every service. Pure.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Tag.html,
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

OURS = "sopsync-"
"""What the keys of our own tags begin with."""
MAX_TAGS, MAX_KEY, MAX_VALUE = 50, 128, 256


def untaggable(tags: Mapping[str, str], most: int) -> str:
    """Why these cannot be tags of the user, or "". `most`: how many of them there may be."""
    for key, value in tags.items():
        if key.startswith(OURS) or key.lower().startswith("aws:"):  # AWS reserves its prefix in any case
            return f"a tag may begin with neither {OURS} nor aws:"
        if not (0 < len(key) <= MAX_KEY and len(value) <= MAX_VALUE and all(map(_legal, key + value))):
            rule = "letters, digits, spaces and `_.:/=+-@`"
            return f"a tag is of {rule}, its key at most {MAX_KEY} characters and its value {MAX_VALUE}"
    return f"too many tags: {most} at most" if len(tags) > most else ""


def _legal(char: str) -> bool:
    return char in "_.:/=+-@" or unicodedata.category(char)[0] in "LNZ"
