"""What the config may say of a `vault` store, and what such a store can do. No secret is ever part of it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sopsync.model import Traits

FENCES = "sopsync-fence"
"""The folder under the prefix that holds the fences; no entry may live there."""


def fence_of(owner: str) -> str:
    """The entry that is an owner's fence. By digest: an owner may hold what a path may not."""
    return f"{FENCES}/{sha256(owner.encode()).hexdigest()[:32]}"


_UNPRINTABLE = (
    r"\x00-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\uf8ff\ufeff"
)
"""What the server takes for unprintable (Go's unicode.IsPrint; listener option `disable_printable_check`): control and
format characters, all spaces but one, private use. What Unicode does not have yet is for the server to say."""

VAULT = Traits(
    kind="vault",
    fields=True,
    binary=False,  # a value is JSON text
    checked=True,  # options.cas: developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret
    recoverable=True,
    # integrated storage takes 1 MiB an entry (openbao.org/docs/internals/limits, `max_entry_size`), and JSON escapes
    # may double ordinary text; what still does not fit is refused by the server, with nothing changed
    max_bytes=512 * 1024,
    # a path: segments that are neither empty nor dots (HTTP would resolve those), of printable characters, and outside
    # our own folder
    name_pattern=rf"(?!{FENCES}(?:/|$))(?!\.\.?(?:/|$))[^{_UNPRINTABLE}/]+(?:/(?!\.\.?(?:/|$))[^{_UNPRINTABLE}/]+)*",
    name_rule=f"a path of printable characters, without empty, `.` or `..` segments, and not under `{FENCES}/`",
    parallel=8,
    tags=True,
)

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
_Path = Annotated[str, Field(pattern=r"^[^/](.*[^/])?$")]
"""A path in the server, without a slash at either end."""


class TokenAuth(BaseModel):
    """A token from BAO_TOKEN, VAULT_TOKEN or ~/.vault-token."""

    model_config = _CLOSED

    method: Literal["token"] = "token"


class AppRoleAuth(BaseModel):
    """AppRole: the secret id comes from an environment variable or a file, never from the config."""

    model_config = _CLOSED

    method: Literal["approle"]
    mount: _Path = "approle"
    role_id: str = Field(min_length=1)
    secret_id_env: str = Field(default="", description="Name of the environment variable that holds the secret id.")
    secret_id_file: str = Field(default="", description="Path of the file that holds the secret id.")

    @model_validator(mode="after")
    def _one_source(self) -> AppRoleAuth:
        if self.secret_id_env and self.secret_id_file:
            raise ValueError("give secret_id_env or secret_id_file, not both")
        return self


class KubernetesAuth(BaseModel):
    """The service account of the pod: its token is read again at each login, because the kubelet renews it."""

    model_config = _CLOSED

    method: Literal["kubernetes"]
    mount: _Path = "kubernetes"
    role: str = Field(min_length=1)
    jwt_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"


class JwtAuth(BaseModel):
    """A JWT that a CI system issues, in an environment variable or a file."""

    model_config = _CLOSED

    method: Literal["jwt"]
    mount: _Path = "jwt"
    role: str = Field(min_length=1)
    jwt_env: str = Field(default="", description="Name of the environment variable that holds the JWT.")
    jwt_file: str = Field(default="", description="Path of the file that holds the JWT.")

    @model_validator(mode="after")
    def _one_source(self) -> JwtAuth:
        if bool(self.jwt_env) == bool(self.jwt_file):
            raise ValueError("give jwt_env or jwt_file")
        return self


Auth = Annotated[TokenAuth | AppRoleAuth | KubernetesAuth | JwtAuth, Field(discriminator="method")]


class VaultSettings(BaseModel):
    """A KV version 2 mount of OpenBao or HashiCorp Vault."""

    model_config = _CLOSED

    type: Literal["vault"]
    address: str = Field(default="", pattern=r"^(https?://[^/?#@\s]+/?)?$")
    """`https://host:port`; omitted: BAO_ADDR or VAULT_ADDR."""
    mount: _Path = "secret"
    prefix: _Path | None = None
    """Look at this subtree only; names are relative to it."""
    namespace: _Path | None = None
    ca_cert: str = ""
    """PEM file of the certificate authority; a relative path starts at the repository."""
    auth: Auth = TokenAuth()
