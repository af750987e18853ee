"""Open what stamps could not settle: decrypt the file, read the live value, compare, and let `plan` decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sopsync.change import Ask, Change, KeyChange
from sopsync.errors import Problem, SopsyncError, unforeseen
from sopsync.model import Desired, Payload, Version
from sopsync.plan import may_open, settle, unknown
from sopsync.stores.base import Store

_AT_ONCE = 8


def unseal(
    changes: Iterable[Change],
    stores: Mapping[str, Store],
    payload: Callable[[Desired], Payload],
    genuine: Callable[[str], None],
    verify: Callable[[Change], bool] = lambda _change: False,
) -> tuple[Change, ...]:
    """The same changes, each one settled, or UNKNOWN where a file or a store would not open.

    `payload` decrypts (MAC verified) and shapes what git wants; `genuine` raises unless the file at a path decrypts.
    `verify` names the changes to open although their stamp vouches for them.
    """

    def opened(change: Change) -> Change:
        try:
            return _open(change, stores[change.ref.store], payload, genuine)
        except SopsyncError as error:
            first = error.problems[0]
            said = f"{first.where}: {first.what}" if first.where else first.what
            return unknown(change, Problem(first.where, said, first.hint))
        except Exception as error:  # noqa: BLE001 - one entry's fault is not the others'
            return unknown(change, unforeseen(error, change.ref.store).problems[0])

    changes = tuple(changes)
    asked = [change for change in changes if change.ask or (may_open(change) and verify(change))]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        settled = dict(zip((change.ref for change in asked), pool.map(opened, asked), strict=True))
    return tuple(settled.get(change.ref, change) for change in changes)


def _open(
    change: Change, store: Store, payload: Callable[[Desired], Payload], genuine: Callable[[str], None]
) -> Change:
    if change.ask is Ask.SOURCE:
        if change.origin is not None:
            genuine(change.origin.path)
        return settle(change, same=False)
    if change.desired is None or change.seen is None:
        return change
    ours = payload(change.desired)
    live = store.read(change.ref.name, expect=change.seen.version or Version(""))
    return settle(change, same=ours.same(live), keys=_differences(ours, live))


def _differences(ours: Payload, live: Payload) -> tuple[KeyChange, ...]:
    """Which fields differ, by name; nothing for single values."""
    if ours.fields is None:
        return ()
    want, have = ours.as_fields(), live.as_fields()
    added = [KeyChange("+", name) for name in want if name not in have]
    changed = [KeyChange("~", name) for name in want if name in have and not want[name].same(have[name])]
    removed = [KeyChange("-", name) for name in have if name not in want]
    return (*added, *changed, *removed)
