"""What a SOPS file says about itself: who may open it, how its values were selected, and its MAC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One wrapping of the data key, or of one Shamir share of it.

    `type` is sops' own field name: age, pgp, kms, gcp_kms, hckms, azure_kv, hc_vault. `fields` holds the strings sops
    wrote beside it (`recipient`, `fp`, `arn`, `role`, `aws_profile`, `resource_id`, `vault_url`, `name`, `version`,
    `vault_address`, `engine_path`, `key_name`, `key_id`, `created_at`); `context` is KMS' encryption context.
    """

    type: str
    enc: str = field(repr=False)
    fields: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How people name this key: recipient, fingerprint, ARN, resource id, or URL."""
        f = self.fields
        match self.type:
            case "age":
                return f.get("recipient", "")
            case "pgp":
                return f.get("fp", "")
            case "kms":
                return f.get("arn", "")
            case "gcp_kms":
                return f.get("resource_id", "")
            case "azure_kv":
                return f"{f.get('vault_url', '')}/keys/{f.get('name', '')}/{f.get('version', '')}"
            case "hc_vault":
                return f"{f.get('vault_address', '')}/v1/{f.get('engine_path', '')}/keys/{f.get('key_name', '')}"
            case _:
                return f.get("key_id", "")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The `sops` block. One group: any key opens the file; two or more: `threshold` groups must each give a share."""

    groups: tuple[tuple[MasterKey, ...], ...]
    lastmodified: str
    mac: str = field(repr=False)
    version: str = ""
    threshold: int = 0
    selector: tuple[str, str] | None = None
    """(sops' field name, its text): `encrypted_regex`, …; None only for binary files, where all is encrypted."""
    mac_only_encrypted: bool = False

    def keys(self) -> Iterator[MasterKey]:
        """Every master key of every group."""
        for group in self.groups:
            yield from group

    @property
    def labels(self) -> frozenset[str]:
        """Who may open it, as people name the keys."""
        return frozenset(key.label for key in self.keys())


def same_key(label: str) -> str:
    """A label to compare by: fingerprints are written with or without blanks, in either case."""
    bare = label.replace(" ", "")
    return bare.upper() if len(bare) >= 16 and all(c in "0123456789abcdefABCDEF" for c in bare) else label
