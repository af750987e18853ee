"""YAML as sops writes it, a line at a time: block maps and lists, one document, ASCII, no comments.

What sops emits is nearly always a small part of YAML that one regular expression a line can tell; importing PyYAML, and
having libyaml tell all of it, takes twice as long as the rest of a file. Whatever is only odd is left to `yaml_file`:
a line is either surely understood, or not at all.
"""

from __future__ import annotations

import re
from typing import Any

from sopsync.sops.raw import MAX_NODES, RawList, RawMap, RawScalar
from sopsync.sops.tree import Kind
from sopsync.sops.yaml_types import NOT_JUST_STRINGS, resolve_plain

# Indent, "- " of a list's item, key of a map; then at most one of a plain scalar, a quoted one, and | with its block.
_LINE = re.compile(
    r"( *)(- )?(?:([A-Za-z_][\w./-]{0,127}):(?: (?=[^ \n])|(?=\n)))?"
    r'(?:(?:([\w/^($][!-~]*(?<!:))|"([ !#-\[\]-~]*)")?\n'
    r"|\|\n(( +)[!-~][ -~]*\n(?:\7[!-~][ -~]*\n)*))",
    re.ASCII,
)
_MAX_DEPTH = 32

_Open = list[tuple[int, Any]]
"""The maps and lists that a line may go on with, the outermost first, and the column where the items of each begin."""


def load(data: bytes) -> RawMap | None:
    """The root of the only document, as `yaml_file.load` has it; None where only that can tell."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    # a line makes three nodes at most: a container, a key and a value
    if not text.endswith("\n") or text.count("\n") * 3 > MAX_NODES:
        return None
    root = RawMap(1)
    return root if _fill(root, text) and len({key for key, _, _ in root.items}) == len(root.items) else None


def _fill(root: RawMap, text: str) -> bool:
    """Read all of `text` into `root`; False as soon as something is not surely understood."""
    stack: _Open = [(0, root)]
    waiting = False  # the value of the last key begins on this line
    line, at, end, match = 1, 0, len(text), _LINE.match
    while at < end:
        found = match(text, at)
        if found is None:
            return False
        at = found.end()
        indent, dash, key, plain, quoted, block, margin = found.groups()
        # 1. The map or list that the line belongs to.
        column = len(indent)
        if (waiting or column != stack[-1][0]) and not _move(stack, column, line, listed=bool(dash), waiting=waiting):
            return False
        container = stack[-1][1]
        if type(container) is not (RawList if dash else RawMap) or not (dash or key):
            return False
        if dash and key:  # a map in a list begins on the line of its dash
            column += 2
            stack.append((column, RawMap(line)))
            container.items.append(stack[-1][1])
            container = stack[-1][1]
        # 2. What it holds.
        if plain:
            node: RawScalar | None = _typed(plain, line)
        else:
            value = f"\n{block}".replace(f"\n{margin}", "\n")[1:] if block else quoted
            node = None if value is None else (Kind.STR, value, line, value)
        waiting = node is None
        if (waiting and not key) or (block and len(margin) <= column):
            return False
        if key and key[0] in NOT_JUST_STRINGS and resolve_plain(key)[0] is not Kind.STR:
            return False
        container.items.append((key, line, node) if key else node)
        line += 1 + block.count("\n") if block else 1
    return not waiting


def _move(stack: _Open, column: int, line: int, *, listed: bool, waiting: bool) -> bool:
    """Make the last of `stack` what a line at this column goes on with, or begins. False: it is not clear which."""
    if waiting:
        if column <= stack[-1][0] or len(stack) > _MAX_DEPTH:
            return False
        items = stack[-1][1].items
        stack.append((column, RawList(line) if listed else RawMap(line)))
        items[-1] = (*items[-1][:2], stack[-1][1])
    while column < stack[-1][0]:
        stack.pop()
    return column == stack[-1][0]


def _typed(plain: str, line: int) -> RawScalar:
    if plain[0] not in NOT_JUST_STRINGS:
        return Kind.STR, plain, line, plain
    return (*resolve_plain(plain), line, plain)
