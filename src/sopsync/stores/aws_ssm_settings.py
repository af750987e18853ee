"""What the config may say of an `aws-ssm` store, and what such a store can do."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sopsync.model import Traits
from sopsync.stores.aws_settings import AwsSettings, PerSecond

FENCES = "/sopsync-fence"
"""The path that holds the fences; no entry may live there."""
SECURE = "SecureString"
MARK = f"{FENCES}/tags"
"""A parameter that says: some stamps are to be found in tags only. It is never removed."""

# docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html, "parameter name constraints"
_FIRST = r"(?!/(?:[aA][wW][sS]|[sS][sS][mM]))(?!/sopsync-fence(?:/|$))"

AWS_SSM = Traits(
    kind="aws-ssm",
    fields=False,
    binary=False,  # a value is text
    checked=False,  # PutParameter compares nothing but whether the name is free (Overwrite)
    recoverable=False,
    # docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
    max_bytes=4096,
    max_bytes_of={("tier", "advanced"): 8192, ("tier", "intelligent"): 8192},
    name_pattern=_FIRST + r"(?:/[a-zA-Z0-9_.-]+){1,15}",
    name_rule="a path of at most 15 segments of letters, digits and `_.-`, each after a `/`, that begins with neither "
    f"`aws` nor `ssm` and is not under `{FENCES}`",
    # 1011 with the ARN before it, which is 60 characters or less in every partition (API_PutParameter, Name)
    max_name=950,
    parallel=4,
    deletes=10,  # API_DeleteParameters
    tags=True,
    options=frozenset({"kms_key", "tier", "type"}),
    choices={"tier": ("standard", "advanced", "intelligent"), "type": (SECURE, "String")},
    fixed={"type": SECURE},  # HierarchyTypeMismatchException (API_PutParameter)
)

CHAMBER = replace(
    AWS_SSM,
    kind="aws-ssm (layout: chamber)",
    # chamber's names, as aws_ssm_chamber has them; `_chamber` is its own
    name_pattern=rf"(?!/(?:aws|ssm))(?!{FENCES}(?:/|$))(?!/_chamber/)(?:/[a-z0-9_.-]+){{2,15}}",
    name_rule="`/service/key` as chamber has it: at most 15 segments of lower-case letters, digits and `_.-`, that "
    f"begin with neither `aws` nor `ssm`, and not under `/_chamber` or `{FENCES}`",
    options=frozenset({"kms_key", "tier"}),
)

RATES: Mapping[str, float] = {"put": 3, "get": 40, "describe": 5, "tag": 5, "delete": 5, "resources": 15}
"""Group → calls per second. `get`, `put` and `resources` are AWS's own figures:
https://docs.aws.amazon.com/general/latest/gr/ssm.html (40 for all Get*, and 3 for PutParameter, 10 with higher
throughput) and https://docs.aws.amazon.com/general/latest/gr/arg.html (GetResources). For the others AWS documents
none; users report throttling of DescribeParameters at a few calls a second (segmentio/chamber#34, minamijoyo/myaws#31),
so they begin careful, and are slowed down further by each throttling."""

GROUPS: Mapping[str, str] = {
    "PutParameter": "put",
    "GetParameter": "get",
    "GetParameterHistory": "get",
    "DescribeParameters": "describe",
    "DeleteParameters": "delete",
    "ListTagsForResource": "tag",
    "AddTagsToResource": "tag",
    "RemoveTagsFromResource": "tag",
    "GetResources": "resources",
}

_Path = Annotated[str, Field(pattern=r"^(/[a-zA-Z0-9_.-]+){1,14}$")]
Layout = Literal["plain", "chamber"]
Group = Literal["put", "get", "describe", "tag", "delete", "resources"]


class AwsSsmSettings(AwsSettings):
    """AWS Systems Manager Parameter Store, in one account and region."""

    type: Literal["aws-ssm"]
    paths: list[_Path] = Field(default_factory=list)
    """Look below these paths only, at all of them at the same time; omitted: at every parameter of the region."""
    layout: Layout = "plain"
    """`chamber`: as segmentio/chamber writes and reads parameters."""
    rates: Mapping[Group, PerSecond] = Field(default_factory=dict)
    """Calls per second, where the account has other quotas: `{put: 10}` with higher throughput."""

    @field_validator("paths")
    @classmethod
    def _apart(cls, paths: list[str]) -> list[str]:
        if not all(re.match(_FIRST, path) for path in paths):
            raise ValueError(f"a path begins with neither aws nor ssm, and is not {FENCES}")
        for one, other in itertools.permutations(paths, 2):
            if f"{other}/".startswith(f"{one}/"):
                raise ValueError("no path may be within another")
        return paths


def rates(settings: AwsSsmSettings) -> dict[str, float]:
    """Group of calls → calls per second."""
    return {**RATES, **{str(group): rate for group, rate in settings.rates.items()}}


def traits(settings: AwsSsmSettings) -> Traits:
    """What one store takes: names below its paths, in its layout."""
    whole = CHAMBER if settings.layout == "chamber" else AWS_SSM
    if not settings.paths:
        return whole
    below = "|".join(map(re.escape, settings.paths))
    return replace(
        whole,
        name_pattern=f"(?=(?:{below})/){whole.name_pattern}",
        name_rule=f"{whole.name_rule}, below one of the store's paths: {', '.join(settings.paths)}",
    )
