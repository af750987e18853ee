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

from sopsync.errors import Conflict, Rejected, StoreError, Unavailable
from sopsync.model import Fence, Observed, PastVersion, Payload, Secret, Stamp, State, Survey, Traits, Version
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
    untaggable,
)  # fmt: skip
from sopsync.stores.aws_ssm_fence import Fences
from sopsync.stores.aws_ssm_settings import AWS_SSM, AwsSsmSettings
from sopsync.stores.aws_ssm_survey import Listing, list_all, look_closer

_SECURE = "SecureString"
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
        self._chamber = settings.layout == "chamber"
        self.traits: Traits = chamber.TRAITS if self._chamber else AWS_SSM
        self._paths = tuple(settings.paths)
        self._lock = Lock()
        self._calls = Calls(name, clients, self._count, settings.rates)
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
        found = self._calls.read(name) if self._legal(name) else None
        if found is None or str(found[0]) != expect:
            raise self._moved(name, expect, f"v{found[0]}" if found else "nothing")
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
        value = self._checked(name, payload, options, tags)
        if expect is None:
            return self._create(name, value, stamp, options, tags)
        # 2. What is live, as the survey saw it; looked at again only if that is not what is expected.
        known = self._live(name, expect)
        self._check_type(known.seen, options)
        # 3. Tags, the value with its stamp, and in chamber's layout the stamp.
        self._retag(name, known, tags)
        return self._update(known, value, stamp, options)

    def restamp(self, name: str, stamp: Stamp, *, expect: Version, tags: Mapping[str, str]) -> None:
        """Nothing compares here, either: who writes a value between the look and the tag keeps it, and the stamp,
        naming the old version, does not vouch for it."""
        self._check_name(name)
        self._check_tags(name, tags)
        known = self._live(name, expect, anew=True)
        said = None if self._chamber else described(known.seen.description)
        if not self._chamber and (said is None or said.owner != stamp.owner):
            self._fences.mark()
        self._retag(name, known, tags, label(stamp.naming(expect), known.seen.made))

    def delete(self, versions: Mapping[str, Version]) -> Mapping[str, StoreError]:
        """Deletes compare nothing: what others write between the look and the delete goes, too."""
        refused: dict[str, StoreError] = {}
        live = self._calls.look([name for name in versions if self._legal(name)])
        for name, expect in versions.items():
            if name not in live or str(live[name].version) != expect:
                refused[name] = self._moved(name, expect, f"v{live[name].version}" if name in live else "nothing")
        names = [name for name in versions if name not in refused]
        if names:
            try:
                gone = self._calls.delete(names)
                refused |= {name: self._moved(name, versions[name], "nothing") for name in gone}
            except Unavailable as lost:
                refused |= self._deleted(names, versions, lost)
        with self._lock:
            for name in versions:
                self._known.pop(name, None)
        return refused

    def history(self, name: str) -> Iterator[PastVersion]:
        past = self._calls.history(name) if self._legal(name) else []
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
        described_ = chamber.following("") if self._chamber else describe(first)
        given = self._given(None, value, described_, options)
        given |= {"Tags": [{"Key": key, "Value": said} for key, said in sent.items()]} if sent else {}
        try:
            answer = self._calls.put(name, given, allow=_TAKEN)
            taken = bool(answer.code)
        except Unavailable as lost:
            taken = not self._ours(name, 1, described_, sent, lost)
        if taken:
            raise self._moved(name, None, "something else")
        self._learn(name, _Known(Listed(name, 1, described_, given["Type"], given.get("Tier", "")), sent))
        return Version("1")

    def _update(self, known: _Known, value: str, stamp: Stamp, options: Mapping[str, str]) -> Version:
        seen, number = known.seen, known.seen.version + 1
        text = chamber.following(seen.description) if self._chamber else describe(stamp.naming(str(number)))
        self._forget(seen.name)
        given = self._given(seen, value, text, options)
        try:
            made = int(self._calls.put(seen.name, given).data["Version"])
        except Unavailable as lost:
            if not self._ours(seen.name, number, text, None, lost):
                raise self._overtaken(seen.name, number, "") from None
            made = number
        if made < number:
            # Somebody deleted it, and numbers began anew: the stamp names a version that is yet to come, and would one
            # day vouch for whoever made that. So it is said once more, with the number that it has now.
            again = stamp.naming(str(made + 1))
            self._calls.put(seen.name, {**given, "Description": text if self._chamber else describe(again)})
        if made != number:
            raise self._overtaken(seen.name, number, f" as v{made + 1 if made < number else made}")
        if self._chamber and not self._calls.tag(seen.name, label(stamp.naming(str(number)), "")):
            raise self._moved(seen.name, Version(str(number)), "nothing")
        self._learn(seen.name, replace(known, seen=replace(seen, version=number, description=text, at=None)))
        return Version(str(number))

    def _ours(self, name: str, number: int, text: str, sent: Tags | None, lost: Unavailable) -> bool:
        """Whether a put whose answer was lost made version `number`. Raises `lost` where it did not, or nobody can
        tell: chamber's Description is no proof, tags are. The next plan then opens the value and sees."""
        try:
            seen = self._calls.look([name]).get(name)
            if seen is not None and self._chamber and sent is not None:
                return (self._calls.tags(name) or {}) == sent
        except StoreError:
            raise lost from None
        if seen is None or seen.version < number or self._chamber:
            raise lost
        return seen.version == number and seen.description == text

    def _given(self, live: Listed | None, value: str, text: str, options: Mapping[str, str]) -> dict[str, Any]:
        """What the config leaves open stays as it is."""
        kind = options.get("type") or (live.type if live else _SECURE)
        key = options.get("kms_key") or (live.key if live else chamber.KEY if self._chamber else "")
        return params(
            value, text, Type=kind, KeyId=key if kind == _SECURE else "", Overwrite=live is not None,
            Tier=tier(options.get("tier"), live.tier if live else ""),
        )  # fmt: skip

    def _retag(self, name: str, known: _Known, wanted: Tags, stamp: Tags | None = None) -> None:
        """Tags of ours as git wants them, those of others as they are; and the stamp, last."""
        now = known.tags if known.tags is not None else self._calls.tags(name)
        change = retag(now or {}, wanted)
        add = {**change.add, **(stamp or {})}
        there = now is not None and (not change.remove or self._calls.untag(name, change.remove))
        if not there or (add and not self._calls.tag(name, add)):
            raise self._moved(name, Version(str(known.seen.version)), "nothing")
        left = {key: value for key, value in (now or {}).items() if key not in change.remove}
        self._learn(name, _Known(known.seen, {**left, **add}))

    def _deleted(
        self, names: list[str], versions: Mapping[str, Version], lost: Unavailable
    ) -> Mapping[str, StoreError]:
        """What a delete whose answer was lost left, by looking."""
        try:
            live = self._calls.look(names)
        except StoreError:
            return dict.fromkeys(names, lost)
        return {
            name: lost if str(seen.version) == versions[name] else self._moved(name, None, f"v{seen.version}")
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
                raise self._moved(name, expect, f"v{seen.version}" if seen else "no such version")
            known = _Known(seen, known.tags if known and str(known.seen.version) == expect else None)
        return known

    def _learn(self, name: str, known: _Known) -> None:
        with self._lock:
            self._known[name] = known

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _count(self) -> None:
        with self._lock:
            self.calls += 1

    def _unseen(self, name: str, found: Listing) -> Observed:
        """A complete listing is a positive not-found."""
        if not self._legal(name):
            return Observed(name, State.UNKNOWN, reason=self._rule())
        hole = next((path for path in found.unknown if name.startswith(path)), None)
        return Observed(name, State.UNKNOWN, reason=found.unknown[hole]) if hole else Observed(name, State.ABSENT)

    # -- what must hold

    def _legal(self, name: str) -> bool:
        inside = not self._paths or any(name.startswith(f"{path}/") for path in self._paths)
        return inside and len(name) <= self.traits.max_name and re.fullmatch(self.traits.name_pattern, name) is not None

    def _rule(self) -> str:
        below = f", and below one of the store's paths: {', '.join(self._paths)}" if self._paths else ""
        return f"a name is {self.traits.name_rule}, at most {self.traits.max_name} characters{below}"

    def _moved(self, name: str, expect: Version | None, found: str) -> Conflict:
        wanted = "nothing" if expect is None else f"v{expect}"
        return Conflict(f"planned on {wanted}, found {found}", store=self.name, name=name, hint="plan again")

    def _overtaken(self, name: str, number: int, live: str) -> Conflict:
        what = f"somebody wrote or deleted it meanwhile, before v{number} was made; ours is live{live}"
        hint = f"what they wrote is in the history: aws ssm get-parameter-history --name {name}; then plan again"
        return Conflict(what, store=self.name, name=name, hint=hint)

    def _rejected(self, name: str, what: str, hint: str) -> Rejected:
        return Rejected(what, store=self.name, name=name, hint=hint)

    def _check_name(self, name: str) -> None:
        if not self._legal(name):
            raise self._rejected(ascii(name)[1:-1], self._rule(), "rename it in the config")

    def _check_tags(self, name: str, tags: Mapping[str, str]) -> None:
        if why := untaggable(tags):
            raise self._rejected(name, why, "change tags in the config")

    def _check_type(self, live: Listed, options: Mapping[str, str]) -> None:
        wanted = options.get("type") or _SECURE
        if live.type != wanted:
            what = f"it is a {live.type}, and AWS never changes the type of a parameter"
            raise self._rejected(live.name, what, f"delete it, and it is created as a {wanted}; or route it elsewhere")

    def _checked(self, name: str, payload: Payload, options: Mapping[str, str], tags: Mapping[str, str]) -> str:
        """The value as text. Says the limit, never the length of what breaks it."""
        self._check_name(name)
        self._check_tags(name, tags)
        self._check_options(name, options)
        if payload.value is None:
            raise self._rejected(name, "a parameter is one value, not a map", "encode: json, or {key} in its name")
        raw = payload.value.reveal()
        limit = self.traits.max_bytes_of.get(("tier", options.get("tier", "")), self.traits.max_bytes)
        if not raw:
            raise self._rejected(name, "empty, and a parameter cannot be", "leave the key out, or route it elsewhere")
        if len(raw) > limit:
            more = "" if limit > self.traits.max_bytes else "tier: advanced takes 8192 bytes; or "
            raise self._rejected(name, f"too large: it takes {limit} bytes", f"{more}split it over several entries")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self._rejected(name, "not UTF-8 text, and a parameter is", "encode it: base64") from None

    def _check_options(self, name: str, options: Mapping[str, str]) -> None:
        for option, legal in (("tier", {"standard", "advanced", "intelligent"}), ("type", {_SECURE, "String"})):
            if options.get(option, "") not in {"", *legal}:
                raise self._rejected(name, f"{option} is one of {', '.join(sorted(legal))}", "change it in the config")
        if self._chamber and "type" in options:
            raise self._rejected(name, f"chamber writes {_SECURE} only", "leave type out")
        if options.get("type") == "String" and options.get("kms_key"):
            raise self._rejected(name, "a String is not encrypted, so it has no key", "leave kms_key or type out")


def open_ssm(
    name: str, settings: AwsSsmSettings, context: Context, made: Callable[[Any], None] | None = None
) -> SsmStore:
    """A client. Makes no call: credentials and region are asked for at the first one. `made` is told of every botocore
    client, for whoever has event handlers to register."""
    return SsmStore(name, settings, Clients(settings, context, made))
