"""The contract on Parameter Store over the wire: its own layout, and chamber's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sopsync.stores.testing import Contract, Expected, Harness
from tests.stores.aws_ssm_harness import Pool, SsmHarness
from tests.stores.thorough import Thorough
from tests.support.aws import Aws

PLAIN = Expected(
    survey=lambda _entries: 1, create=1, update=1, restore=0, restamp=2, delete=2, read=1,
    # the put, and a look whether anything stands above it
    fence=2,
)  # fmt: skip
CHAMBER = Expected(
    # and the listing of tags
    survey=lambda _entries: 2, create=1, update=2, restore=0, restamp=2, delete=2, read=1, fence=2,
)  # fmt: skip


class TestPlain(Contract):
    @pytest.fixture
    def empty(self, cloud: Aws, ssm_pool: Pool) -> Callable[[], Harness]:
        return lambda: SsmHarness(cloud, ssm_pool, PLAIN)


class TestChamber(Thorough):
    @pytest.fixture
    def empty(self, cloud: Aws, ssm_pool: Pool) -> Callable[[], Harness]:
        return lambda: SsmHarness(cloud, ssm_pool, CHAMBER, layout="chamber")
