"""Makers of configs and sealed files for tests: ciphertexts are made up, since nothing here may open them."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from pydantic import BaseModel

from sopsync import manifest, sops
from sopsync.config import Config, load_config
from sopsync.errors import ConfigError
from sopsync.model import Desired, Traits
from sopsync.stores.kinds import KINDS, Kind

ALICE = "age1alice"
CONFIG = "sopsync.yaml"


class NarrowSettings(BaseModel):
    """Nothing to say."""

    type: str


NARROW = Traits(
    kind="narrow",
    fields=False,
    binary=False,
    checked=True,
    recoverable=True,
    max_bytes=100,
    name_pattern="[A-Za-z0-9-]+",
    name_rule="letters, digits and -",
    folds_case=True,
    separator="-",
    max_name=20,
    options=frozenset({"tier"}),
)
"""A kind that takes less than `local`: single values, short names whose case it folds, one option, no tags."""
HERE: dict[str, Kind] = {
    "local": KINDS["local"],
    "vault": KINDS["vault"],
    "narrow": Kind(NARROW, NarrowSettings, KINDS["local"].open),
}
HEAD = """\
version: 1
owner: acme
stores: {local: {type: local, recipients: [a]}, other: {type: local, path: o, recipients: [a]}, narrow: {type: narrow}}
sync:
"""
"""The rules below it start on line 5."""


def examples(count: int) -> settings:
    """So many examples of a property; how long one takes says something of the machine only."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def config(rules: str, *, head: str = HEAD) -> Config:
    """A config of these rules, with stores `local`, `other` (local too) and `narrow`."""
    return load_config((head + rules).encode(), CONFIG, HERE)


def sealed(value: object, nonce: str = "") -> object:
    """The same tree with every scalar as sops would seal it: ciphertext as long as the text, like GCM's."""
    if isinstance(value, dict):
        return {key: sealed(child, f"{nonce}/{key}") for key, child in value.items()}
    if isinstance(value, list):
        return [sealed(child, f"{nonce}/{i}") for i, child in enumerate(value)]
    if value is None or value == "":
        return value
    kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
    text = str(value).encode()
    pad = hashlib.shake_256(repr((text, nonce)).encode()).digest(len(text))
    data, iv = b64encode(pad).decode(), b64encode(hashlib.sha256(pad + nonce.encode()).digest()).decode()
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:AAAAAAAAAAAAAAAAAAAAAA==,type:{kind}]"


def block(*recipients: str, **more: object) -> dict[str, object]:
    """The `sops` block."""
    return {
        "age": [{"recipient": one, "enc": "x"} for one in recipients or (ALICE,)],
        "lastmodified": "2026-01-01T00:00:00Z",
        "mac": sealed("mac"),
        "version": "3.11.0",
        **more,
    }


def file(data: Mapping[str, object], *, nonce: str = "", recipients: Collection[str] = (), **more: object) -> bytes:
    """A SOPS file, YAML or JSON alike: one key a line, as far as the first level goes. `more` enters the sops block."""
    lines = [f"{json.dumps(key)}: {json.dumps(sealed(value, f'{nonce}/{key}'))}" for key, value in data.items()]
    lines.append(f'"sops": {json.dumps(block(*recipients, **more))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def routed(data: Mapping[str, object], **clear: object) -> bytes:
    """A SecretManifest; `clear` are its other top-level keys."""
    made: dict[str, object] = {"apiVersion": "sopsync/v1", "kind": "SecretManifest", "metadata": {"name": "pay"}}
    made |= clear
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in made.items()]
    lines.append(f'"data": {json.dumps(sealed(data))}')
    lines.append(f'"sops": {json.dumps(block(encrypted_regex="^data$"))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def load(config: Config, files: Mapping[str, bytes], **more: Any) -> manifest.Manifests:
    """The manifests of a tree of these files."""
    return manifest.load(files, lambda paths: {path: files[path] for path in paths}, config, sops.parse, **more)


def wanted(rules: str, data: Mapping[str, object], path: str = "a/prod.yaml", **more: Any) -> dict[str, Desired]:
    """`store:name` → entry, of one file under these rules. `more` is for `file`."""
    return {str(ref): want for ref, want in load(config(rules), {path: file(data, **more)}).desired.items()}


def problems(rules: str, files: Mapping[str, bytes]) -> list[str]:
    """What a tree of files is refused with, a line each."""
    try:
        load(config(rules), files)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def config_problems(text: str | bytes) -> list[str]:
    """What a config file is refused with, a line each."""
    try:
        load_config(text.encode() if isinstance(text, str) else text, CONFIG, HERE)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []
