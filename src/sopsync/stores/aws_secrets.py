"""Secrets in AWS Secrets Manager, in one account and region. `aws_secrets_write` tells the order of its writes,
`aws_secrets_survey` which calls a look takes, `aws_secrets_entry` what is kept where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

from sopsync.errors import Conflict, Rejected, StoreError
from sopsync.model import Fence, PastVersion, Payload, Stamp, Survey, Version
from sopsync.stores.aws_api import Api
from sopsync.stores.aws_pace import Paces, together
from sopsync.stores.aws_secrets_calls import Calls
from sopsync.stores.aws_secrets_entry import history
from sopsync.stores.aws_secrets_fence import Fences
from sopsync.stores.aws_secrets_options import impossible
from sopsync.stores.aws_secrets_payload import Value, from_value, to_value
from sopsync.stores.aws_secrets_settings import OPERATIONS, AwsSecretsSettings, rates, traits
from sopsync.stores.aws_secrets_survey import misnamed, survey
from sopsync.stores.aws_secrets_write import Writer
from sopsync.stores.aws_session import Clients, Context
from sopsync.stores.aws_tags import untaggable
from sopsync.stores.base import one_by_one

_MOST_TAGS = 28
"""Tags of git's whose digests fit into one of ours."""


class AwsSecretsStore:
    """All secrets of an account and region, or those whose names begin with a prefix. Made by `open_secrets`."""

    def __init__(
        self,
        name: str,
        settings: AwsSecretsSettings,
        clients: Clients,
        paces: Paces,
        sleep: Callable[[float], None],
    ) -> None:
        self.name = name
        self.traits = traits(settings)
        self.calls = 0
        self._counting = Lock()
        self._clients = clients
        self._window = settings.recovery_window
        wire = Api(name, "secretsmanager", clients, paces=paces, counted=self._count, sleep=sleep)
        self._api = Calls(wire, settings.prefix)
        self._fences = Fences(self._api)
        self._writer = Writer(self._api)
        self._owners: dict[str, str] = {}
        """As the last survey had them, less what was written since."""

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        found = survey(self._api, self._fences, wanted, self.traits)
        self._owners = {entry.name: entry.owner for entry in found.entries if entry.owner}
        return found

    def read(self, name: str, *, expect: Version) -> Payload:
        found = None if misnamed(name, self.traits) else self._api.value(name)
        if found is None or found.get("VersionId") != expect:
            what = "there is no value" if found is None else "its live version is another one than was planned on"
            raise Conflict(what, store=self.name, name=name, hint="plan again")
        return from_value(found)

    def write(
        self,
        name: str,
        payload: Payload,
        stamp: Stamp,
        *,
        expect: Version | None,
        options: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Version:
        value = self._checked(name, payload, options, tags)
        self._owners.pop(name, None)
        if expect is None:
            return self._writer.create(name, value, stamp, options, tags)
        return self._writer.update(name, value, stamp, expect=expect, options=options, tags=tags)

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        self._check(name, misnamed(name, self.traits), "rename it in the config")
        self._check(name, untaggable(tags, _MOST_TAGS), "change tags in the config")
        self._owners.pop(name, None)
        self._writer.restamp(name, stamp, expect, tags)

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        return one_by_one(versions, self._delete)

    def _delete(self, name: str, expect: Version) -> None:
        self._check(name, misnamed(name, self.traits), "rename it in the config")
        self._writer.delete(name, expect, self._window, self._owners.get(name))

    def history(self, name: str) -> Iterator[PastVersion]:
        entry = None if misnamed(name, self.traits) else self._api.look(name)
        return history(entry, self._api.versions(name)) if entry else iter(())

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        self._fences.raise_to(fence, expect)

    def close(self) -> None:
        self._clients.close()

    def _count(self) -> None:
        with self._counting:
            self.calls += 1

    def _checked(self, name: str, payload: Payload, options: Mapping[str, str], tags: Mapping[str, str]) -> Value:
        """Says the limit, never the length of what breaks it."""
        self._check(name, misnamed(name, self.traits), "rename it in the config")
        self._check(name, impossible(options), "change it in the config")
        self._check(name, untaggable(tags, _MOST_TAGS), "change tags in the config")
        value = to_value(payload)
        if value is None:
            raise self._rejected(name, "not UTF-8 text, and a map here is JSON", "encode it: base64")
        if not value.size:
            raise self._rejected(name, "empty, which a secret cannot be", "leave the key out in the config (keys:)")
        if value.size > self.traits.max_bytes:
            what = f"too large: a secret takes {self.traits.max_bytes} bytes"
            raise self._rejected(name, what, "split it over several entries")
        return value

    def _check(self, name: str, why: str, hint: str) -> None:
        if why:
            raise self._rejected(name, why, hint)

    def _rejected(self, name: str, what: str, hint: str) -> Rejected:
        return Rejected(what, store=self.name, name=ascii(name)[1:-1], hint=hint)


def open_secrets(
    name: str,
    settings: AwsSecretsSettings,
    context: Context,
    made: Callable[[Any], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> AwsSecretsStore:
    """A store. Makes no call: credentials and region are asked for at the first one. `made` is told of each new client,
    before it makes a call; `sleep` waits before a call that got no answer is made again."""
    paces = together(context.shared, ("secretsmanager", *settings.where()), rates(settings), OPERATIONS)
    return AwsSecretsStore(name, settings, Clients(settings, context, "secretsmanager", made), paces, sleep)
