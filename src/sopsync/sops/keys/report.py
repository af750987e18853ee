"""Tells why no key opened a file: what it needs, what was tried, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sopsync.record import record
from sopsync.sops.keys.base import CannotOpen, short
from sopsync.sops.metadata import MasterKey

_LISTED = 6


@record()
class Attempt:
    """One key group: its keys, and why each that was tried did not open it; `opened`: one did."""

    keys: Sequence[MasterKey]
    refusals: Sequence[CannotOpen]
    opened: bool


def report(groups: Sequence[Attempt], threshold: int) -> tuple[str, str]:
    """(the message, several lines; what to do about it). Groups count from 1, in file order."""
    closed = [(number, group) for number, group in enumerate(groups, 1) if not group.opened]
    if len(groups) > 1:
        opened = len(groups) - len(closed)
        lines = [f"{max(threshold, 2)} of {len(groups)} key groups must open this file, {opened} did"]
        lines += [f"  group {number} needs: {_either(group.keys)}" for number, group in closed]
    else:
        lines = ["no available key opens this file"]
        lines += [f"  needs: {_either(group.keys)}" for _, group in closed]
    refusals = [refusal for _, group in closed for refusal in group.refusals]
    tried = _unique(refusal.why for refusal in refusals)
    hints = _unique(refusal.hint for refusal in refusals)
    if tried:
        lines.append(f"  tried: {'; '.join(tried)}")
    return "\n".join(lines), ", or ".join(hints)


def _either(keys: Sequence[MasterKey]) -> str:
    names = _unique(short(key) for key in keys)
    more = [f"one of {len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return "  or  ".join(names[:_LISTED] + more) or "(it names no key)"


def _unique(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]
