"""`python -m tests.support.aws PORT [--enforce-iam]`: the same server as a process of its own, until it is ended."""

from __future__ import annotations

import signal
import sys

from tests.support.aws import aws

_ENDS = {signal.SIGINT, signal.SIGTERM}

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # before there are threads that would get them
    with aws(port=int(sys.argv[1]), enforce_iam="--enforce-iam" in sys.argv[2:]) as cloud:
        print(cloud.url, flush=True)  # noqa: T201 - how whoever started it knows that it is ready
        signal.sigwait(_ENDS)
