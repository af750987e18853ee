"""Which entries two commits want differently, key by key, by ciphertext: what `sopsync diff` shows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sopsync.model import Desired, Ref
from sopsync.report import Key, Row, place

_GLYPHS = {"added": "+", "changed": "~", "re-encrypted": "*", "removed": "-"}
_POLICY = ("owner", "adopt", "prune", "lifecycle", "on_drift")
"""What decides over an entry without being part of what is written."""


def compare(
    before: Mapping[Ref, Desired], after: Mapping[Ref, Desired], rekeyed: Callable[[Desired, Desired], bool]
) -> tuple[Row, ...]:
    """A row for each entry that differs, by store and name.

    `rekeyed` says whether the file of an entry got a new data key (`sops rotate`) between the two: then all its
    ciphertexts differ, and whether a value changed too cannot be told without keys.
    """
    rows = [_row(after[ref], "added") for ref in after.keys() - before.keys()]
    rows += [_row(before[ref], "removed") for ref in before.keys() - after.keys()]
    for ref in before.keys() & after.keys():
        row = _changed(before[ref], after[ref], again=rekeyed(before[ref], after[ref]))
        if row is not None:
            rows.append(row)
    return tuple(sorted(rows, key=lambda row: (row.store, row.name)))


def _changed(before: Desired, after: Desired, *, again: bool) -> Row | None:
    policy = [
        f"{name.removesuffix('_')}: {_shown(getattr(before, name))} → {_shown(getattr(after, name))}"
        for name in _POLICY
        if getattr(before, name) != getattr(after, name)
    ]
    if before.digest == after.digest and not policy:
        return None
    old, new = before.tokens, after.tokens
    keys = [Key("+", key) for key in new if key not in old]
    keys += [Key("*" if again else "~", key) for key in new if key in old and new[key] != old[key]]
    keys += [Key("-", key) for key in old if key not in new]
    other = before.shape != after.shape
    only_again = bool(keys) and all(key.op == "*" for key in keys) and not other and not policy
    row = _row(after, "re-encrypted" if only_again else "changed")
    reasons = ["value may be the same"] if only_again else []
    reasons += ["same ciphertext, in another order"] if not keys and not other and before.digest != after.digest else []
    reasons += ["written in another form, or with other options"] if other else []
    # a single value has no key to name
    return replace(row, keys=tuple(key for key in keys if key.key), reason="; ".join([*reasons, *policy]))


def _row(want: Desired, action: str) -> Row:
    path, line = place(want.where)
    return Row(
        glyph=_GLYPHS[action],
        action=action,
        store=want.ref.store,
        name=want.ref.name,
        owner=want.owner,
        path=path,
        pointer=want.origin.pointer,
        line=0 if action == "removed" else line,  # it is no line of the file as it is now
        fields=want.names,
        keys=tuple(Key(_GLYPHS[action], name) for name in want.names) if action != "changed" else (),
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
