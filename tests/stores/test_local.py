"""The embedded store: the contract, and what is true of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sopsync.stores.testing import Contract, Harness
from tests.stores.local_harness import LocalHarness


class TestLocal(Contract):
    @pytest.fixture
    def empty(self, tmp_path: Path) -> Callable[[], Harness]:
        return lambda: LocalHarness(tmp_path)
