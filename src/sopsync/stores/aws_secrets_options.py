"""The write options of a secret, and which of their values what is live satisfies. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

KMS_KEY, REPLICAS = "kms_key", "replicas"
DEFAULT_KEY = frozenset({"", "aws/secretsmanager", "alias/aws/secretsmanager"})
"""Spellings of the key that AWS manages, and does not show."""
_REGION = re.compile(r"([a-z]+-)+\d+")


def regions(text: str) -> frozenset[str]:
    """`eu-west-1, us-east-1` as a set."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def impossible(options: Mapping[str, str]) -> str:
    """Why these cannot be options, or ""."""
    bad = sorted(region for region in regions(options.get(REPLICAS, "")) if not _REGION.fullmatch(region))
    return f"replicas: {bad[0]!a} is not a region" if bad else ""


@dataclass(frozen=True, slots=True)
class Regions(Collection[str]):
    """Every text that lists exactly these regions, in whatever order."""

    names: frozenset[str]

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and regions(text) == self.names

    def __iter__(self) -> Iterator[str]:
        yield ", ".join(sorted(self.names))

    def __len__(self) -> int:
        return 1


def spellings(shown: str, arn: str, asked: str | None) -> frozenset[str]:
    """Every way to name the key that a secret has. `shown`: as AWS shows it: nothing for its own, or an ARN, an id, an
    alias. `asked`: as we named it when we set it (None: we did not).

    AWS may answer with the key where we named an alias. Which of the two an alias stands for today only KMS could tell,
    and a plan asks KMS nothing: what we asked for is then believed, unless what is shown contradicts it.
    """
    found = DEFAULT_KEY if not shown or _bare(shown) in DEFAULT_KEY else _spelled(shown, arn)
    if asked is None or asked in found or found is DEFAULT_KEY or asked in DEFAULT_KEY:
        return found
    alike = _bare(asked).startswith("alias/") == _bare(shown).startswith("alias/")
    return found if alike and _bare(asked) != _bare(shown) else found | {asked}


def _bare(key: str) -> str:
    """`alias/name`, or a key's id."""
    return re.sub(r"^arn:[^:]*:kms:[^:]*:[^:]*:(key/)?", "", key)


def _spelled(shown: str, arn: str) -> frozenset[str]:
    """`arn`: the secret's, whose account and region a bare id is of."""
    bare = _bare(shown)
    partition, _, region, account = (*arn.split(":"), "", "", "", "", "")[1:5]
    full = f"arn:{partition}:kms:{region}:{account}:{bare if bare.startswith('alias/') else f'key/{bare}'}"
    return frozenset({shown, bare} if shown.startswith("arn:") else {shown, full})
