"""AWS KMS and STS by moto, in this process, with the keys that recorded files were sealed with."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"


@contextmanager
def moto_kms(keys: Path, port: int) -> Iterator[str]:
    """A server on this port of 127.0.0.1; yields its URL. `keys`: JSON list of {region, key_id, arn, key_material}."""
    from moto.backends import get_backend
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        kms: Any = get_backend("kms")[ACCOUNT]
        for saved in json.loads(keys.read_text("ascii")):
            region = kms[saved["region"]]
            key = region.create_key(
                policy="", key_usage="ENCRYPT_DECRYPT", key_spec="SYMMETRIC_DEFAULT", description="", tags=[]
            )
            del region.keys[key.id]
            key.id, key.arn = saved["key_id"], saved["arn"]
            key.key_material = base64.b64decode(saved["key_material"])
            region.keys[key.id] = key
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
