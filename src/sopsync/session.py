"""One run over one repository at one commit: the straight line from git to a plan and its outcomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from sopsync import manifest, sops
from sopsync.apply import Means, Outcome, Report, apply
from sopsync.change import Change, Plan
from sopsync.config import Config, owner_pattern
from sopsync.detail import key_detail
from sopsync.documents import Documents
from sopsync.errors import ConfigError, Problem, Refused, SourceError, StoreError
from sopsync.fence import judge
from sopsync.git import Repository
from sopsync.guard import guard
from sopsync.meaning import rule_changes
from sopsync.model import Desired, Fence, Ref, Survey
from sopsync.narrow import Filter
from sopsync.observe import observe
from sopsync.plan import Prune, Scope, diff, hold_deletes, hold_for_others
from sopsync.provenance import origin_commits
from sopsync.shard import WHOLE, Shard
from sopsync.side import find_config
from sopsync.stamp import Origin
from sopsync.stores.base import Store
from sopsync.stores.kinds import Context
from sopsync.stores.opening import open_stores
from sopsync.unseal import unseal


@dataclass(frozen=True, slots=True)
class Ask:
    """What a run looks at. `stores` (names) and `paths` (globs) narrow it; a narrowed run never deletes."""

    repo: Path
    environ: Mapping[str, str] = field(repr=False)
    """Where keys and tokens are found."""
    rev: str = "HEAD"
    config_path: str = "sopsync.yaml"
    config_from: str = ""
    stores: Sequence[str] = ()
    paths: Sequence[str] = ()
    shard: Shard = WHOLE
    """Unlike what is narrowed by a filter, a part is seen whole: a run over it deletes within it."""


class Session:
    """Everything a run needs, opened once. ConfigError or SourceError before any store is contacted."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._filter = Filter(ask.stores, ask.paths)
        self._earlier: dict[tuple[str, str], Mapping[Ref, Desired]] = {}
        with ExitStack() as opening:
            self.repo = opening.enter_context(Repository.open(ask.repo))
            self.commit = self.repo.resolve(ask.rev)
            self.tree = self.repo.tree(self.commit)
            self.config = self._load_config()
            self.manifests = self._load_manifests()
            self.keyring = sops.Keyring.from_environment(ask.environ, allow_hosts=self.config.allow_hosts)
            self.documents = Documents(lambda path: self._read([path])[path], self.keyring)
            self._filter.check(self.config.stores, [*self.manifests.files, *self.manifests.broken])
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    # -- planning

    def plan(self, *, sealed: bool, verify: Callable[[Change], bool]) -> Plan:
        """Look at every store and decide. Unsealed, whatever stamps cannot settle is opened."""
        everything = self._filter.of(self.manifests.desired)
        desired = {ref: want for ref, want in everything.items() if self.ask.shard.holds(ref)}
        stores, closed = self._stores
        wanted: dict[str, dict[str, str]] = defaultdict(dict)
        for ref, want in desired.items():
            wanted[ref.store][ref.name] = want.digest
        whole: dict[str, Survey | StoreError] = {**closed, **observe(stores, wanted)}
        fences = {
            Ref(store, owner): fence
            for store, survey in whole.items()
            if isinstance(survey, Survey)
            for owner, fence in survey.fences.items()
        }
        scope = self._scope(everything, fences)
        surveys = {name: self.ask.shard.part(name, whole[name]) for name in self.config.stores if name in whole}
        changes = hold_for_others(diff(desired, surveys, scope), self.ask.shard.awaited(everything, whole, scope))
        if sealed:
            applied = [fence.commit for fence in fences.values()]
            changes = tuple(key_detail(change, self.desired_at, applied) for change in changes)
        else:
            changes = unseal(changes, stores, self.documents.payload, self._genuine, verify)
            changes = hold_deletes(changes, self.documents.unopened)
        return Plan(
            commit=self.commit,
            branch=self.repo.branch(),
            root=self.repo.root(self.commit),
            config=self.config.digest,
            changes=changes,
            fences=fences,
            broken=tuple(self.manifests.broken.values()),
            notes=self.notes(),
            sealed=sealed,
            filtered=self.filtered,
            opened=self.documents.opened,
            read=sum(change.same is not None for change in changes),
        )

    def refusals(self, plan: Plan, *, force: bool) -> tuple[Problem, ...]:
        """Why `plan` must not be applied; empty means go."""
        thresholds = self.ask.shard.thresholds(self.config.thresholds)
        return guard(plan, thresholds, self._fence_problems(plan), force=force)

    def apply(self, plan: Plan, stop: Event, report: Report) -> tuple[Outcome, ...]:
        """Carry out every writing change of `plan`."""
        stores, _ = self._stores
        wanted = [c.desired for c in plan.writes() if c.desired is not None]
        commits = origin_commits(self.repo, self.commit, wanted, self.keyring)
        shared = self.ask.shard.total > 1
        return apply(plan, stores, Means(self.documents.payload, lambda want: commits[want.ref], stop, report, shared))

    def check_commit(self, *, require_signed: bool, allowed_signers: Path | None) -> None:
        """Refused unless apply may use this commit: on the configured branch and, if asked, signed by a known key."""
        branch = self.config.branch
        if not self.repo.on_branch(self.commit, branch):
            what = f"commit {self.commit[:10]} is not on branch {branch}"
            raise Refused(what, hint=f"merge it first; branch: in {self.ask.config_path} says what apply accepts")
        if require_signed:
            signature = self.repo.signature(self.commit, allowed_signers)
            if not signature.good:
                what = f"commit {self.commit[:10]} is not signed by an allowed signer: {signature.reason}"
                raise Refused(what, hint="sign it (git commit -S), or add its key with --allowed-signers FILE")

    def store(self, name: str) -> Store:
        """One store, opened; or the StoreError it gave instead."""
        stores, failed = self._stores
        if name in failed:
            raise failed[name]
        return stores[name]

    def calls(self) -> dict[str, int]:
        """API calls made so far, by store."""
        return {name: store.calls for name, store in self._stores[0].items()}

    def costs(self) -> list[str]:
        """The same for -v."""
        return [f"{name}: {calls} call{'s' * (calls != 1)}" for name, calls in self.calls().items()]

    # -- the parts

    @property
    def filtered(self) -> bool:
        """Whether this run looks at less than git holds."""
        return bool(self._filter)

    def _load_config(self) -> Config:
        commit = self.repo.resolve(self.ask.config_from) if self.ask.config_from else self.commit
        self._config_tree = self.repo.tree(commit)
        return find_config(self.repo, self._config_tree, self.ask.config_path)

    def _read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        return self.repo.read(self.tree, paths)

    def _load_manifests(self) -> manifest.Manifests:
        """What git wants. A matched path that is no plain file (a link, a git-lfs pointer, …) is one broken file."""
        found = manifest.load(self.tree, partial(self.repo.read, self.tree, strict=False), self.config, sops.parse)
        broken = dict(found.broken)
        for path in broken:
            try:
                self._read([path])
            except SourceError as error:
                broken[path] = error.problems[0]
        return replace(found, broken=broken)

    def desired_at(self, commit: str, origin: Origin, ref: Ref) -> Desired | None:
        """An entry as git wanted it at an earlier commit, by today's config; None if nobody can tell."""
        at = (commit, origin.path)
        if at not in self._earlier:
            try:
                tree = self.repo.tree(commit)
                read = partial(self.repo.read, tree)
                found = (
                    manifest.load([origin.path], read, self.config, sops.parse).desired if origin.path in tree else {}
                )
            except (ConfigError, SourceError):
                found = {}
            self._earlier[at] = found
        return self._earlier[at].get(ref)

    @cached_property
    def _stores(self) -> tuple[dict[str, Store], dict[str, StoreError]]:
        """(the stores that opened, what the others said)."""
        context = Context(
            sealer=self.keyring.age_sealer, environ=self.ask.environ, base=self.repo.base, commit=self.commit
        )
        looked_at = {name: settings for name, settings in self.config.stores.items() if self._filter.takes(name)}
        return open_stores(looked_at, context, self._open)

    def _scope(self, desired: Mapping[Ref, Desired], fences: Mapping[Ref, Fence]) -> Scope:
        """Ours is: every owner wanted now, and every owner of the config's form that this repository applied."""
        form = owner_pattern(self.config)
        root = self.repo.root(self.commit)
        owners = {want.owner for want in desired.values()}
        owners |= {old for want in desired.values() for old in want.previous_owners}
        owners |= {fence.owner for fence in fences.values() if fence.root == root and form.fullmatch(fence.owner)}

        def prune(origin: Origin, ref: Ref, owner: str) -> Prune | None:
            target = self.manifests.target_for(self.config, origin, ref, owner)
            return Prune(target.prune, target.where) if target else None

        return Scope(
            traits=self.config.traits,
            owners=owners,
            broken=self.manifests.broken,
            files=self.tree,
            prune=prune,
            filtered=self.filtered,
        )

    def _genuine(self, path: str) -> None:
        self.documents.open(path)

    def _fence_problems(self, plan: Plan) -> tuple[Problem, ...]:
        touched = dict.fromkeys(Ref(c.ref.store, owner) for c in plan.writes() for owner in c.owners)
        judged = (
            judge(
                plan.fences[whose],
                store=whose.store,
                commit=plan.commit,
                root=plan.root,
                history=self.repo,
                accepted=self.config.accept_history,
                config=self.ask.config_path,
            )
            for whose in touched
            if whose in plan.fences
        )
        return tuple(problem for problem in judged if problem is not None)

    def notes(self) -> tuple[str, ...]:
        """What a reader of the plan should know besides: edits left out, idle rules, another config, a narrowed run."""
        edited = self.repo.uncommitted([self.ask.config_path, *self.manifests.files, *self.manifests.broken])
        notes = [f"{path} has uncommitted edits; they are not in this plan" for path in edited]
        notes += [f"the rule at {where} matches no file" for where in self.manifests.idle]
        if base := self.ask.config_from:
            notes += rule_changes(self.repo, self._config_tree, self.tree, self.config, self.manifests, source=base)
        if self.filtered:
            notes.append("filtered: only part of git was looked at, so nothing is deleted")
        return tuple(notes)
