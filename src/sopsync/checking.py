"""One `sopsync check`: everything about a commit, or the index, that can be told without keys and without a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sopsync.age import overdue
from sopsync.config import Config
from sopsync.errors import ConfigError, DecryptError, Problem, Reason, SourceError
from sopsync.git import Repository, Tree
from sopsync.limits import breach
from sopsync.meaning import config_meaning, sops_configs, sops_yaml_findings
from sopsync.provenance import origin_commits
from sopsync.report import Finding, Report, Severity, finding, problem_count, worst_first
from sopsync.side import Side, load_side, parse_file, try_config
from sopsync.sopsrules import NAME, CreationRule, SopsConfig, mismatch, nearest


@dataclass(frozen=True, slots=True)
class Question:
    """What to check. `config_from`: take config and `.sops.yaml` from there. `staged`: the index, and no commit."""

    repo: Path
    now: datetime
    rev: str = "HEAD"
    config_path: str = "sopsync.yaml"
    config_from: str = ""
    staged: bool = False
    strict: bool = False
    """Warnings fail too."""


def check(ask: Question) -> Report:
    """Every problem there is, in one run; a broken config hides what its rules would have told, and nothing else.

    1. Config and manifests: encrypted at all, routing, names, collisions, copied ciphertext, `recipients:`.
    2. Limits of the stores, as far as ciphertext lengths tell.
    3. `.sops.yaml`: each file can be opened by those it names; what it is for is encrypted.
    4. `rotate_after`.
    5. What the commit changes about the rules themselves, where those of another revision were used.
    """
    with Repository.open(ask.repo) as repo:
        tree = repo.staged() if ask.staged else repo.tree(repo.resolve(ask.rev))
        rules = repo.tree(repo.resolve(ask.config_from)) if ask.config_from else tree
        side = load_side(repo, tree, _config(repo, rules, ask))
        configs = sops_configs(repo, rules)
        kind = "config" if side.config is None else "manifest"
        found = [finding(problem, kind) for problem in side.problems]  # 1
        found += _limits(side)  # 2
        found += [finding(problem, "sops-yaml") for config in configs.values() for problem in config.problems]  # 3
        found += _by_sops_rules(repo, side, configs, ask.config_path)
        found += _overdue(repo, side, ask.now) if tree.commit else ()  # 4
        if ask.config_from:
            found += sops_yaml_findings(repo, rules, tree, side.sealed)  # 5
            found += _other_config(repo, side, ask)
        findings = worst_first(found)
        return Report(
            command="check",
            exit_code=int(_fails(findings, strict=ask.strict)),
            commit=tree.commit,
            branch=repo.branch(),
            config=ask.config_path,
            config_from=ask.config_from,
            summary=_summary(side, findings),
            findings=findings,
            notes=tuple(_notes(repo, side, ask)),
            files=tuple(side.sealed),
        )


def _config(repo: Repository, rules: Tree, ask: Question) -> Config | ConfigError:
    if ask.config_from and ask.config_path not in rules:
        what = f"{ask.config_from} has no such file, so there are no rules to check by"
        hint = "for the pull request that brings it: leave --config-from out"
        return ConfigError(what, where=ask.config_path, hint=hint)
    return try_config(repo, rules, ask.config_path)


def _fails(findings: Collection[Finding], *, strict: bool) -> bool:
    return any(f.severity is Severity.ERROR or (strict and f.severity is Severity.WARNING) for f in findings)


def _summary(side: Side, findings: Collection[Finding]) -> str:
    severities = Counter(f.severity for f in findings)
    errors, warnings = severities[Severity.ERROR], severities[Severity.WARNING]
    parts = [problem_count(errors)] if errors else []
    parts += [f"{warnings} warning{'s' * (warnings != 1)}"] if warnings else []
    if errors:
        return f"{', '.join(parts)}; no store contacted"
    files, wanted = len(side.sealed), len(side.manifests.desired)
    looked = f"{files} file{'s' * (files != 1)}, {wanted} entr{'y' if wanted == 1 else 'ies'}"
    where = f"commit {side.commit[:7]}" if side.commit else "index"
    return f"{where}: {looked}, {', '.join(parts) or 'no problems'}; no store contacted"


def _notes(repo: Repository, side: Side, ask: Question) -> Iterator[str]:
    if not ask.staged:
        edited = repo.uncommitted([ask.config_path, *side.manifests.files, *side.manifests.broken])
        yield from (f"{path} has uncommitted edits; they are not in this check" for path in edited)
    yield from (f"the rule at {where} matches no file" for where in side.manifests.idle)
    if ask.staged and any(file.rotate_after for file in side.manifests.files.values()):
        yield "rotate_after was not looked at: the index has no history"


def _limits(side: Side) -> Iterator[Finding]:
    config = side.config
    if config is not None:
        for want in side.manifests.desired.values():
            problem = breach(want, config.traits[want.ref.store])
            if problem is not None:
                yield finding(problem, "limit")


# -- .sops.yaml


def _by_sops_rules(
    repo: Repository, side: Side, configs: Mapping[str, SopsConfig], config_path: str
) -> Iterator[Finding]:
    """Files that a sync rule matches, and files that a `path_regex` does: a rule for all paths is not for all files."""
    told = {problem.where.rpartition(":")[0] for problem in side.problems}
    for path in side.tree:
        config = nearest(configs, path)
        if config is None or config.problems or path == config_path or path.rpartition("/")[2] == NAME:
            continue
        rule = config.rule_for(path)
        sealed = side.sealed.get(path)
        if sealed is None and (rule is None or rule.matches is None or path in told or path in side.manifests.broken):
            continue
        if rule is None:
            what = f"no creation rule of {config.directory}{NAME} is for it, so sops updatekeys cannot keep its keys"
            yield Finding(Severity.WARNING, "no-creation-rule", what, "add a rule for it", path, 1)
            continue
        found = sealed or parse_file(repo, side.tree, path)
        if isinstance(found, DecryptError):
            yield from _unsealed(path, found, rule)
        elif found is not None:
            yield from (finding(problem, "recipients") for problem in mismatch(path, found.metadata, rule))


def _unsealed(path: str, error: DecryptError, rule: CreationRule) -> Iterator[Finding]:
    """A file that a rule would encrypt and that is in clear; where a rule is for parts of files, it may have none."""
    if error.reason in (Reason.NO_METADATA, Reason.PARSE):
        severity = Severity.WARNING if rule.partial else Severity.ERROR
        what = f"not encrypted, and the creation rule at {rule.where} is for it"
        hint = f"sops encrypt -i {path}; or narrow that path_regex, if the file holds no secrets"
        yield Finding(severity, "not-encrypted", what, hint, path, 1)
    else:
        yield finding(error.problems[0], "unreadable-file")


# -- age


def _overdue(repo: Repository, side: Side, now: datetime) -> Iterator[Finding]:
    """Values older than their file's `rotate_after`: by the commit that last changed the ciphertext."""
    limits = {path: file.rotate_after for path, file in side.manifests.files.items() if file.rotate_after}
    wanted = [want for want in side.manifests.desired.values() if want.origin.path in limits]
    if not wanted:
        return
    try:
        commits = origin_commits(repo, side.commit, wanted, None)
    except SourceError as error:
        first = error.problems[0]
        yield Finding(Severity.WARNING, "age-unknown", f"rotate_after cannot be checked: {first.what}", first.hint)
        return
    for want in wanted:
        info = repo.info(commits[want.ref])
        limit = limits[want.origin.path]
        try:
            days = overdue(info.date, limit, now)
        except ValueError:
            what = f"rotate_after cannot be checked: commit {info.commit[:7]} has no date"
            yield finding(Problem(want.where, what), "age-unknown", Severity.WARNING)
            continue
        if days is not None:
            late = f"{days} day{'s' * (days != 1)} past rotate_after: {limit}"
            what = f"{want.origin.pointer or 'it'} is {late}; last changed {info.date[:10]} in {info.commit[:7]}"
            hint = f"give it a new value: sops edit {want.origin.path}"
            yield finding(Problem(want.where, what, hint), "rotate-overdue", Severity.WARNING)


# -- the rules themselves


def _other_config(repo: Repository, side: Side, ask: Question) -> Iterator[Finding]:
    if side.config is None:
        return
    meaning = config_meaning(repo, side.tree, side.config, side.manifests.desired, ask.config_from)
    if meaning is not None:
        hint = "it decides where secrets go: review it like code"
        yield Finding(Severity.WARNING, "config-changed", meaning, hint, ask.config_path, 1)
