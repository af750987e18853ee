"""System tools that pip cannot bring: tests that need one skip without it, or fail where it was promised."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

_PACKAGES = {"chromium": "chromium", "gpg": "gnupg", "ssh-keygen": "openssh-client"}


def need(name: str) -> str:
    """Path of a system tool. Missing: the test skips, saying how to get it, or fails if `SOPSYNC_TEST_REQUIRE`
    (names, separated by spaces; CI sets it) says that it must be here."""
    found = shutil.which(name)
    if found:
        return found
    if name in os.environ.get("SOPSYNC_TEST_REQUIRE", "").split():
        pytest.fail(f"{name} is promised by SOPSYNC_TEST_REQUIRE and is not on PATH")
    pytest.skip(f"needs {name}; on Debian: apt-get install {_PACKAGES.get(name, name)}")


def python_head() -> str:
    """The first lines of a Python script that is run as a program, also where the interpreter's path has a space in it
    (which a `#!` line cannot name): sh starts it again under Python, and Python takes those lines for a string."""
    return f"#!/bin/sh\n'''exec' \"{sys.executable}\" -IS \"$0\" \"$@\"\n' '''\n"
