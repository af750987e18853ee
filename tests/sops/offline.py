"""Opens the recorded files whose key service is not running, with the raw keys recorded beside them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import pyrage
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sopsync.errors import DecryptError, Reason
from sopsync.sops import shamir
from sopsync.sops.metadata import MasterKey, Metadata
from tests.sops.vectors import KEYS


class Offline:
    """age identities, and Vault transit and AWS KMS without a server: what their keys wrapped, done by hand."""

    def __init__(self, identities: str) -> None:
        lines = [line for line in identities.splitlines() if line.startswith("AGE-")]
        self._identities = [pyrage.x25519.Identity.from_str(line) for line in lines]

    def data_key(self, metadata: Metadata) -> bytes:
        shares = [share for group in metadata.groups if (share := self._group(group))]
        if len(shares) < max(metadata.threshold, 1):
            raise DecryptError("not enough", reason=Reason.DATA_KEY_UNAVAILABLE)
        return shares[0] if len(metadata.groups) == 1 else shamir.combine(shares)

    def _group(self, group: Sequence[MasterKey]) -> bytes | None:
        for key in group:
            try:
                if key.type == "hc_vault":
                    return _vault(key)
                if key.type == "kms":
                    return _kms(key)
                share: bytes = pyrage.decrypt(key.enc.encode(), self._identities)
            except (pyrage.DecryptError, InvalidTag):
                continue
            return share
        return None


def _vault(key: MasterKey) -> bytes:
    wanted = (key.fields["engine_path"], key.fields["key_name"])
    saved = json.loads((KEYS / "vault_transit_backups.json").read_text("ascii"))
    entry = next(e for e in saved if (e["mount"], e["name"]) == wanted)
    blob, material = base64.b64decode(key.enc.removeprefix("vault:v1:")), entry["exported"]["1"]
    if entry["type"].startswith("rsa"):
        private = serialization.load_pem_private_key(material.encode(), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return private.decrypt(blob, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    return AESGCM(base64.b64decode(material)).decrypt(blob[:12], blob[12:], None)


def _kms(key: MasterKey) -> bytes:
    saved = json.loads((KEYS / "moto_kms_keys.json").read_text("ascii"))
    blob = base64.b64decode(key.enc)
    name, nonce, tag, sealed = blob[:36].decode(), blob[36:48], blob[48:64], blob[64:]
    entry = next(e for e in saved if e["key_id"] == name)
    aad = "".join(k + v for k, v in sorted(key.context.items())).encode()
    return AESGCM(base64.b64decode(entry["key_material"])).decrypt(nonce, sealed + tag, aad)
