"""System tools that pip cannot bring: tests that need one skip without it, or fail where it was promised."""

from __future__ import annotations

import os
import shutil

import pytest

_PACKAGES = {"gpg": "gnupg", "ssh-keygen": "openssh-client"}


def need(name: str) -> str:
    """Path of a system tool. Missing: the test skips, saying how to get it, or fails if `SOPSYNC_TEST_REQUIRE`
    (names, separated by spaces; CI sets it) says that it must be here."""
    found = shutil.which(name)
    if found:
        return found
    if name in os.environ.get("SOPSYNC_TEST_REQUIRE", "").split():
        pytest.fail(f"{name} is promised by SOPSYNC_TEST_REQUIRE and is not on PATH")
    pytest.skip(f"needs {name}; on Debian: apt-get install {_PACKAGES.get(name, name)}")
