"""All the laws of a store in one class."""

from __future__ import annotations

import pytest

from sopsync.stores.testing.convergence import ConvergenceLaws
from sopsync.stores.testing.faults import FaultLaws
from sopsync.stores.testing.place import Empty
from sopsync.stores.testing.races import RaceLaws
from sopsync.stores.testing.values import ValueLaws
from sopsync.stores.testing.versions import VersionLaws
from sopsync.stores.testing.witness import WitnessLaws


class Contract(ValueLaws, VersionLaws, WitnessLaws, FaultLaws, RaceLaws, ConvergenceLaws):
    """Subclass it as `Test…` and give it the fixture `empty`."""

    @pytest.fixture
    def empty(self) -> Empty:
        """A maker of harnesses, each on an empty place of its own. Yours to write."""
        raise NotImplementedError("a subclass of Contract has a fixture `empty` that gives a Callable[[], Harness]")
