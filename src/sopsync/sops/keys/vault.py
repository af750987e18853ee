"""Opens data keys wrapped by the transit engine of HashiCorp Vault or OpenBao.

Sources: `hcvault/keysource.go` of sops 3.13; https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data.
The file names the server, and would get our token: so the address must be allowed, by the caller, by being VAULT_ADDR,
or by SOPS_HC_VAULT_ALLOWLIST. sops allows every address unless that variable is set (GHSA-jgf3-f6rg-8x3h); we do not.
"""

from __future__ import annotations

import re
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
from sopsync.sops.keys.hosts import Origin, covered, origin
from sopsync.sops.metadata import MasterKey

_SEGMENT = re.compile(r"(?!\.{1,2}$)[^\x00-\x20\x7f/?#%\\]+")
"""A part of a path that is one part, however it is read."""


class VaultSource:
    """Transit keys, with VAULT_TOKEN or the token `vault login` left in `~/.vault-token`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def place(self, key: MasterKey) -> str:
        return key.fields.get("vault_address", "")

    def unwrap(self, key: MasterKey) -> bytes:
        engine, name = key.fields.get("engine_path", "").strip("/"), key.fields.get("key_name", "")
        what = f"Vault {clean(engine)}/{clean(name)}"
        # 1. the address may have our token
        server = self._checked(key.fields.get("vault_address", ""), what)
        # 2. the path is what it looks like
        if not all(map(_SEGMENT.fullmatch, [*engine.split("/"), name])):
            raise CannotOpen(f"{what}: not the path of a transit key")
        # 3. ask
        token = self._token()
        if not token:
            raise Unreachable(f"{what}: no Vault token", hint="set VAULT_TOKEN, or vault login")
        try:
            import hvac.exceptions as v
            import requests
        except ImportError:
            raise missing_extra(what, "vault") from None
        try:
            answer = self._client(server, token).secrets.transit.decrypt_data(
                name, ciphertext=key.enc, mount_point=engine
            )
        except v.Forbidden:
            hint = f"grant update on {engine}/decrypt/{name}, or vault login again"
            raise CannotOpen(f"{what}: permission denied", hint=hint) from None
        except (v.VaultDown, v.VaultNotInitialized):
            raise Unreachable(f"{what}: {server.url} is sealed or down") from None
        except v.VaultError as error:
            raise CannotOpen(f"{what}: {server.url} answered {type(error).__name__}") from None
        except requests.RequestException:
            raise Unreachable(f"{what}: {server.url} does not answer") from None
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("plaintext"), str):
            # a redirect too ends here: the token is not carried elsewhere
            raise CannotOpen(f"{what}: {server.url} did not answer like Vault")
        return decoded(data["plaintext"], what)

    def _client(self, server: Origin, token: str) -> Any:
        """A client that follows no redirect; TLS by the variables every Vault client knows."""
        import hvac
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        quieten("hvac", "urllib3")
        get = self._around.get
        session = requests.Session()
        # decrypting changes nothing, so asking again is safe
        again = Retry(
            connect=1,
            read=1,
            status=2,
            redirect=0,
            backoff_factor=0.2,
            status_forcelist=(502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        session.mount(server.url, HTTPAdapter(max_retries=again))
        skip = get("VAULT_SKIP_VERIFY").lower() in ("1", "t", "true")
        session.verify = False if skip else get("VAULT_CACERT") or get("VAULT_CAPATH") or True
        if get("VAULT_CLIENT_CERT") and get("VAULT_CLIENT_KEY"):
            session.cert = (get("VAULT_CLIENT_CERT"), get("VAULT_CLIENT_KEY"))
        return hvac.Client(
            url=server.url,
            token=token,
            namespace=get("VAULT_NAMESPACE") or None,
            session=session,
            verify=session.verify,
            cert=session.cert,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
        )

    def _token(self) -> str:
        if token := self._around.get("VAULT_TOKEN"):
            return token
        try:
            return (self._around.home / ".vault-token").read_text("utf-8").strip() if self._around.home else ""
        except (OSError, ValueError):
            return ""

    def _checked(self, address: str, what: str) -> Origin:
        server = origin(address)
        if server is None:
            raise CannotOpen(f"{what}: {clean(address)} is not the address of a server")
        if not self._allowed(server, address):
            raise Unreachable(
                f"{what}: {server.url} is named by the file and not allowed",
                hint=f"if you trust it with your Vault token: export SOPS_HC_VAULT_ALLOWLIST={server.url}",
            )
        return server

    def _allowed(self, server: Origin, address: str) -> bool:
        """`none` allows nobody, `all` everybody, anything else is a list of URLs of which one must be a prefix, whole
        up to a slash (sops 3.13); besides, VAULT_ADDR and what the caller allows."""
        listed = self._around.get("SOPS_HC_VAULT_ALLOWLIST")
        if listed in ("none", "all"):
            return listed == "all"
        prefixes = [f"{item.strip(' ').removesuffix('/')}/" for item in listed.split(",") if item.strip(" ")]
        if f"{address.removesuffix('/')}/".startswith(tuple(prefixes)):
            return True
        return covered(server, self._around.allow_hosts) or origin(self._around.get("VAULT_ADDR")) == server
