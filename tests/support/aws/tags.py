"""What a tag may be: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html and the
pattern of `TagKey` and `TagValue` in botocore's ssm model."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

MOST = 50


def fault(tags: Iterable[Mapping[str, str]]) -> str | None:
    """What is wrong with the first bad tag, in words; None if all may be."""
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 1 <= len(key) <= 128:
            return "Tag keys must have between 1 and 128 characters"
        if len(value) > 256:
            return "Tag values must have at most 256 characters"
        if key.lower().startswith("aws:"):
            return "Tag keys must not begin with aws:, which is reserved for AWS"
        if not _allowed(key) or not _allowed(value):
            return r"Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"
    return None


def too_many(now: Mapping[str, str], more: Iterable[Mapping[str, str]]) -> bool:
    """Would the resource have more than 50?"""
    return len({*now, *(tag["Key"] for tag in more)}) > MOST


def _allowed(text: str) -> bool:
    return all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in text)
