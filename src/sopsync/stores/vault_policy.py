"""The least that a token needs in a KV version 2 mount: which capability on which path is for which call. Pure.

Paths, and which of two wins: https://developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax. The most
specific path that matches decides alone, so a narrow one says again what wider ones grant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sopsync.grants import Glob, Grant, Holder, Role, Route, Wild
from sopsync.stores.vault_settings import FENCES, VaultSettings, fence_of

_CAPABILITIES = ("create", "read", "update", "patch", "list", "scan")
"""In the order in which they are printed."""
_OF_FOLDERS = {"list", "scan"}
"""A folder's path ends in a slash, and `+` matches the nothing behind it."""


def grants(store: str, settings: VaultSettings, routes: Sequence[Route]) -> Iterator[Grant]:
    """What each role needs, by the calls of `vault_kv`. Without routes a store is only looked at."""
    mount, root = settings.mount, f"{settings.prefix}/" if settings.prefix else ""
    holder = Holder("vault", store, settings.address, settings.namespace or "")

    def grant(role: Role, what: str, part: str, names: Iterable[str], *capabilities: str) -> Grant:
        paths = tuple(dict.fromkeys(f"{mount}/{part}/{root}{name}" for name in names))
        return Grant(holder, role, what, capabilities, paths)

    entries = [_path(route.name) for route in routes]
    pruned = [_path(route.name) for route in routes if route.prune]
    fences = list(_fences(routes))
    # a survey: one `scan` where the server has it, else folder by folder and entry by entry
    yield grant(Role.SEALED, "Scan", "detailed-metadata", ["*"], "scan")
    yield grant(Role.SEALED, "List", "metadata", ["*"], "read", "list")
    # the data of a fence decides when its mirror in the metadata is late; of any fence, because a survey shows all
    yield grant(Role.SEALED, "ReadFence", "data", [f"{FENCES}/*"], "read")
    yield grant(Role.PLAN, "Read", "data", entries, "read")
    # `read` settles a write whose answer was lost. A claim comes first, so the data of an entry is never new to the
    # server, and that of a fence is; with the metadata it is the other way round
    yield grant(Role.APPLY, "Write", "data", entries, "read", "update")
    yield grant(Role.APPLY, "RaiseFence", "data", fences, "create", "read", "update")
    # `update` is for a claim that was cut off, and for all of it where the server has no PATCH
    yield grant(Role.APPLY, "Stamp", "metadata", entries, "create", "update", "patch")
    yield grant(Role.APPLY, "MirrorFence", "metadata", fences, "update", "patch")
    if pruned:
        yield grant(Role.PRUNE, "Delete", "delete", pruned, "update")


def hcl(grants: Iterable[Grant]) -> str:
    """The policy that gives these, and nothing more, one line for each path."""
    rules = _effective(grants)
    width = max(map(len, rules), default=0)
    lines = []
    for path, capabilities in rules.items():
        listed = ", ".join(f'"{one}"' for one in _CAPABILITIES if one in capabilities)
        lines.append(f'path "{path}"{" " * (width - len(path))} {{ capabilities = [{listed}] }}\n')
    return "".join(lines)


def _fences(routes: Iterable[Route]) -> Iterator[str]:
    for route in routes:
        yield from [f"{FENCES}/*"] if route.owners is None else map(fence_of, sorted(route.owners))


def _path(name: Glob) -> str:
    """`+` stands for a whole segment, and `*` at the end for anything. Whatever an entry's name may hold that means
    something in a policy is left open too: quotes, `{{identity…}}`, and a `+` or `*` of its own."""
    whole = ""
    for part in name:
        if part is Wild.ANY:
            return _cut(whole) + "*"
        whole += "\0" if part is Wild.SEGMENT else str(part).replace("\0", "")
    return "/".join("+" if re.search(r'[\0"\\{}$%+*]', segment) else segment for segment in whole.split("/"))


def _cut(start: str) -> str:
    """What comes before a final `*`: whole segments, and the clear beginning of the last."""
    *segments, last = start.split("/")
    clear = "" if re.search(r'[\0"\\{}$%+*]', last) else last
    return "".join(f"{segment}/" for segment in (_path((one.replace("\0", "*"),)) for one in segments)) + clear


# -- which path decides


def _effective(grants: Iterable[Grant]) -> Mapping[str, frozenset[str]]:
    """Path → capabilities, so that every path a grant is for has what it grants, whichever of them decides there."""
    asked: dict[str, set[str]] = {}
    for grant in grants:
        for path in grant.resources:
            asked.setdefault(path, set()).update(grant.actions)
    full = {
        path: frozenset(can.union(*(asked[q] for q in asked if q != path and _meet(path, q) and _beats(path, q))))
        - (set() if path.endswith(("*", "/+")) else _OF_FOLDERS)
        for path, can in asked.items()
    }
    return {path: full[path] for path in sorted(full) if not _idle(path, full)}


def _idle(path: str, full: Mapping[str, frozenset[str]]) -> bool:
    """Whether all would be the same without this path: another holds all it matches, and decides anyway, or alike."""
    wider = [q for q in full if q != path and q.endswith("*") and path.startswith(q[:-1])]
    beaten = [q for q in full if q != path and _meet(path, q) and _beats(path, q)]
    return any(_beats(q, path) for q in wider) or (bool(wider) and all(full[q] == full[path] for q in beaten))


def _beats(one: str, other: str) -> bool:
    """Vault's five rules, in their order."""
    return _rank(one) > _rank(other)


def _rank(path: str) -> tuple[int, bool, int, int, str]:
    wild = re.search(r"(?:^|(?<=/))\+(?=/|$)|\*$", path)
    first = wild.start() if wild else len(path) + 1_000_000
    return first, not path.endswith("*"), -path.split("/").count("+"), len(path), path


def _meet(one: str, other: str) -> bool:
    """Whether some path matches both."""
    ones, others = one.split("/"), other.split("/")
    for i, (a, b) in enumerate(zip(ones, others, strict=False)):
        open_a, open_b = _open(ones, i), _open(others, i)
        if open_a or open_b:
            start, against = (a[:-1], b) if open_a else (b[:-1], a)
            both = open_a and open_b
            return against == "+" or (both and start.startswith(against[:-1])) or against.startswith(start)
        if a != b and "+" not in (a, b):
            return False
    return len(ones) == len(others)


def _open(segments: Sequence[str], at: int) -> bool:
    """Whether this segment is the last, and may go on."""
    return at == len(segments) - 1 and segments[at].endswith("*")
