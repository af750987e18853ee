"""The recorded SOPS cases as Python objects: what goes in, which keys there are, and what sops made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

VECTORS = Path(__file__).parent.parent / "vectors"
KEYS = VECTORS / "keys"

Format = Literal["yaml", "json", "dotenv", "ini", "binary"]


@dataclass(frozen=True, slots=True)
class Case:
    """One folder of `vectors/sops`. `keys` uses the names of the README there (`age-alice`, `vault`, …)."""

    name: str
    folder: Path = field(repr=False)
    meta: dict[str, Any] = field(repr=False)

    @property
    def format(self) -> Format:
        """The format of the input file, which is not always the one its name suggests."""
        arguments: list[str] = self.meta["decrypt_args"]
        name: Format = self.meta["format"]
        if "--input-type" in arguments:
            name = cast(Format, arguments[arguments.index("--input-type") + 1])
        return name

    @property
    def data(self) -> bytes:
        """The SOPS file."""
        name: str = self.meta["input"]
        return (self.folder / name).read_bytes()

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.meta["keys_available"])

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(self.meta["tags"])

    @property
    def ok(self) -> bool:
        outcome: str = self.meta["outcome"]
        return outcome == "ok"

    @property
    def error_class(self) -> str:
        """The `Reason` sops' failure stands for, `sops_crashes` where it panics, empty where it succeeds."""
        name: str = self.meta.get("error_class", "")
        return name

    @property
    def ignores_mac(self) -> bool:
        """Recorded with --ignore-mac, a switch sopsync does not have."""
        return "--ignore-mac" in self.meta["decrypt_args"]

    @property
    def expected_json(self) -> str | None:
        """Stdout of `sops -d --output-type json`; None where sops could not print any."""
        path = self.folder / "expected.json"
        return path.read_text("utf-8") if path.exists() else None

    @property
    def expected_native(self) -> bytes | None:
        """Stdout of `sops -d`; None where it failed."""
        name: str | None = self.meta.get("expected_native")
        return (self.folder / name).read_bytes() if name else None

    def age_identities(self) -> str:
        """The text of an age key file with every age identity the case may use, one a line."""
        files = [KEYS / f"{name}.txt" for name in sorted(self.keys) if name.startswith("age-")]
        return "\n".join(f.read_text("ascii") for f in files)


@cache
def cases() -> tuple[Case, ...]:
    """All recorded cases, by name."""
    return tuple(_read())


def case(name: str) -> Case:
    """The case of this name."""
    return next(c for c in cases() if c.name == name)


def _read() -> Iterator[Case]:
    for folder in sorted((VECTORS / "sops").iterdir()):
        yield Case(folder.name, folder, json.loads((folder / "meta.json").read_text("utf-8")))
