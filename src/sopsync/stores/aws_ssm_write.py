"""Writing a parameter. The order of each write, and why:

    create   PutParameter, which takes a name only if it is free         1 call
    update   PutParameter                                                1
    restamp  a look, AddTagsToResource                                   2

* PutParameter compares no version. The stamp names the one that the put is going to make; if AWS made another, somebody
  wrote in between: their value is in the history, ours is live, and the stamp does not vouch for it. That is said, and
  the next plan looks at the value and decides anew.
* So what is live is looked at once more where the last look is half a minute old: somebody reads the plan before they
  say yes, and puts go at three a second.
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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from sopsync.errors import StoreError, Unavailable
from sopsync.model import Stamp, Version
from sopsync.stores import aws_ssm_chamber as chamber
from sopsync.stores.aws_ssm_calls import Calls, params
from sopsync.stores.aws_ssm_entry import Listed, Tags, describe, described, label, retag, tier
from sopsync.stores.aws_ssm_rules import Rules
from sopsync.stores.aws_ssm_settings import SECURE

_TAKEN = ("ParameterAlreadyExists",)
_FRESH = 30.0
"""Seconds for which a look is believed."""


@dataclass(frozen=True, slots=True)
class Known:
    """The last that this client saw of an entry, and when, by its own clock. `tags` None: not looked at."""

    seen: Listed
    at: float
    tags: Tags | None = None


class Writer:
    """Raises StoreError. Safe to use from several threads. Everything that can be checked without a call has been.

    `chambered`: in chamber's layout. `mark`: to be called before the first stamp that a Description does not lead to.
    """

    def __init__(
        self, calls: Calls, rules: Rules, mark: Callable[[], None], clock: Callable[[], float], *, chambered: bool
    ) -> None:
        self._calls = calls
        self._rules = rules
        self._mark = mark
        self._clock = clock
        self._chamber = chambered
        self._lock = Lock()
        self._known: dict[str, Known] = {}

    def learn(self, known: Mapping[str, Known]) -> None:
        """What a survey saw, instead of all that was known."""
        with self._lock:
            self._known = dict(known)

    def forget(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                self._known.pop(name, None)

    def create(
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
        self._note(name, Known(Listed(name, 1, text, given["Type"], given.get("Tier", "")), self._clock(), sent))
        return Version("1")

    def update(
        self,
        name: str,
        value: str,
        stamp: Stamp,
        *,
        expect: Version,
        options: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Version:
        # 1. What is live, as it was seen last.
        known = self._live(name, expect)
        self._rules.same_type(known.seen, options)
        # 2. Tags, the value with its stamp, and in chamber's layout the stamp.
        return self._put(self._retag(name, known, tags), value, stamp, options)

    def restamp(self, name: str, stamp: Stamp, expect: Version, tags: Mapping[str, str]) -> None:
        """Nothing compares here, either: who writes a value between the look and the tag keeps it, and the stamp,
        naming the old version, does not vouch for it."""
        known = self._live(name, expect, anew=True)
        said = None if self._chamber else described(known.seen.description)
        if not self._chamber and (said is None or said.owner != stamp.owner):
            self._mark()
        self._retag(name, known, tags, label(stamp.naming(expect), known.seen.made))

    # -- the steps

    def _put(self, known: Known, value: str, stamp: Stamp, options: Mapping[str, str]) -> Version:
        seen, number = known.seen, known.seen.version + 1
        text = chamber.following(seen.description) if self._chamber else describe(stamp.naming(str(number)))
        given = self._given(seen, value, text, options)
        self.forget([seen.name])
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
        now = replace(seen, version=number, description=text, at=None)
        self._note(seen.name, replace(known, seen=now, at=self._clock()))
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

    def _retag(self, name: str, known: Known, wanted: Tags, stamp: Tags | None = None) -> Known:
        """Tags of ours as git wants them, those of others as they are; and the stamp, last."""
        now = known.tags if known.tags is not None else self._calls.tags(name)
        change = retag(now or {}, wanted)
        add = {**change.add, **(stamp or {})}
        there = now is not None and (not change.remove or self._calls.untag(name, change.remove))
        if not there or (add and not self._calls.tag(name, add)):
            raise self._rules.moved(name, Version(str(known.seen.version)), "nothing")
        left = {key: value for key, value in (now or {}).items() if key not in change.remove}
        return self._note(name, replace(known, tags={**left, **add}))

    def _live(self, name: str, expect: Version, *, anew: bool = False) -> Known:
        """Conflict if the live version is not `expect`."""
        with self._lock:
            known = self._known.get(name)
        now = self._clock()
        if anew or known is None or now - known.at >= _FRESH or str(known.seen.version) != expect:
            seen = self._calls.look([name]).get(name) if re.fullmatch("[1-9][0-9]*", expect) else None
            if seen is None or str(seen.version) != expect:
                raise self._rules.moved(name, expect, f"v{seen.version}" if seen else "no such version")
            known = Known(seen, now, known.tags if known and str(known.seen.version) == expect else None)
        return known

    def _note(self, name: str, known: Known) -> Known:
        with self._lock:
            self._known[name] = known
        return known
