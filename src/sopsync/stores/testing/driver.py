"""sopsync's own plan and apply, driven over one store with made-up wishes: what convergence is tested with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Event

from sopsync.apply import Means, Outcome, apply
from sopsync.change import Change, Plan
from sopsync.model import Desired, Drift, Fence, Payload, Recipe, Ref, Survey
from sopsync.observe import observe
from sopsync.plan import Prune, Scope, diff
from sopsync.stores.base import Store
from sopsync.stores.testing.place import COMMIT, ORIGIN, OURS, ROOT
from sopsync.unseal import unseal

FENCE = Fence(OURS, COMMIT, "0" * 32, ROOT)
"""Where every run stands."""


@dataclass(frozen=True, eq=False)
class Want:
    """What git wants of an entry: a payload, and the digest of its ciphertext."""

    payload: Payload
    digest: str


@dataclass(frozen=True)
class Run:
    """What one plan and apply decided and did."""

    changes: tuple[Change, ...]
    outcomes: tuple[Outcome, ...]


def glance(store: Store, wants: Mapping[str, Want], *, adopt: bool = False) -> Plan:
    """What a plan says without opening anything."""
    desired = {
        Ref(store.name, name): _desired(Ref(store.name, name), want, adopt=adopt) for name, want in wants.items()
    }
    surveys = observe({store.name: store}, {store.name: {name: want.digest for name, want in wants.items()}})
    scope = Scope(
        traits={store.name: store.traits},
        owners={OURS},
        prune=lambda _origin, _ref, _owner: Prune(prune=True, rule="sopsync.yaml:1"),
    )
    survey = surveys[store.name]
    fences = survey.fences if isinstance(survey, Survey) else {}
    return Plan(
        commit=FENCE.commit,
        branch="main",
        root=FENCE.root,
        config=FENCE.config,
        changes=diff(desired, surveys, scope),
        fences={Ref(store.name, owner): fence for owner, fence in fences.items()},
    )


def reconcile(store: Store, wants: Mapping[str, Want], *, adopt: bool = False) -> Run:
    """One plan, unsealed, and its apply: drift is healed, what git no longer wants is pruned."""
    plan = glance(store, wants, adopt=adopt)
    stores = {store.name: store}

    def payload(want: Desired) -> Payload:
        return wants[want.ref.name].payload

    changes = unseal(plan.changes, stores, payload, lambda _path: None)
    settled = replace(plan, changes=changes)
    return Run(changes, apply(settled, stores, Means(payload, lambda _want: COMMIT, Event())))


def _desired(ref: Ref, want: Want, *, adopt: bool) -> Desired:
    return Desired(
        ref=ref,
        owner=OURS,
        previous_owners=(),
        digest=want.digest,
        origin=ORIGIN,
        where="services/api/prod.yaml:1",
        rule="sopsync.yaml:1",
        recipe=Recipe(fields=(("", ("token",)),)),
        adopt=adopt,
        prune=True,
        on_drift=Drift.HEAL,
    )
