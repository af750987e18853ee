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


def schema(which: Annotated[Which, typer.Argument(help="Of what.")] = Which.CONFIG) -> int:
    """Print the JSON Schema of config, manifests or reports.

    A report is what plan, check and diff print with --json.
    """
    import json

    from sopsync.cli.output import out
    from sopsync.config import json_schemas

    out([json.dumps(json_schemas()[which.value], indent=2)])
    return 0
