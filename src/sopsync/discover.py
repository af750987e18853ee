"""From the SOPS files of a repository to rules that route them: what `sopsync init` writes down. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

_ENVIRONMENTS = frozenset(
    {"dev", "develop", "development", "test", "testing", "qa", "uat", "int", "integration", "stage", "staging"}
    | {"preprod", "preview", "sandbox", "demo", "prod", "production", "live"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A rule that covers `files`: `pattern` with captures, and the entry `name` made of them.

    `environments`: the values that `{env}` may have, where any other would take along a file that is not meant.
    """

    pattern: str
    name: str
    files: tuple[str, ...]
    environments: tuple[str, ...] = ()

    @property
    def has_env(self) -> bool:
        """Whether the pattern tells environments apart."""
        return "{env}" in self.pattern


def rules(paths: Sequence[str], others: Sequence[str] = ()) -> tuple[Found, ...]:
    """One rule for each group of files of one depth, suffix and first segment; together they cover all of `paths`.

    Environments count as one first segment. Names are as short as they can be while naming every file apart. A pattern
    that would match a file of another group too, or one of `others`, which are no SOPS files, is narrowed to the
    environments there are, or gives way to a rule a file.
    """
    groups: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for path in sorted(paths):
        parts = PurePosixPath(path).parts
        first = "" if len(parts) == 1 else "{env}" if parts[0] in _ENVIRONMENTS else parts[0]
        groups[len(parts), PurePosixPath(path).suffix, first].append(path)
    everything = {*paths, *others}
    patterns = [made for files in groups.values() for made in _patterns(files, everything.difference(files))]
    for namer in (_short, _full, _suffixed, _as_it_is):
        found = tuple(replace(made, name=namer(made.pattern)) for made in patterns)
        names = [name for rule in found for name in _entries(rule)]
        if len(set(names)) == len(names):
            break
    return found


def _patterns(files: list[str], others: Collection[str]) -> list[Found]:
    """A pattern over the group where anything in it varies, else each file by itself; names are yet to come."""
    columns = list(zip(*(_parts(path) for path in files), strict=True))
    taken: set[str] = set()
    segments = [_segment(column, taken) for column in columns]
    suffix = PurePosixPath(files[0]).suffix
    pattern = "/".join(segments) + suffix
    environments = tuple(sorted(set(columns[segments.index("{env}")]))) if "env" in taken else ()
    for narrowed in dict.fromkeys(((), environments)):
        any_of = {"{env}": f"(?:{'|'.join(narrowed)})"} if narrowed else {}
        form = "/".join(any_of.get(s, "[^/]+" if "{" in s else re.escape(s)) for s in segments) + re.escape(suffix)
        if taken and not any(re.fullmatch(form, other) for other in others):
            return [Found(pattern, "", tuple(files), narrowed)]
    return [Found(path, "", (path,)) for path in files]


def _short(pattern: str) -> str:
    """The captures, environment first; with the constant parts only where captures alone say too little."""
    captures = sorted((part for part in _parts(pattern) if "{" in part), key=lambda part: part != "{env}")
    return "/".join(captures) if set(captures) - {"{env}"} else _full(pattern)


def _full(pattern: str) -> str:
    """Every part, environment first."""
    parts = sorted(_parts(pattern), key=lambda part: part != "{env}")
    return "/".join(parts) if parts != ["{env}"] else "{env}/secrets"


def _suffixed(pattern: str) -> str:
    return _full(pattern) + "-" + PurePosixPath(pattern).suffix.removeprefix(".")


def _as_it_is(pattern: str) -> str:
    """The path itself: no two files share it."""
    return "/".join(_parts(pattern)) + "-" + PurePosixPath(pattern).suffix.removeprefix(".")


def _entries(rule: Found) -> list[str]:
    """The entry each file of the rule would get."""
    made = []
    for path in rule.files:
        values = zip(_parts(rule.pattern), _parts(path), strict=True)
        captures = {part.strip("{}"): value for part, value in values if "{" in part}
        name = rule.name
        for capture, value in captures.items():
            name = name.replace("{" + capture + "}", value)
        made.append(name)
    return made


def _segment(column: Sequence[str], taken: set[str]) -> str:
    """A segment that varies, or names an environment, becomes a capture; the rest stays."""
    values = set(column)
    if values <= _ENVIRONMENTS and "env" not in taken:
        taken.add("env")
        return "{env}"
    if len(values) == 1:
        return column[0]
    free = next(n for n in ("service", "name", *(f"part{i}" for i in range(1, 100))) if n not in taken)
    taken.add(free)
    return "{" + free + "}"


def _parts(path: str) -> tuple[str, ...]:
    """Segments, the last without its suffix."""
    pure = PurePosixPath(path)
    return (*pure.parts[:-1], pure.stem)


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
        lines += [f"  - from: {_quoted(rule.pattern)}"]
        if rule.environments:
            lines += [f"    where: {{env: [{', '.join(rule.environments)}]}}"]
        lines += ["    to:"]
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
