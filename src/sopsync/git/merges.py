"""Which merge brought a commit into a line of history."""

from __future__ import annotations

from sopsync.git.process import Git


def brought_by(git: Git, commit: str, tip: str) -> str:
    """The merge on the line of first parents from `tip` that first had `commit` behind it.

    "" if `commit` is on that line itself, or not behind `tip` at all.
    """
    # git-rev-list(1) cannot do both at once: --ancestry-path under --first-parent sees only the first parents' line
    span = f"{commit}..{tip}"
    after = set(git.must("rev-list", "--ancestry-path", span).split())
    line = [found for found in git.must("rev-list", "--first-parent", "--parents", span).splitlines() if found]
    carrying = [found.split() for found in line if found.split()[0] in after]
    if not carrying:
        return ""
    oldest, *parents = (part.decode("ascii") for part in carrying[-1])
    return oldest if parents[0] != commit else ""
