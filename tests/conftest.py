"""What holds for every test: the leak guard watches, and nobody's own keys, tokens or configuration play a part."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.support.aws import Aws, aws
from tests.support.servers import OpenBao, openbao

pytest_plugins = ("pytester", "tests.support.guard", "sopsync.stores.testing.plugin")

_FOREIGN = (
    "SOPS_",
    "GIT_",
    "VAULT_",
    "BAO_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "CLOUDSDK_",
    "GNUPG",
    "GPG_",
    "XDG_",
    "SSH_",
)
_HOME = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Before anything else runs: an empty home, and an environment without credentials or git configuration."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    home = config.stash[_HOME] = tempfile.mkdtemp(prefix="sopsync-home-")
    os.environ |= {"HOME": home, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash.get(_HOME, ""), ignore_errors=True)


@pytest.fixture(scope="session")
def bao() -> Iterator[OpenBao]:
    """A real OpenBao: one for the whole session; each test has a mount or a prefix of its own."""
    with openbao() as server:
        yield server


@pytest.fixture(scope="session")
def cloud() -> Iterator[Aws]:
    """A fake AWS: one for the whole session; each test has an account of its own (`cloud.fresh()`)."""
    with aws() as server:
        yield server
