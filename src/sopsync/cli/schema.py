"""`sopsync schema`: the JSON Schema of the config file and of manifests, for editors, and of reports, for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Which(StrEnum):
    """Which schema."""

    CONFIG = "config"
    MANIFEST = "manifest"
    REPORT = "report"


def schema(which: Annotated[Which, typer.Argument(help="Of which.")] = Which.CONFIG) -> int:
    """Print the JSON Schema of sopsync.yaml, of manifests, or of what --json prints."""
    import json

    from sopsync.cli.output import out
    from sopsync.config import json_schemas

    out([json.dumps(json_schemas()[which.value], indent=2)])
    return 0
