"""Secrets in AWS Systems Manager Parameter Store: one parameter an entry, its stamp in the same call as its value.

    create   PutParameter, which takes a name only if it is free         1 call
    update   PutParameter                                                1
    restamp  a look, AddTagsToResource                                   2

* PutParameter compares no version. The stamp names the one that the put is going to make; if AWS made another, somebody
  wrote in between: their value is in the history, ours is live, and the stamp does not vouch for it. That is said, and
  the next plan looks at the value and decides anew.
* A Description cannot be changed without a new version, so a stamp for a version that is there goes into a tag. It is
  neither removed nor renewed by later puts: it names an old version then, and is not believed.
* Tags of the user are written before a put that follows them: cut off in between, the stamp is the old one, and all is
  done once more.
* `layout: chamber` leaves the Description to chamber: the stamp is in the tag always, which comes with the value when
  an entry is created, and after it in a call of its own when it is updated.
* No parameter has a label of ours: a label on the oldest of 100 versions would block the next put.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from sopsync.errors import StoreError, Unavailable
from sopsync.model import Fence, Observed, PastVersion, Payload, Secret, Stamp, State, Survey, Version
from sopsync.stores import aws_ssm_chamber as chamber
from sopsync.stores.aws_session import Clients, Context
from sopsync.stores.aws_ssm_calls import Calls, params
from sopsync.stores.aws_ssm_entry import (
    Listed,
    Tags,
    describe,
    described,
    label,
    observed,
    retag,
    tier,
)  # fmt: skip
from sopsync.stores.aws_ssm_fence import Fences
from sopsync.stores.aws_ssm_rules import Rules
from sopsync.stores.aws_ssm_settings import SECURE, AwsSsmSettings, traits
from sopsync.stores.aws_ssm_survey import Listing, list_all, look_closer

_TAKEN = ("ParameterAlreadyExists",)


@dataclass(frozen=True, slots=True)
class _Known:
    """The last that this client saw of an entry. `tags` None: not looked at."""

    seen: Listed
    tags: Tags | None = None


class SsmStore:
    """The parameters of one account and region, or those below some paths. `calls` is made by `open_ssm`."""

    def __init__(self, name: str, settings: AwsSsmSettings, clients: Clients) -> None:
        self.name = name
        self.calls = 0
        self.traits = traits(settings)
        self._chamber = settings.layout == "chamber"
        self._paths = tuple(settings.paths)
        self._rules = Rules(name, self.traits)
        self._lock = Lock()
        self._calls = Calls(name, clients, self._count, {str(group): rate for group, rate in settings.rates.items()})
        self._fences = Fences(self._calls)
        self._known: dict[str, _Known] = {}

    def survey(self, wanted: Mapping[str, str]) -> Survey:
        found = list_all(self._calls, self._paths)
        fences = self._fences.learn(found.fences)
        look_closer(
            self._calls, found, wanted, told=not self._chamber, listed=self._chamber or self._fences.marked
        )  # fmt: skip
        with self._lock:
            self._known = {name: _Known(seen, found.tags.get(name)) for name, seen in found.entries.items()}
        shown = [found.observed(name, told=not self._chamber) for name in found.entries if name not in found.unknown]
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
        # 1. What AWS would refuse, or worse, not refuse.
        value = self._rules.text(name, payload, options, tags)
        if expect is None:
            return self._create(name, value, stamp, options, tags)
        # 2. What is live, as the survey saw it; looked at again only if that is not what is expected.
        known = self._live(name, expect)
        self._rules.same_type(known.seen, options)
        # 3. Tags, the value with its stamp, and in chamber's layout the stamp.
        return self._update(self._retag(name, known, tags), value, stamp, options)

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        """Nothing compares here, either: who writes a value between the look and the tag keeps it, and the stamp,
        naming the old version, does not vouch for it."""
        self._rules.nameable(name, tags)
        known = self._live(name, expect, anew=True)
        said = None if self._chamber else described(known.seen.description)
        if not self._chamber and (said is None or said.owner != stamp.owner):
            self._fences.mark()
        self._retag(name, known, tags, label(stamp.naming(expect), known.seen.made))

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
        with self._lock:
            for name in versions:
                self._known.pop(name, None)
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

    # -- writing

    def _create(
        self, name: str, value: str, stamp: Stamp, options: Mapping[str, str], tags: Mapping[str, str]
    ) -> Version:
        first = stamp.naming("1")
        sent = {**retag({}, tags).add, **(label(first, "") if self._chamber else {})}
        text = chamber.following("") if self._chamber else describe(first)
        given = self._given(None, value, text, options)
        given |= {"Tags": [{"Key": key, "Value": said} for key, said in sent.items()]} if sent else {}
        try:
            answer = self._calls.put(name, given, allow=_TAKEN)
            taken = bool(answer.code)
        except Unavailable as lost:
            taken = not self._created(name, text, sent, lost)
        if taken:
            raise self._rules.moved(name, None, "something else")
        self._learn(name, _Known(Listed(name, 1, text, given["Type"], given.get("Tier", "")), sent))
        return Version("1")

    def _update(self, known: _Known, value: str, stamp: Stamp, options: Mapping[str, str]) -> Version:
        seen, number = known.seen, known.seen.version + 1
        text = chamber.following(seen.description) if self._chamber else describe(stamp.naming(str(number)))
        given = self._given(seen, value, text, options)
        self._forget(seen.name)
        try:
            made = int(self._calls.put(seen.name, given).data["Version"])
        except Unavailable as lost:
            made = self._settled(seen, text, lost)
        if made < number and not self._chamber:
            # Somebody deleted it, and numbers began anew: the stamp names a version that is yet to come, and would one
            # day vouch for whoever makes that. So it is said once more, with the number that it has now.
            again = {**given, "Description": describe(stamp.naming(str(made + 1)))}
            made = int(self._calls.put(seen.name, again).data["Version"])
        elif self._chamber and made <= number:
            self._calls.tag(seen.name, label(stamp.naming(str(made)), ""))
        if made != number:
            raise self._rules.overtaken(seen.name, Version(str(seen.version)), made)
        self._learn(seen.name, replace(known, seen=replace(seen, version=number, description=text, at=None)))
        return Version(str(number))

    def _created(self, name: str, text: str, sent: Tags, lost: Unavailable) -> bool:
        """Whether it was us who created it, where the answer was lost. Raises that if there is nothing."""
        try:
            seen = self._calls.look([name]).get(name)
            tags = self._calls.tags(name) if seen and self._chamber else sent
        except StoreError:
            raise lost from None
        if seen is None:
            raise lost
        return (seen.version, seen.description, tags) == (1, text, sent)

    def _settled(self, before: Listed, text: str, lost: Unavailable) -> int:
        """Which version an update made, where the answer was lost. Raises that if it made none, or nobody can tell:
        the Description proves it, but not chamber's, and then the next plan opens the value and sees."""
        try:
            seen = self._calls.look([before.name]).get(before.name)
        except StoreError:
            raise lost from None
        if seen is None or self._chamber or seen.version == before.version:
            raise lost
        if seen.description != text:
            raise self._rules.moved(before.name, Version(str(before.version)), f"v{seen.version}")
        return seen.version

    def _given(self, live: Listed | None, value: str, text: str, options: Mapping[str, str]) -> dict[str, Any]:
        """What the config leaves open stays as it is."""
        kind = options.get("type") or (live.type if live else SECURE)
        key = options.get("kms_key") or (live.key if live else chamber.KEY if self._chamber else "")
        return params(
            value, text, Type=kind, KeyId=key if kind == SECURE else "", Overwrite=live is not None,
            Tier=tier(options.get("tier"), live.tier if live else ""),
        )  # fmt: skip

    def _retag(self, name: str, known: _Known, wanted: Tags, stamp: Tags | None = None) -> _Known:
        """Tags of ours as git wants them, those of others as they are; and the stamp, last."""
        now = known.tags if known.tags is not None else self._calls.tags(name)
        change = retag(now or {}, wanted)
        add = {**change.add, **(stamp or {})}
        there = now is not None and (not change.remove or self._calls.untag(name, change.remove))
        if not there or (add and not self._calls.tag(name, add)):
            raise self._rules.moved(name, Version(str(known.seen.version)), "nothing")
        left = {key: value for key, value in (now or {}).items() if key not in change.remove}
        return self._learn(name, _Known(known.seen, {**left, **add}))

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

    # -- knowing

    def _live(self, name: str, expect: Version, *, anew: bool = False) -> _Known:
        """Conflict if the live version is not `expect`."""
        with self._lock:
            known = self._known.get(name)
        if anew or known is None or str(known.seen.version) != expect:
            seen = self._calls.look([name]).get(name) if re.fullmatch("[1-9][0-9]*", expect) else None
            if seen is None or str(seen.version) != expect:
                raise self._rules.moved(name, expect, f"v{seen.version}" if seen else "no such version")
            known = _Known(seen, known.tags if known and str(known.seen.version) == expect else None)
        return known

    def _learn(self, name: str, known: _Known) -> _Known:
        with self._lock:
            self._known[name] = known
        return known

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _count(self) -> None:
        with self._lock:
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
    return SsmStore(name, settings, Clients(settings, context, "ssm", made))
