"""One `sopsync diff`: two commits read from git, compared entry by entry, and who made each change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from sopsync import manifest, sops
from sopsync.compare import compare
from sopsync.errors import ConfigError, SopsyncError, SourceError
from sopsync.git import Repository
from sopsync.meaning import other_options, sops_yaml_findings
from sopsync.model import Desired, Ref
from sopsync.provenance import origin_commits
from sopsync.report import Author, Finding, Report, Row, Severity, finding, problem_count, worst_first
from sopsync.side import Side, find_config, load_side, try_config
from sopsync.sops.metadata import Metadata
from sopsync.sops.tree import Map, Scalar, leaves, pointer

_ACTIONS = ("added", "changed", "re-encrypted", "removed")
CONFIG_CHANGED = "config-changed"
"""Rule of a finding that is a change, though of no entry: of where a store is, or of what may be done to it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare. `base`: "" for where the commit left the config's branch."""

    repo: Path
    rev: str = "HEAD"
    base: str = ""
    config_path: str = "sopsync.yaml"
    config_from: str = ""


def difference(ask: Question) -> Report:
    """What changed between the base and the commit, as far as git tells. ConfigError if the commit has none to go by.

    Each side goes by its own config, so that entries which only a new config moves are told too; with `config_from`
    both go by that one.
    """
    with Repository.open(ask.repo) as repo:
        commit = repo.resolve(ask.rev)
        tree = repo.tree(repo.resolve(ask.config_from) if ask.config_from else commit)
        config = find_config(repo, tree, ask.config_path)
        base = repo.merge_base(repo.resolve(ask.base), commit) if ask.base else _parted(repo, commit, config.branch)
        after = load_side(repo, repo.tree(commit), config)
        tree = repo.tree(base)
        before = load_side(repo, tree, config if ask.config_from else try_config(repo, tree, ask.config_path))
        told = _Difference(repo, before, after, ask)
        rows = told.rows()
        found = worst_first([*(finding(p, "manifest") for p in after.problems), *told.findings()])
        counts = {action: sum(row.action == action for row in rows) for action in _ACTIONS}
        return Report(
            command="diff",
            exit_code=1 if after.problems else 0,
            commit=commit,
            branch=repo.branch(),
            base=base,
            config=ask.config_path,
            config_from=ask.config_from,
            summary=_summary(counts, len(after.problems)),
            counts=counts,
            rows=rows,
            findings=found,
            notes=tuple(_notes(told, ask)),
        )


def _parted(repo: Repository, commit: str, branch: str) -> str:
    """Where the commit left a branch: as the remote has it, or else as it is here."""
    for name in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
        try:
            tip = repo.resolve(name)
        except SourceError:
            continue
        return repo.merge_base(tip, commit)
    hint = f"name what to compare with: sopsync diff BASE; or git fetch origin {branch}"
    raise SourceError(f"this clone has no branch {branch}", hint=hint)


def _summary(counts: Mapping[str, int], problems: int) -> str:
    changed = ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    told = f"Diff: {changed}." if changed else "No entries changed."
    return f"{told} {problem_count(problems)}." if problems else told


def _notes(told: _Difference, ask: Question) -> Iterator[str]:
    before, after = told.before, told.after
    if before.commit == after.commit:
        yield "the commit is the base itself; name another one to compare with: sopsync diff BASE"
    if before.config is None and before.problems:
        first = before.problems[0]
        yield f"the base has no usable config ({first.where}: {first.what}), so every entry is told as added"
    elif before.problems:
        yield f"the base has {problem_count(len(before.problems))}; what is wrong there is not compared"
    if before.tree.get(ask.config_path) != after.tree.get(ask.config_path):
        yield f"{ask.config_path} was changed: it decides where secrets go"
    if told.blind:
        yield told.blind


