"""One server and the token we have for it: logs in when it must, counts calls, and tells what a 403 is about."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sopsync.errors import StoreError
from sopsync.stores.place import Place
from sopsync.stores.vault_auth import Credentials
from sopsync.stores.vault_errors import Answer, no_mount, refusal
from sopsync.stores.vault_http import Http, Server

if TYPE_CHECKING:
    import requests

_PATIENCE = 30.0
"""Seconds in which a call that came too soon may be made again, in all: a run that is to stop waits for it."""


class _Lacks(Enum):
    """What a 403 is for lack of: a live token, anything granted on the mount, or a capability on the path."""

    TOKEN, MOUNT, PATH = range(3)


class Wire:
    """Safe to use from several threads. `counted` is told of every call, right before it."""

    def __init__(
        self,
        server: Server,
        credentials: Credentials,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server
        self.counted: Callable[[], None] = lambda: None
        self._credentials = credentials
        self._token = ""
        self._login_lock = Lock()
        self._http = Http(server, session)
        self._sleep = sleep
        self._patience = _PATIENCE

    def call(
        self, method: str, path: str, body: Any = None, *, place: Place | None = None, allow: Collection[int] = ()
    ) -> Answer:
        """One API call. Answers other than success and the statuses in `allow` are raised as the StoreError they stand
        for; a 403 is looked into (two calls at most), and returned only if it is about the path. Never repeated where
        it may have been done."""
        place = place or Place(self.server.store)
        token = self._token or self._login(stale="")
        answer = self._send(method, path, body, place, token)
        if answer.status == 403:
            match self._denied(answer, token):
                case _Lacks.MOUNT:
                    what = f"nothing is mounted at {self.server.mount}/, or nothing there is granted to us"
                    raise place.denied(what, "look at mount and namespace, and at the token's policies")
                case _Lacks.TOKEN if not self._credentials.path:
                    raise place.denied("the token is not valid, or has expired", "vault login, or set VAULT_TOKEN")
                case _Lacks.TOKEN:
                    # A 403 is a positive no: nothing was done, so that the same call may be made once more.
                    answer = self._send(method, path, body, place, self._login(stale=token))
        if answer.says("no handler for route"):
            raise no_mount(place, self.server.mount)
        # While a mount is upgraded, it says 400 to everything.
        if (answer.ok or answer.status in allow) and not answer.says("Upgrading from non-versioned"):
            return answer
        raise refusal(answer, place)

    def close(self) -> None:
        """Revoke the token if a login of ours made it, and let go of connections."""
        token, self._token = self._token, ""
        if token and self._credentials.path:
            with suppress(StoreError):  # it expires by itself
                self._send("POST", "auth/token/revoke-self", {}, Place(self.server.store), token)
        self._http.close()

    def _login(self, *, stale: str) -> str:
        """A token other than `stale`. Several threads may find out at once that it died; one of them logs in."""
        with self._login_lock:
            if self._token != stale:
                return self._token
            secrets = self._credentials.read()
            self._token = secrets["token"] if not self._credentials.path else self._exchange(secrets)
            return self._token

    def _exchange(self, secrets: Mapping[str, str]) -> str:
        place, path = Place(self.server.store), self._credentials.path
        answer = self._send("POST", path, secrets, place, "")
        token = answer.auth.get("client_token")
        if answer.ok and isinstance(token, str) and token:
            return token
        if answer.ok or answer.status in (400, 403):
            raise place.denied("the login was refused", f"look at the role and what may log in with it at {path}")
        if answer.status == 404:
            raise place.denied(f"there is no auth method at {path}", "look at auth.mount, auth.method and namespace")
        raise refusal(answer, place)

    def _denied(self, answer: Answer, token: str) -> _Lacks:
        """What a 403 is about. Asks only what any token may ask: one that may use the mount at all is told of it
        (sys/internal/ui/mounts), and one with the default policy may look itself up."""
        if answer.says("invalid token"):
            return _Lacks.TOKEN
        place = Place(self.server.store)
        try:
            if self._send("GET", f"sys/internal/ui/mounts/{quote(self.server.mount)}", None, place, token).ok:
                return _Lacks.PATH
            alive = self._send("GET", "auth/token/lookup-self", None, place, token).status != 403
        except StoreError:
            return _Lacks.PATH  # it cannot be told: say what is known, which is a 403
        return _Lacks.MOUNT if alive else _Lacks.TOKEN

    def _send(self, method: str, path: str, body: Any, place: Place, token: str) -> Answer:
        """A 429 is a positive no: nothing was done, so that the same call may be made again, whatever it is. Where one
        call has waited in vain, no other waits until one got through: a thousand of them would take hours."""
        waited = 0.0
        while True:
            self.counted()
            answer = self._http.send(method, path, body, token, place)
            if answer.status != 429:
                self._patience = _PATIENCE
                return answer
            waited += answer.after
            if waited > self._patience:
                self._patience = 0
                return answer
            self._sleep(answer.after)
