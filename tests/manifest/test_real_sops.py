"""The whole way with the real sops: its files, our entries, its values."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from pyrage import x25519

from sopsync import encode, manifest, sops
from sopsync.model import Desired
from tests.manifest.things import config
from tests.support.servers import tool

RULES = """\
- from: app/{env}.{kind}
  where: {kind: [yaml, json, env, ini]}
  to:
    - {store: local, name: "{kind}", keys: ["*"]}
    - {store: other, name: "{kind}/{key}"}
    - {store: other, name: "{kind}.json", encode: json}
- {from: "app/{file}.pem", to: [{store: local, name: "{file}.pem"}, {store: other, name: pem, encode: base64}]}
"""


class Shop:
    """A directory where the real sops works, with a key of its own."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.identity = x25519.Identity.generate()
        self.env = {"SOPS_AGE_KEY": str(self.identity), "PATH": os.environ["PATH"], "HOME": str(top)}

    def sops(self, *args: str, data: str | None = None) -> bytes:
        done = subprocess.run(
            [tool("sops"), *args], cwd=self.top, env=self.env, capture_output=True, check=False,
            input=None if data is None else data.encode(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def encrypt(self, name: str, plain: str, *more: str) -> None:
        kind = sops.format_of(name)
        args = ["--age", str(self.identity.to_public()), "--input-type", kind, "--output-type", kind, *more]
        (self.top / name).write_bytes(self.sops("encrypt", *args, "/dev/stdin", data=plain))

    def load(self) -> dict[str, Desired]:
        files = {f"app/{path.name}": path.read_bytes() for path in self.top.iterdir() if path.name != ".sops.yaml"}
        made = manifest.load(files, lambda paths: {path: files[path] for path in paths}, config(RULES), sops.parse)
        assert not made.broken
        return {str(ref): want for ref, want in made.desired.items()}

    def values(self, want: Desired) -> Mapping[str, str] | str:
        name = want.origin.path.removeprefix("app/")
        keyring = sops.Keyring.from_environment(self.env)
        document = sops.decrypt((self.top / name).read_bytes(), format=sops.format_of(name), keyring=keyring)
        payload = encode.build(want.recipe, document)
        if payload.value is not None:
            return payload.value.reveal().decode()
        return {key: secret.reveal().decode() for key, secret in payload.as_fields().items()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_every_format_arrives_as_it_was(shop: Shop) -> None:
    shop.encrypt("p.yaml", "a: canary-1\ndb:\n  port: 5432\n  on: true\nclear_unencrypted: canary-clear\n")
    shop.encrypt("p.json", '{"a": "canary-2", "n": 1.5}')
    shop.encrypt("p.env", "A=canary-4\nB=two words\n")
    shop.encrypt("p.ini", "[db]\nuser = canary-5\n")
    shop.encrypt("cert.pem", "-----BEGIN\ncanary-6\n")
    made = shop.load()
    got = {name: shop.values(want) for name, want in made.items()}
    assert got["local:yaml"] == {
        "a": "canary-1",
        "db/port": "5432",
        "db/on": "true",
        "clear_unencrypted": "canary-clear",
    }
    assert got["other:yaml/db/port"] == "5432"
    assert got["other:yaml.json"] == '{"a":"canary-1","db":{"port":5432,"on":true},"clear_unencrypted":"canary-clear"}'
    assert got["local:json"] == {"a": "canary-2", "n": "1.5"}
    assert got["local:env"] == {"A": "canary-4", "B": "two words"}
    assert got["local:ini"] == {"db/user": "canary-5"}
    assert got["local:cert.pem"] == "-----BEGIN\ncanary-6\n"
    assert got["other:pem"] == "LS0tLS1CRUdJTgpjYW5hcnktNgo="
    for name, want in made.items():
        value = got[name]
        real = (
            len(value.encode()) if isinstance(value, str) else sum(len(k.encode()) + len(v) for k, v in value.items())
        )
        assert 0 < want.size <= real, name


def test_updatekeys_changes_nothing_an_edit_its_entries_and_rotate_all(shop: Shop) -> None:
    shop.encrypt("p.yaml", "a: canary-1\nb: canary-2\n")
    before = shop.load()
    both = f"{shop.identity.to_public()},{x25519.Identity.generate().to_public()}"
    (shop.top / ".sops.yaml").write_text(json.dumps({"creation_rules": [{"age": both}]}))
    shop.sops("updatekeys", "--yes", "p.yaml")
    assert {name: want.digest for name, want in shop.load().items()} == {n: w.digest for n, w in before.items()}
    shop.sops("set", "--value-stdin", "p.yaml", '["a"]', data='"canary-new"')
    after = shop.load()
    assert {name for name in before if before[name].digest != after[name].digest} == {
        "local:yaml", "other:yaml.json", "other:yaml/a",
    }  # fmt: skip
    shop.sops("rotate", "-i", "p.yaml")
    rotated = shop.load()
    assert all(after[name].digest != rotated[name].digest for name in after)
    assert shop.values(rotated["other:yaml/a"]) == "canary-new"
