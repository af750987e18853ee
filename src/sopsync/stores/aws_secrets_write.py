"""Writing a secret. The order of each write, and why:

    create    CreateSecret: value, tags, key and replicas in one step                     1 call
    update    look · put beside · move AWSCURRENT                                         3 calls
    restore   look · RestoreSecret · put beside · move AWSCURRENT                         4
    restamp   look · TagResource                                                          2

* The look comes first because a listing is late, and because it tells what must not be written over: another version,
  another service's rotation, a deletion.
* The value comes beside the live one under a label of ours (AWSPENDING is for rotation). The move names the version
  that AWSCURRENT leaves, and fails if that is not where it is: until then nothing that a consumer sees has changed.
* Cut off in between, the old value is live, and what its id says of it holds. The next run finds the version that was
  put, puts it again (which does nothing, and proves that it holds what git wants), and moves. So cut-off runs do not
  pile up versions.
* The id of the new version is its stamp. Where tags must change with it (another owner or origin, other tags of git's,
  a commit too long for an id) the id says that it does not vouch alone; tags and a stamp in full follow the move.
* A restored secret comes back with its old value, whose stamp holds: cut off there, it is an old truth like any other.
* Options come before the value: a value never lies under a key, or in a region, that git does not want it in.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sopsync.errors import Conflict, Rejected, StoreError
from sopsync.model import Stamp, Version
from sopsync.stores.aws_secrets_calls import Calls, replicas
from sopsync.stores.aws_secrets_entry import (
    CURRENT,
    PENDING,
    SHELL,
    STAMP,
    Entry,
    Tagging,
    tagging,
)
from sopsync.stores.aws_secrets_options import DEFAULT_KEY, KMS_KEY, REPLICAS, regions
from sopsync.stores.aws_secrets_payload import Value
from sopsync.stores.aws_secrets_token import NONCES, Token
from sopsync.stores.aws_tags import MAX_TAGS

_SHA1 = 40


class Writer:
    """Raises StoreError. Everything that can be checked without a call has been."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self, name: str, value: Value, stamp: Stamp, options: Mapping[str, str], tags: Mapping[str, str]
    ) -> Version:
        token = _token(value, stamp, alone=True)
        version = Version(token.encode(secrets.randbelow(NONCES)))
        said = tagging({}, stamp, tags, options.get(KMS_KEY)).signed(stamp.naming(version))
        more: dict[str, Any] = {}
        if _key(options):
            more["KmsKeyId"] = options[KMS_KEY]
        if wanted := regions(options.get(REPLICAS, "")):
            more["AddReplicaRegions"] = replicas(dict.fromkeys(wanted, ""))
        if not self._calls.create(name, value, version, said.put, **more):
            raise self._conflict(name, "planned on nothing, found something else")
        return version

    def update(
        self,
        name: str,
        value: Value,
        stamp: Stamp,
        *,
        expect: Version,
        options: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> Version:
        # 1. What is there now.
        entry = self._expected(name, expect)
        if entry.reason:
            raise self._conflict(name, entry.reason)
        said = tagging(entry.tags, stamp, tags, options.get(KMS_KEY))
        self._room(name, entry, said)
        # 2. Alive, and as the options want it.
        if entry.deleted:
            self._calls.restore(name)
        self._options(name, entry, options)
        # 3. The value, beside the live one; then live.
        token = _token(value, stamp, alone=not said and len(stamp.commit) == _SHA1)
        version = self._put(name, value, token, entry)
        # 4. The tags, if the value does not say it all.
        if not token.alone:
            self._calls.tag(name, said.signed(stamp.naming(version)))
        return version

    def restamp(self, name: str, stamp: Stamp, expect: Version, tags: Mapping[str, str]) -> None:
        """TagResource does not compare: who writes a value between the look and the tag keeps it, and the stamp, naming
        the old version, does not vouch for it."""
        entry = self._expected(name, expect)
        if entry.deleted or expect == SHELL:
            raise self._conflict(name, "deleted meanwhile" if entry.deleted else "it has no value")
        said = tagging(entry.tags, stamp, tags, None).signed(stamp.naming(expect))
        self._room(name, entry, said)
        self._calls.tag(name, said)
        if entry.turned_back:  # looked at, and found good: what comes after it is no longer what we put last
            self._calls.move(name, PENDING, to=expect, leaving=entry.holder(PENDING))

    def delete(self, name: str, expect: Version, days: int, owner: str | None) -> None:
        """`owner`: whose it was, perhaps in a listing that was late; None: not seen.

        DeleteSecret does not compare. So it is looked at once more when it is done, and what others wrote between the
        look and the delete is taken back. AWS refuses to delete what has replicas: these go first, at once."""
        entry = self._expected(name, expect)
        if entry.deleted:
            raise self._conflict(name, "deleted meanwhile")
        if owner is not None and entry.owner != owner:
            raise self._conflict(name, "another owner's by now")
        gone = sorted(entry.replicas.names) if entry.replicas else []
        if gone:
            self._calls.withdraw(name, gone)
        self._calls.remove(name, days)
        after = self._calls.look(name)
        if after is None or (after.deleted and after.version == expect):
            return
        if after.deleted:
            self._calls.restore(name)
        if gone:
            self._calls.replicate(name, dict.fromkeys(gone, ""))
        what = "another service's to delete" if after.version == expect else "written by others meanwhile"
        raise self._conflict(name, what)

    # -- the steps

    def _expected(self, name: str, expect: Version) -> Entry:
        entry = self._calls.look(name)
        if entry is None:
            raise self._conflict(name, "deleted meanwhile")
        if entry.version != expect:
            raise self._conflict(name, "its live version is another one than was planned on")
        return entry

    def _options(self, name: str, entry: Entry, options: Mapping[str, str]) -> None:
        """Said again after a crash, each changes nothing."""
        if (key := options.get(KMS_KEY)) is not None and key not in entry.keys:
            self._calls.set_key(name, _key(options))
        if (text := options.get(REPLICAS)) is None:
            return
        wanted, there = regions(text), entry.replicas.names if entry.replicas else frozenset()
        if there - wanted:
            self._calls.withdraw(name, sorted(there - wanted))
        if wanted - there:
            self._calls.replicate(name, dict.fromkeys(wanted - there, ""))

    def _put(self, name: str, value: Value, token: Token, entry: Entry) -> Version:
        last = entry.holder(PENDING)
        again = last if last and last != entry.version and Token.decode(last) == token else None
        version = Version(again or token.encode(secrets.randbelow(NONCES)))
        live = self._calls.put(name, value, version)
        if live is None and again:
            # what was cut off held something else
            version = Version(token.encode(secrets.randbelow(NONCES)))
            live = self._calls.put(name, value, version)
        moved = live or (
            live is not None and self._calls.move(name, CURRENT, to=version, leaving=entry.holder(CURRENT))
        )
        if not moved:
            raise self._conflict(name, "written by others meanwhile")
        return version

    def _room(self, name: str, entry: Entry, said: Tagging) -> None:
        after = ({*entry.tags, *said.put, STAMP}) - {*said.drop}
        if len(after) > MAX_TAGS:
            what = f"too many tags: with others' and sopsync's own there would be more than {MAX_TAGS}"
            raise Rejected(what, store=self._calls.store, name=name, hint="remove some")

    def _conflict(self, name: str, what: str) -> StoreError:
        return Conflict(what, store=self._calls.store, name=name, hint="plan again")


def _token(value: Value, stamp: Stamp, *, alone: bool) -> Token:
    return Token(fields=value.fields, alone=alone, digest=stamp.digest, commit=stamp.commit[:_SHA1])


def _key(options: Mapping[str, str]) -> str:
    """As AWS takes it: nothing for its own key."""
    key = options.get(KMS_KEY, "")
    return "" if key in DEFAULT_KEY else key
