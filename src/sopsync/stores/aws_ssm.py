"""Secrets in AWS Systems Manager Parameter Store: one parameter an entry, its stamp in the same call as its value.

`aws_ssm_write` tells the order of its writes, `aws_ssm_survey` which calls a look takes, `aws_ssm_entry` what is kept
where.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

from sopsync.errors import StoreError, Unavailable
from sopsync.model import Fence, Observed, PastVersion, Payload, Secret, Stamp, State, Survey, Version
from sopsync.stores.aws_pace import Paces, together
from sopsync.stores.aws_session import Clients, Context
from sopsync.stores.aws_ssm_calls import Calls
from sopsync.stores.aws_ssm_entry import observed
from sopsync.stores.aws_ssm_fence import Fences
from sopsync.stores.aws_ssm_rules import Rules
from sopsync.stores.aws_ssm_settings import GROUPS, AwsSsmSettings, rates, traits
from sopsync.stores.aws_ssm_survey import Listing, list_all, look_closer
from sopsync.stores.aws_ssm_write import Known, Writer


class SsmStore:
    """The parameters of one account and region, or those below some paths. Made by `open_ssm`."""

    def __init__(
        self,
        name: str,
        settings: AwsSsmSettings,
        clients: Clients,
        paces: Paces,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.traits = traits(settings)
        self.calls = 0
        self._counting = Lock()
        self._chamber = settings.layout == "chamber"
        self._paths = tuple(settings.paths)
        self._rules = Rules(name, self.traits)
        self._calls = Calls(name, clients, self._count, paces)
        self._fences = Fences(self._calls)
        self._clock = clock
        self._writer = Writer(self._calls, self._rules, self._fences.mark, clock, chambered=self._chamber)

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        began = self._clock()
        found = list_all(self._calls, self._paths)
        fences = self._fences.learn(found.fences)
        told, listed = not self._chamber, self._chamber or self._fences.marked
        look_closer(self._calls, found, wanted, told=told, listed=listed)
        self._writer.learn({name: Known(seen, began, found.tags.get(name)) for name, seen in found.entries.items()})
        shown = [found.observed(name, told=told) for name in found.entries if name not in found.unknown]
        shown = [entry for entry in shown if entry.owner or entry.name in wanted]
        shown += [Observed(path, State.UNKNOWN, reason=why) for path, why in found.unknown.items()]
        shown += [self._unseen(name, found) for name in wanted.keys() - found.entries.keys() - found.unknown.keys()]
        return Survey(tuple(shown), fences)

    def read(self, name: str, *, expect: Version) -> Payload:
        found = self._calls.read(name) if self._rules.legal(name) else None
        if found is None or str(found[0]) != expect:
            raise self._rules.moved(name, expect, f"v{found[0]}" if found else "nothing")
        return Payload(value=Secret(found[1].encode("utf-8", "surrogatepass")))

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
        value = self._rules.text(name, payload, options, tags)  # what AWS would refuse, or worse, not refuse
        if expect is None:
            return self._writer.create(name, value, stamp, options, tags)
        return self._writer.update(name, value, stamp, expect=expect, options=options, tags=tags)

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        self._rules.nameable(name, tags)
        self._writer.restamp(name, stamp, expect, tags)

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        """Deletes compare nothing: what others write between the look and the delete goes, too."""
        refused: dict[str, StoreError] = {}
        live = self._calls.look([name for name in versions if self._rules.legal(name)])
        for name, expect in versions.items():
            if name not in live or str(live[name].version) != expect:
                refused[name] = self._rules.moved(name, expect, f"v{live[name].version}" if name in live else "nothing")
        names = [name for name in versions if name not in refused]
        if names:
            try:
                gone = self._calls.delete(names)
                refused |= {name: self._rules.moved(name, versions[name], "nothing") for name in gone}
            except Unavailable as lost:
                refused |= self._deleted(names, versions, lost)
        self._writer.forget(versions)
        return refused

    def history(self, name: str) -> Iterator[PastVersion]:
        past = self._calls.history(name) if self._rules.legal(name) else []
        tags = (self._calls.tags(name) if past else None) or {}
        for seen in sorted(past, key=lambda one: one.version, reverse=True):
            shown = observed(seen, tags, told=not self._chamber)
            yield PastVersion(Version(str(seen.version)), shown.at, shown.stamp if shown.vouched else None)

    def raise_fence(self, fence: Fence, *, expect: Fence | None) -> None:
        self._fences.raise_to(fence, expect)

    def close(self) -> None:
        self._calls.close()

    def _deleted(
        self, names: list[str], versions: Mapping[str, Version], lost: Unavailable
    ) -> Mapping[str, StoreError]:
        """What a delete whose answer was lost left, by looking."""
        try:
            live = self._calls.look(names)
        except StoreError:
            return dict.fromkeys(names, lost)
        return {
            name: lost if str(seen.version) == versions[name] else self._rules.moved(name, None, f"v{seen.version}")
            for name, seen in live.items()
        }

    def _count(self) -> None:
        with self._counting:
            self.calls += 1

    def _unseen(self, name: str, found: Listing) -> Observed:
        """A complete listing is a positive not-found."""
        if not self._rules.legal(name):
            return Observed(name, State.UNKNOWN, reason=self._rules.of_names)
        hole = next((path for path in found.unknown if path.endswith("/") and name.startswith(path)), None)
        return Observed(name, State.UNKNOWN, reason=found.unknown[hole]) if hole else Observed(name, State.ABSENT)


def open_ssm(
    name: str, settings: AwsSsmSettings, context: Context, made: Callable[[Any], None] | None = None
) -> SsmStore:
    """A client. Makes no call: credentials and region are asked for at the first one. `made` is told of every botocore
    client, for whoever has event handlers to register."""
    paces = together(context.shared, ("ssm", *settings.where()), rates(settings), GROUPS)
    return SsmStore(name, settings, Clients(settings, context, "ssm", made), paces)
