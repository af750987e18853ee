"""Small makers of wanted and seen entries, for tests of pure decisions."""

from __future__ import annotations

from typing import Any

from sopsync.change import Change
from sopsync.model import Desired, Observed, Recipe, Ref, State, Survey, Traits, Version
from sopsync.plan import Prune, Scope, diff
from sopsync.stamp import Origin, Stamp

OURS, THEIRS = "acme/prod", "acme/other"
DIGEST, OTHER = "a" * 32, "b" * 32
COMMIT = "c" * 40
ORIGIN = Origin("services/api/prod.yaml", "/token")
TRAITS = Traits(
    kind="test",
    fields=True,
    binary=True,
    checked=True,
    recoverable=True,
    max_bytes=100,
    name_pattern=".+",
    name_rule="anything",
)


def want(name: str = "api", **changes: Any) -> Desired:
    """An entry git wants."""
    made: dict[str, Any] = {
        "ref": Ref("s", name),
        "owner": OURS,
        "previous_owners": (),
        "digest": DIGEST,
        "origin": ORIGIN,
        "where": "services/api/prod.yaml:1",
        "rule": "sopsync.yaml:9",
        "recipe": Recipe(fields=(("", ("token",)),)),
    }
    return Desired(**(made | changes))


def seen(
    name: str = "api",
    *,
    owner: str = OURS,
    digest: str | None = DIGEST,
    vouched: bool = True,
    state: State = State.PRESENT,
    origin: Origin | None = ORIGIN,
    **more: Any,
) -> Observed:
    """An entry a store shows; `digest` None: no stamp."""
    if state in (State.ABSENT, State.UNKNOWN):
        return Observed(name, state, **more)
    stamp = Stamp(owner, digest, COMMIT, origin, "7") if digest else None
    return Observed(name, state, Version("7"), owner, stamp, vouched and digest is not None, **more)


def scope(**changes: Any) -> Scope:
    """What decisions need besides; by default everything is readable and pruning is on."""
    made: dict[str, Any] = {
        "traits": {"s": TRAITS},
        "owners": {OURS},
        "files": {ORIGIN.path},
        "prune": lambda _origin, _ref, _owner: Prune(prune=True, rule="sopsync.yaml:9"),
    }
    return Scope(**(made | changes))


def decide(wanted: Desired | None, found: Observed | None, **changes: Any) -> Change | None:
    """The one change for one entry, or None where there is nothing to say."""
    desired = {wanted.ref: wanted} if wanted else {}
    got = diff(desired, {"s": Survey((found,) if found else ())}, scope(**changes))
    assert len(got) <= 1
    return got[0] if got else None
