"""Which of the longest trials run only where all are asked for, as .ci/run does."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

import pytest

from sopsync.stores.testing import Contract
from sopsync.stores.testing.place import Empty
from sopsync.stores.testing.stage import SCENARIOS


class Thorough(Contract):
    """The contract, with only the `quick` scenarios of convergence unless SOPSYNC_TEST_THOROUGH is set."""

    quick: Collection[str] = ("create", "update")

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_what_gets_in_between_is_seen_and_healed(
        self, empty: Empty, scenario: str, record_property: Callable[[str, object], None]
    ) -> None:
        if scenario not in self.quick and not os.environ.get("SOPSYNC_TEST_THOROUGH"):
            pytest.skip("thousands of calls; SOPSYNC_TEST_THOROUGH=1 make test makes them")
        super().test_what_gets_in_between_is_seen_and_healed(empty, scenario, record_property)
