"""What the tests of vault stores share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from requests.adapters import HTTPAdapter


@pytest.fixture(scope="session")
def connections() -> Iterator[HTTPAdapter]:
    """Connections for all clients of a session: a new one for each would cost more than the calls it makes."""
    adapter = HTTPAdapter(pool_maxsize=32)
    yield adapter
    adapter.close()
