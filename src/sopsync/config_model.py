"""The shape of the config file and of self-routing manifests as pydantic models: where their text crosses a border."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from sopsync.model import Drift, Lifecycle

_CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _text_of_number(value: object) -> object:
    """A number where a text belongs (`tags: {cost: 42}`) is what the author typed: our YAML reader sees to that."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _share(value: object) -> object:
    """`30%`, or a number from 0 to 1."""
    if isinstance(value, str) and value.endswith("%"):
        number = value.removesuffix("%").strip()
        return float(number) / 100 if number.replace(".", "", 1).isdecimal() else value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


_Numbers = BeforeValidator(_text_of_number, json_schema_input_type=str | int | float)
Text = Annotated[str, StringConstraints(min_length=1)]
Label = Annotated[Text, _Numbers]
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=float | str), Field(ge=0, le=1)]
Commit = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Segment = Annotated[str, StringConstraints(pattern=r"^[^/]+$"), _Numbers]
StoreName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]+(?::[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](?::[0-9]+)?$")]


class TargetModel(BaseModel):
    """Where the secrets of a file go, and how. Options of the store itself stand beside these."""

    model_config = _CLOSED | ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any] = Field(init=False)

    store: Text = Field(description="Name of a store; captures are filled in.")
    name: Text = Field(description="Name of the entry; with {key}, one entry for each key.")
    keys: list[Text] = Field(
        default=[], description="Only keys that one of these globs matches; !glob leaves out. Default: all."
    )
    rename: dict[Text, Text] = Field(default={}, description="Key in the file: what to call it in the store.")
    encode: Literal["json", "dotenv", "base64"] | None = Field(
        default=None, description="Write all keys as one value in this form; base64 is for one value."
    )
    template: Text | None = Field(
        default=None, description="One value made of several: postgres://{user}:{password}@db"
    )
    separator: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,8}$")] | None = Field(
        default=None, description="Joins the path of a nested key. Default: the store's own, mostly /."
    )
    adopt: bool = Field(default=False, description="Take over entries that sopsync did not write.")
    prune: bool = Field(default=False, description="Delete entries of ours that git no longer names.")
    lifecycle: Literal["sync", "seed"] = Field(
        default=Lifecycle.SYNC.value, description="seed: create once, then leave the value to whoever rotates it."
    )
    on_drift: Literal["report", "heal", "block"] = Field(
        default=Drift.REPORT.value, description="When somebody else changed an entry of ours."
    )
    tags: dict[Text, Label] = Field(default={}, description="Labels to write beside the value; captures are filled in.")


class RuleModel(BaseModel):
    """Which files, and where they go."""

    model_config = _CLOSED

    from_: Text = Field(alias="from", description="Path pattern: {x} captures within a segment; * and ** match too.")
    where: dict[str, Annotated[list[Segment], Field(min_length=1)]] = Field(
        default={}, description="Values that a capture may have; files with others are not matched."
    )
    recipients: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="Exactly who may open these files: age recipients, fingerprints, ARNs, …"
    )
    to: Annotated[list[TargetModel], Field(min_length=1)] | None = Field(
        default=None, description="Targets. Left out: the files are SecretManifests and route themselves."
    )


class ThresholdModel(BaseModel):
    """How much one run may change before somebody has to look."""

    model_config = _CLOSED

    share: Share = Field(default=0.30, description="Of an owner's entries in a store: 30% or 0.3.")
    least: int = Field(ge=1, description="Fewer than this are never too many.")


class UpdatesModel(ThresholdModel):
    """Updates and adoptions that overwrite."""

    least: int = Field(default=10, ge=1, description="Fewer than this are never too many.")


class DeletesModel(ThresholdModel):
    """Deletes."""

    least: int = Field(default=3, ge=1, description="Fewer than this are never too many.")


class ThresholdsModel(BaseModel):
    """Limits on updates and deletes of one run."""

    model_config = _CLOSED

    updates: UpdatesModel = UpdatesModel()
    deletes: DeletesModel = DeletesModel()


class ConfigModel(BaseModel):
    """The config file of sopsync: which SOPS files go to which store, and under which name."""

    model_config = _CLOSED

    version: Literal[1]
    owner: Text = Field(description="Who manages the entries; captures are filled in. Unique to this repository.")
    previous_owners: list[Text] = Field(default=[], description="Earlier owners; their entries are taken over.")
    branch: Text = Field(default="main", description="apply accepts only commits of this branch.")
    stores: Annotated[dict[StoreName, dict[str, Any]], Field(min_length=1)] = Field(description="Stores by name.")
    sync: Annotated[list[RuleModel], Field(min_length=1)] = Field(description="Rules; all that match a file apply.")
    thresholds: ThresholdsModel = ThresholdsModel()
    allow_hosts: list[Host] = Field(
        default=[], description="Hosts in SOPS files that may be contacted, host or host:port."
    )
    accept_history: list[Commit] = Field(
        default=[], description="Full commit ids: a fence that stands at one of them is taken over, once."
    )


class MetadataModel(BaseModel):
    """What people should know of a manifest."""

    model_config = _CLOSED

    name: Text = Field(description="Stands for {name} in the targets.")
    description: str = ""
    rotate_after: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[dwmy]$")] | None = Field(
        default=None, description="Days, weeks, months or years: 90d, 2w, 6m, 1y."
    )


class ManifestModel(BaseModel):
    """A SOPS file that routes itself; everything but `data` is clear (encrypted_regex: ^data$)."""

    model_config = _CLOSED

    api_version: Literal["sopsync/v1"] = Field(alias="apiVersion")
    kind: Literal["SecretManifest"]
    metadata: MetadataModel
    to: Annotated[list[TargetModel], Field(min_length=1)]
    data: dict[str, Any] = Field(description="The secrets.")
