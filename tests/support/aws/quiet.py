"""boto3 clients of the tests themselves, which log nothing: at DEBUG botocore logs whole requests and answers.

Only calls through these clients are quiet: the leak guard still sees what the code under test logs through botocore.
"""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any

_MODULES = ("botocore.endpoint", "botocore.httpsession", "botocore.parsers", "botocore.auth", "botocore.retryhandler")
_here = threading.local()


def hush(client: Any) -> Any:
    """The client, quiet from now on."""
    _mute_loggers()
    make = client._make_api_call

    def call(operation: str, arguments: Any) -> Any:
        _here.quiet = True
        try:
            return make(operation, arguments)
        finally:
            _here.quiet = False

    client._make_api_call = call
    return client


def _mute_loggers() -> None:
    """A filter on each logger of the SDK: one on the topmost would not see what those below it hand up."""
    for name in _MODULES:
        importlib.import_module(name)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("botocore", "boto3", "urllib3"):
            logging.getLogger(name).addFilter(_loud)


def _loud(record: logging.LogRecord) -> bool:
    return not getattr(_here, "quiet", False)
