"""Which leaves of a file are encrypted: sops' six selectors, tested against keys on the path or against comments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sopsync.errors import DecryptError, Reason
from sopsync.sops.metadata import Metadata
from sopsync.sops.metadata_parse import DEFAULT_SELECTOR
from sopsync.sops.raw import problem


class Selector:
    """A file's selector. A hit on a key covers all below it; a hit on a comment covers what follows it, and below.

    `hits_encrypted` says whether what is hit is what is encrypted, or what is left clear. An invalid regular
    expression matches nothing, as in sops: whoever gets a verified tree out of it must still refuse it (`invalid`).
    """

    def __init__(self, metadata: Metadata) -> None:
        name, text = metadata.selector or DEFAULT_SELECTOR
        self.name = name
        self.by_comment = uses_comments(metadata)
        self.hits_encrypted = name.startswith("encrypted_")
        self.invalid: DecryptError | None = None
        if name.endswith("_suffix"):
            self.matches: Callable[[str], bool] = lambda word: word.endswith(text)
        else:
            self.matches = self._search(text)

    def _search(self, pattern: str) -> Callable[[str], bool]:
        search = searcher(pattern)
        if search is None:
            hint = "sops lets it match nothing; correct it and encrypt the file again"
            self.invalid = problem(Reason.BAD_SELECTOR, f"{self.name} is no valid regular expression", hint=hint)
            return lambda _: False
        return cache(search)


def searcher(pattern: str) -> Callable[[str], bool] | None:
    """Whether a text holds what the pattern describes, as Go's regexp.MatchString has it; None for an invalid one."""
    import re2  # Go's regular expressions are RE2's; Python's differ, and can be made to take forever

    options = re2.Options()
    options.log_errors = False  # it would write the pattern to stderr
    try:
        search = re2.compile(pattern, options).search
    except re2.error:
        return None
    return lambda text: search(text) is not None


def uses_comments(metadata: Metadata) -> bool:
    """Whether the file's comments decide what is encrypted."""
    return (metadata.selector or DEFAULT_SELECTOR)[0].endswith("_comment_regex")