class _Difference:
    """Two sides, and what can be asked about them."""

    def __init__(self, repo: Repository, before: Side, after: Side, ask: Question) -> None:
        self.repo = repo
        self.before = before
        self.after = after
        self._fixed = bool(ask.config_from)
        self._config_path = ask.config_path
        self.blind = ""
        """Why it is not told who made the changes, or ""."""

    def rows(self) -> tuple[Row, ...]:
        """Every entry that differs, with the commit it comes from."""
        old, new = self.before.manifests.desired, self.after.manifests.desired
        rows = compare(old, new, self._rekeyed)
        try:
            commits = self._commits(rows)
            return tuple(replace(row, by=self._author(commits.get(Ref(row.store, row.name)))) for row in rows)
        except SourceError as error:
            self.blind = f"who made the changes is not told: {error.problems[0].what}; {error.problems[0].hint}"
            return rows

    def findings(self) -> Iterator[Finding]:
        """What a reviewer should look at: where stores are now, who may open files, what is no longer encrypted."""
        if self.before.config and self.after.config:
            for what in other_options(self.before.config, self.after.config):
                hint = "it decides where secrets go: review it like code"
                yield Finding(Severity.WARNING, CONFIG_CHANGED, what, hint, self._config_path, 1)
        for old, new in self._files():
            yield from _opened_to(old.metadata, new, self.after.sealed[new])
            yield from _uncovered(old.root, new, self.after.sealed[new])
        known = [*self.after.sealed, *self.before.sealed]
        yield from sops_yaml_findings(self.repo, self.before.tree, self.after.tree, known)

    def _files(self) -> Iterator[tuple[sops.Sealed, str]]:
        """(what a file was, its path now): of the same path, or, where that was not there, of the same entries."""
        old, new = self.before.manifests.desired, self.after.manifests.desired
        moved = {new[ref].origin.path: old[ref].origin.path for ref in old.keys() & new.keys()}
        for path in self.after.sealed:
            before = self.before.sealed.get(path) or self.before.sealed.get(moved.get(path, ""))
            if before is not None:
                yield before, path

    def _rekeyed(self, old: Desired, new: Desired) -> bool:
        """Whether the file got a new data key: no wrapping of it and no ciphertext is left of before."""
        before, after = self.before.sealed.get(old.origin.path), self.after.sealed.get(new.origin.path)
        return before is not None and after is not None and _sealings(before).isdisjoint(_sealings(after))

    # -- who

    def _commits(self, rows: tuple[Row, ...]) -> dict[Ref, str]:
        """Entry → the commit of the range that made it what it is.

        What is there now: the commit that last changed its ciphertext, if it is of the range. Otherwise (the config was
        changed, the file renamed) the newest one of the range that touched file or config. What is gone: the commit
        that took it away.
        """
        refs = [Ref(row.store, row.name) for row in rows]
        new = self.after.manifests.desired
        found = origin_commits(self.repo, self.after.commit, [new[ref] for ref in refs if ref in new], None)
        within = dict(self._range)
        made = {ref: commit for ref, commit in found.items() if commit in within}
        for ref in refs:
            if ref not in made:
                commit = self._last_touched(ref) if ref in new else self._taken_away(ref)
                if commit is not None:
                    made[ref] = commit
        return made

    @cached_property
    def _range(self) -> list[tuple[str, frozenset[str]]]:
        return list(self.repo.touched(self.before.commit, self.after.commit))

    def _touching(self, ref: Ref) -> list[str]:
        """Commits of the range that changed the entry's file or a config, newest first."""
        sides = (self.before, self.after)
        paths = {side.manifests.desired[ref].origin.path for side in sides if ref in side.manifests.desired}
        paths |= {side.config.path for side in sides if side.config}
        return [commit for commit, touched in self._range if touched & paths]

    def _last_touched(self, ref: Ref) -> str | None:
        return next(iter(self._touching(ref)), None)

    def _taken_away(self, ref: Ref) -> str | None:
        """The oldest of the newest commits that all lack the entry."""
        last = None
        for commit in self._touching(ref):
            if self._wanted_at(commit, ref):
                break
            last = commit
        return last

    def _wanted_at(self, commit: str, ref: Ref) -> bool:
        tree, path = self.repo.tree(commit), self.before.manifests.desired[ref].origin.path
        config = self.before.config if self._fixed else try_config(self.repo, tree, self._config_path)
        if path not in tree or config is None or isinstance(config, ConfigError):
            return False
        read = partial(self.repo.read, tree, strict=False)
        return ref in manifest.load([path], read, config, sops.parse, problems=[]).desired

    def _author(self, commit: str | None) -> Author | None:
        if commit is None:
            return None
        try:
            info = self.repo.info(commit)
        except SopsyncError:
            return None
        return Author(commit, info.author, info.date, info.subject)


def _sealings(sealed: sops.Sealed) -> frozenset[str]:
    """All ciphertexts of a file, and all wrappings of its data key: an edit leaves the wrappings as they were."""
    found = [leaf.cipher for _, leaf, _ in leaves(sealed.root) if isinstance(leaf, Scalar) and leaf.cipher]
    return frozenset([*found, *(key.enc for group in sealed.metadata.groups for key in group)])


def _opened_to(before: Metadata, path: str, after: sops.Sealed) -> Iterator[Finding]:
    old, new = before.labels, after.metadata.labels
    for label in sorted(new - old):
        yield Finding(Severity.WARNING, "recipient-added", f"can now be opened by {label}", path=path, line=1)
    for label in sorted(old - new):
        what = f"is no longer encrypted to {label}, who may still know what it held"
        yield Finding(Severity.NOTE, "recipient-removed", what, "rotate the values themselves", path, 1)


def _uncovered(before: Map, path: str, after: sops.Sealed) -> Iterator[Finding]:
    sealed = {at for at, leaf, _ in leaves(before) if isinstance(leaf, Scalar) and leaf.cipher}
    for at, leaf, line in leaves(after.root):
        if at in sealed and isinstance(leaf, Scalar) and leaf.cipher is None and leaf.value not in (None, ""):
            what = f"{pointer(at)} was encrypted and is in clear now"
            hint = "whoever reads the repository reads it: encrypt it, and rotate it if it was a secret"
            yield Finding(Severity.WARNING, "in-clear", what, hint, path, line)
