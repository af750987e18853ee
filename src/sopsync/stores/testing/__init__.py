"""The specification of a store, as a test suite that anybody can run on their own.

    from sopsync.stores.testing import Contract, Harness

    class TestMyStore(Contract):
        @pytest.fixture
        def empty(self) -> Callable[[], Harness]:
            return lambda: MyHarness(...)          # each call: a place of its own, with nothing in it

`harness` says what a harness is. The laws are in the other modules, one a kind. Needs pytest.
Run with `-p sopsync.stores.testing.plugin` to have the matrix of trials printed at the end.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("convergence", "faults", "place", "races", "trials"))
)

from sopsync.stores.testing.contract import Contract  # noqa: E402 - asserts must be rewritten first
from sopsync.stores.testing.harness import Expected, Fault, Harness, Outside, Wire  # noqa: E402

__all__ = ["Contract", "Expected", "Fault", "Harness", "Outside", "Wire"]
