"""What the config may say of a `local` store, and what such a store can do."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sopsync.model import Traits

LOCAL = Traits(
    kind="local",
    fields=True,
    binary=True,
    checked=True,
    recoverable=True,
    # a bound of ours: an entry is sealed and opened in memory, in one piece
    max_bytes=16 * 1024 * 1024,
    name_pattern=r"[^\x00-\x1f\x7f\ud800-\udfff]+",
    name_rule="any characters but control characters",
    tags=True,
)


class LocalSettings(BaseModel):
    """The embedded store: one SQLite file whose values are encrypted with age."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: Literal["local"]
    path: str = Field(default=".sopsync/store.db", min_length=1)
    """The file; a relative path starts at the repository."""
    recipients: list[str] = Field(min_length=1)
    """age recipients that values are encrypted to: whoever holds one of their identities can read them."""
