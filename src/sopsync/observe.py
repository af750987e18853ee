"""Look at every store once, all at the same time. A store that is down fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from sopsync.errors import StoreError, unforeseen
from sopsync.model import Survey
from sopsync.stores.base import Store


def observe(stores: Mapping[str, Store], wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Survey | StoreError]:
    """A survey of each store, or the error it gave instead: never an empty survey for a failed one.

    `wanted`: store → name → the digest that git wants.
    """

    def look(store: Store) -> Survey | StoreError:
        try:
            return store.survey(wanted.get(store.name, {}))
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001 - one store's fault is not the others'
            return unforeseen(error, store.name)

    if not stores:
        return {}
    with ThreadPoolExecutor(max_workers=len(stores)) as pool:
        return dict(zip(stores, pool.map(look, stores.values()), strict=True))
