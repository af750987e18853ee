"""What these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reconcile.things import stage
from tests.support.story import Stage


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Four entries, not applied yet."""
    return stage(tmp_path, monkeypatch)
