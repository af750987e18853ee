"""Open the stores of a config: one that does not open fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from sopsync.errors import Rejected, SopsyncError, StoreError, unforeseen
from sopsync.stores.base import Store
from sopsync.stores.kinds import KINDS, Context


def open_stores(
    settings: Mapping[str, Any], context: Context, closing: ExitStack
) -> tuple[dict[str, Store], dict[str, StoreError]]:
    """(the stores that opened, what the others said), of name → settings. `closing` closes them."""
    stores: dict[str, Store] = {}
    failed: dict[str, StoreError] = {}
    for name, given in settings.items():
        try:
            stores[name] = KINDS[given.type].open(name, given, context)
            closing.callback(stores[name].close)
        except StoreError as error:
            failed[name] = error
        except SopsyncError as error:
            first = error.problems[0]
            failed[name] = Rejected(first.what, store=name, hint=first.hint)
        except Exception as error:  # noqa: BLE001 - one store's fault is not the others'
            failed[name] = unforeseen(error, name)
    return stores, failed
