"""What a change to `.sops.yaml` would mean: told where a pull request brings one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sopsync.git import Repository, Tree
from sopsync.report import Finding, Severity, finding
from sopsync.sopsrules import NAME, SopsConfig, parse, redirected


def sops_configs(repo: Repository, tree: Tree) -> dict[str, SopsConfig]:
    """Every `.sops.yaml` of a commit, by its directory (with a slash at its end; "" is the top)."""
    paths = [path for path in tree if path.rpartition("/")[2] == NAME]
    return {path.removesuffix(NAME): parse(data, path) for path, data in repo.read(tree, paths, strict=False).items()}


def notes_on_sops_yaml(repo: Repository, before: Tree, after: Tree, files: Collection[str]) -> Iterator[Finding]:
    """For each `.sops.yaml` that differs, what is wrong with the new one; and who could then open which of `files`."""
    changed = [
        path for path in {**before, **after} if path.rpartition("/")[2] == NAME and before.get(path) != after.get(path)
    ]
    if not changed:
        return
    old, new = sops_configs(repo, before), sops_configs(repo, after)
    for path in changed:
        config = new.get(path.removesuffix(NAME))
        yield from (finding(problem, "sops-yaml") for problem in (config.problems if config else ()))
    meant = list(redirected(old, new, files))
    where = changed[0]
    for what, paths in meant:
        shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        yield Finding(Severity.WARNING, "sops-yaml-changed", f"merging it means: {what} {shown}", path=where, line=1)
    if not meant:
        what = "changed; for the files there are, the same keys as before"
        yield Finding(Severity.NOTE, "sops-yaml-changed", what, path=where, line=1)
