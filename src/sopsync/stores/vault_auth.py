"""Where a store's token comes from: ready made, or from a login with what the environment or a file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sopsync.errors import Denied
from sopsync.stores.vault_settings import AppRoleAuth, Auth, JwtAuth, KubernetesAuth, TokenAuth


@dataclass(frozen=True, slots=True)
class Credentials:
    """`path` is the login endpoint, empty where there is a token already. `read` gets the token, or the body of the
    login, anew each time: files are renewed under us. May raise Denied."""

    path: str
    read: Callable[[], Mapping[str, str]]


def credentials(store: str, auth: Auth, environ: Mapping[str, str], base: Path) -> Credentials:
    """What `auth` says, ready to be read. Nothing is read yet."""

    def secret(env: str, file: str) -> str:
        return _variable(store, environ, env) if env else _file(store, base / file)

    match auth:
        case TokenAuth():
            return Credentials("", lambda: {"token": _token(store, environ)})
        case AppRoleAuth():
            return Credentials(f"auth/{auth.mount}/login", lambda: _approle(auth, secret))
        case KubernetesAuth():
            return Credentials(
                f"auth/{auth.mount}/login", lambda: {"role": auth.role, "jwt": secret("", auth.jwt_file)}
            )
        case JwtAuth():
            body = f"auth/{auth.mount}/login"
            return Credentials(body, lambda: {"role": auth.role, "jwt": secret(auth.jwt_env, auth.jwt_file)})


def variable(environ: Mapping[str, str], word: str) -> str:
    """BAO_<word>, or VAULT_<word>, or empty: OpenBao's own tools look in this order."""
    return environ.get(f"BAO_{word}") or environ.get(f"VAULT_{word}") or ""


def _approle(auth: AppRoleAuth, secret: Callable[[str, str], str]) -> Mapping[str, str]:
    """A role without `bind_secret_id` needs no secret id."""
    if not (auth.secret_id_env or auth.secret_id_file):
        return {"role_id": auth.role_id}
    return {"role_id": auth.role_id, "secret_id": secret(auth.secret_id_env, auth.secret_id_file)}


def _token(store: str, environ: Mapping[str, str]) -> str:
    if token := variable(environ, "TOKEN").strip():
        return _plausible(store, token)
    try:
        return _plausible(store, (Path(environ.get("HOME", "/")) / ".vault-token").read_text().strip())
    except (OSError, UnicodeDecodeError):
        what = "no token: VAULT_TOKEN is not set, and ~/.vault-token cannot be read"
        raise Denied(what, store=store, hint="vault login, or set VAULT_TOKEN, or give auth a method") from None


def _plausible(store: str, token: str) -> str:
    """A token goes into a header; whatever could not would be quoted by the HTTP library."""
    if token and token.isascii() and token.isprintable():
        return token
    raise Denied("what should be the token is not one", store=store, hint="vault login, or set VAULT_TOKEN")


def _variable(store: str, environ: Mapping[str, str], name: str) -> str:
    if value := environ.get(name, "").strip():
        return value
    raise Denied(f"cannot log in: {name} is not set", store=store, hint=f"set {name}")


def _file(store: str, path: Path) -> str:
    try:
        if value := path.read_text().strip():
            return value
    except (OSError, UnicodeDecodeError):
        pass
    raise Denied(f"cannot log in: nothing to read in {path}", store=store, hint="look at the file and its mode")
