"""What the tests of the fake AWS share."""

from __future__ import annotations

import pytest

from tests.support.aws import Aws
from tests.support.aws_calls import Account


@pytest.fixture
def account(cloud: Aws) -> Account:
    """An account of the session's server that no other test has; the record of calls is empty."""
    cloud.calls.clear()
    return Account(cloud, cloud.fresh())
