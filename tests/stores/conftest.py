"""What the tests of vault stores share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from requests.adapters import HTTPAdapter

from tests.stores.aws_ssm_harness import Pool
from tests.stores.vault_mount import Kv
from tests.support.aws import Aws
from tests.support.servers import OpenBao

_numbers = count()


@pytest.fixture(scope="session")
def connections() -> Iterator[HTTPAdapter]:
    """Connections for all clients of a session: a new one for each would cost more than the calls it makes."""
    adapter = HTTPAdapter(pool_maxsize=32)
    yield adapter
    adapter.close()


@pytest.fixture
def kv(bao: OpenBao, connections: HTTPAdapter) -> Kv:
    return Kv(bao, f"kv-{next(_numbers)}", connections)


@pytest.fixture(scope="session")
def ssm_pool(cloud: Aws) -> Iterator[Pool]:
    """Clients of AWS for all stores of a session."""
    pool = Pool(cloud)
    yield pool
    pool.close()
