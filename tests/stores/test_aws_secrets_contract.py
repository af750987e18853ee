"""The contract on Secrets Manager, over the wire to a server that behaves like AWS's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sopsync.stores.testing import Harness
from tests.stores.aws_secrets_harness import SecretsHarness
from tests.stores.thorough import Thorough
from tests.support.aws import Aws


class TestSecretsManager(Thorough):
    """A whole account."""

    @pytest.fixture
    def empty(self, cloud: Aws) -> Callable[[], Harness]:
        return lambda: SecretsHarness(cloud)
