"""Opens data keys wrapped by a key in Azure Key Vault: RSA-OAEP-256, done by the vault.

Sources: `azkv/keysource.go` of sops 3.13; https://learn.microsoft.com/rest/api/keyvault/keys/decrypt/decrypt. The file
names the vault, so its host must be one of Azure's, or allowed.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from sopsync.sops.keys.base import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    CannotOpen,
    Surroundings,
    Unreachable,
    clean,
    decoded,
    missing_extra,
    quieten,
)
from sopsync.sops.keys.hosts import covered, origin
from sopsync.sops.metadata import MasterKey

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates, "Vault name and object name"
_AZURE = (".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".managedhsm.azure.net")
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION = re.compile(r"[0-9A-Za-z]{0,64}")


class AzureSource:
    """Azure Key Vault keys with DefaultAzureCredential, which the process' own environment configures."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._credential: Any = None

    def place(self, key: MasterKey) -> str:
        return key.fields.get("vault_url", "")

    def unwrap(self, key: MasterKey) -> bytes:
        url, name, version = (key.fields.get(part, "") for part in ("vault_url", "name", "version"))
        what = f"Key Vault {clean(name)}"
        # 1. the address may have our credentials
        where = self._checked(url, what)
        # 2. nothing else of the URL can be bent
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            raise CannotOpen(f"{what}: not the name and version of a key")
        wrapped = decoded(key.enc, what, urlsafe=True)
        # 3. ask
        try:
            import azure.core.exceptions as e
            import azure.identity
            from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm
        except ImportError:
            raise missing_extra(what, "azure") from None
        quieten("azure", "msal", "urllib3")
        with self._lock:
            self._credential = self._credential or azure.identity.DefaultAzureCredential(process_timeout=ANSWER_SECONDS)
        try:
            with CryptographyClient(
                f"{where}/keys/{name}/{version}".rstrip("/"),
                self._credential,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=ANSWER_SECONDS,
                retry_total=2,
            ) as client:
                plaintext: bytes = client.decrypt(EncryptionAlgorithm.rsa_oaep_256, wrapped).plaintext
        except e.ClientAuthenticationError:
            raise Unreachable(
                f"{what}: no Azure credentials", hint="az login, or set AZURE_CLIENT_ID and its kin"
            ) from None
        except e.HttpResponseError as error:
            hint = f"grant keys/decrypt on {where}/keys/{name}" if error.status_code == 403 else ""
            raise CannotOpen(f"{what}: HTTP {error.status_code}", hint=hint) from None
        except e.AzureError:
            raise Unreachable(f"{what}: {where} does not answer") from None
        return plaintext

    def _checked(self, url: str, what: str) -> str:
        found = origin(url)
        if found is None or found.scheme != "https":
            raise CannotOpen(f"{what}: {clean(url)} is not the https address of a vault")
        ours = found.host.endswith(_AZURE) and found.port == 443
        if not ours and not covered(found, self._around.allow_hosts):
            raise Unreachable(
                f"{what}: {found.url} is named by the file and not allowed",
                hint=f"allow the host {found.host}, if you trust it with your Azure token",
            )
        return found.url
