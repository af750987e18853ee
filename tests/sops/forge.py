"""Files that only somebody with the data key can make: what sops never writes and a recipient could."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sopsync.sops import parse
from sopsync.sops.document import MAC_ONLY_ENCRYPTED
from sopsync.sops.formats import Format
from tests.sops import real


class Forge:
    """Writes values and MACs into a file that sops made, with that file's own key."""

    def __init__(self, data: bytes, kind: Format) -> None:
        self.data, self.kind = data, kind
        self._metadata = parse(data, format=kind).metadata
        self._gcm = AESGCM(real.keyring().data_key(self._metadata))

    def value(self, plain: bytes, path: str, kind: str) -> bytes:
        """`ENC[…]` for a path like `a:b:`."""
        nonce = os.urandom(32)
        sealed = self._gcm.encrypt(nonce, plain, path.encode())
        parts = [base64.b64encode(part).decode() for part in (sealed[:-16], nonce, sealed[-16:])]
        return "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{}]".format(*parts, kind).encode()

    def replace(self, old: bytes, new: bytes) -> Forge:
        assert self.data.count(old) == 1, f"{self.data.count(old)} places"
        self.data = self.data.replace(old, new)
        return self

    def sign(self, *hashed: Any, kind: str = "str", mac_only: bool = False) -> bytes:
        """The file with a MAC over these bytes."""
        digest = hashlib.sha512(MAC_ONLY_ENCRYPTED if mac_only else b"")
        digest.update(b"".join(hashed))
        mac = self.value(digest.hexdigest().upper().encode(), self._metadata.lastmodified, kind)
        return re.sub(rb"(mac\"?[:=] ?\"?)ENC\[[^\"\n]*\]", lambda match: match[1] + mac, self.data, count=1)


def sealed(plain: bytes, kind: Format = "yaml", *arguments: str) -> bytes:
    """A file sops makes of this; sops must accept it."""
    data = real.encrypt(plain, kind, *arguments)
    assert data is not None
    return data
