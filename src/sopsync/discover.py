"""From the SOPS files of a repository to rules that route them: what `sopsync init` writes down. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_ENVIRONMENTS = frozenset(
    {"dev", "develop", "development", "test", "testing", "qa", "uat", "int", "integration", "stage", "staging"}
    | {"preprod", "preview", "sandbox", "demo", "prod", "production", "live"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A rule that covers `files`: `pattern` with captures, and the entry `name` made of them."""

    pattern: str
    name: str
    files: tuple[str, ...]

    @property
    def has_env(self) -> bool:
        """Whether the pattern tells environments apart."""
        return "{env}" in self.pattern


def rules(paths: Sequence[str]) -> tuple[Found, ...]:
    """One rule for each group of files of one depth, suffix and first segment; together they cover all of `paths`."""
    groups: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for path in sorted(paths):
        parts = PurePosixPath(path).parts
        groups[len(parts), PurePosixPath(path).suffix, parts[0] if len(parts) > 1 else ""].append(path)
    return tuple(found for files in groups.values() for found in _group(files))


def _group(files: list[str]) -> list[Found]:
    """A pattern over the group where one exists that names every entry apart, else a rule a file."""
    if len(files) == 1 and not _env_of(files[0]):
        return [_single(files[0])]
    columns = list(zip(*(_parts(path) for path in files), strict=True))
    taken: dict[str, str] = {}
    segments = [_segment(column, taken) for column in columns]
    suffix = PurePosixPath(files[0]).suffix
    order = sorted(taken, key=lambda name: name != "env")
    name = "/".join("{" + part + "}" for part in order)
    if not order:
        return [_single(path) for path in files]
    if order == ["env"]:
        name += "/" + "/".join(s for s in segments if "{" not in s) if len(segments) > 1 else "/secrets"
    return [Found("/".join(segments) + suffix, name, tuple(files))]


def _segment(column: Sequence[str], taken: dict[str, str]) -> str:
    """A segment that varies, or names an environment, becomes a capture; the rest stays."""
    values = set(column)
    if values <= _ENVIRONMENTS and "env" not in taken:
        taken["env"] = ""
        return "{env}"
    if len(values) == 1:
        return column[0]
    free = next(n for n in ("service", "name", *(f"part{i}" for i in range(1, 100))) if n not in taken)
    taken[free] = ""
    return "{" + free + "}"


def _parts(path: str) -> tuple[str, ...]:
    """Segments, the last without its suffix."""
    pure = PurePosixPath(path)
    return (*pure.parts[:-1], pure.stem)


def _env_of(path: str) -> bool:
    return any(part in _ENVIRONMENTS for part in _parts(path))


def _single(path: str) -> Found:
    return Found(path, "/".join(_parts(path)), (path,))


def render(owner: str, branch: str, recipients: Sequence[str], found: Sequence[Found]) -> str:
    """The config file: a local store and a rule for each pattern, with comments that say what to do next."""
    lines = [
        "# sopsync.yaml: clear text, reviewed like code. Which SOPS files go to which store, and under which name.",
        "version: 1",
        f"owner: {_quoted(owner)}    # marks the entries this repository manages; never share it between repositories",
        f"branch: {_quoted(branch)}    # apply accepts only commits of this branch",
        "stores:",
        "  local:    # an embedded store to start with: values are encrypted to these age recipients",
        "    type: local",
        "    recipients:",
        *(f"      - {recipient}" for recipient in recipients),
        "sync:",
    ]
    for rule in found:
        lines += [f"  - from: {_quoted(rule.pattern)}", "    to:"]
        lines += [f"      - {{store: local, name: {_quoted(rule.name)}}}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar; JSON is one."""
    import json

    return json.dumps(text, ensure_ascii=False)


def common_recipients(files: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The age recipients that every file has: whoever can read them all can read the local store."""
    shared: list[str] | None = None
    for recipients in files.values():
        shared = list(recipients) if shared is None else [r for r in shared if r in recipients]
    return tuple(dict.fromkeys(shared or ()))
