"""sopsync against `sops publish` on a real OpenBao: first apply, no-op run, and a no-op plan as the store grows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import Row, command, peak_mb, seconds, sops_program

from tests.support.repo import Repo
from tests.support.servers import OpenBao, openbao

SOPSYNC = [sys.executable, "-m", "sopsync"]


def rows() -> tuple[list[Row], list[str]]:
    """(table rows, lines about growth)."""
    with openbao() as bao, tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        env, recipient = _environment(bao, place)
        made = _against_publish(bao, place, env, recipient, count=1000)
        grown = [_growth(bao, place, env, recipient, files=n) for n in (100, 1000)]
    return made, grown


def _environment(bao: OpenBao, place: Path) -> tuple[dict[str, str], str]:
    from pyrage import x25519

    identity = x25519.Identity.generate()
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
    env = {**keep, "HOME": str(place), "SOPS_AGE_KEY": str(identity)}
    env |= {"VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.token}
    return env, str(identity.to_public())


def _repository(at: Path, mount: str, bao: OpenBao, recipient: str, *, files: int, keys: int, name: str) -> Repo:
    """`files` real SOPS files of `keys` values each, and the configs of both tools."""
    repo = Repo.init(at)
    destination = {
        "path_regex": ".*",
        "vault_path": "pub/",
        "vault_kv_mount_name": "pub/",
        "vault_address": bao.address,
    }
    rules = {"creation_rules": [{"age": recipient}], "destination_rules": [destination]}
    repo.write(".sops.yaml", json.dumps(rules))

    def encrypt(i: int) -> None:
        plain = "".join(f"key{k}: canary-{i}-{k}\n" for k in range(keys))
        args = [
            sops_program(),
            "encrypt",
            "--age",
            recipient,
            "--input-type",
            "yaml",
            "--output-type",
            "yaml",
        ]
        done = subprocess.run([*args, "/dev/stdin"], input=plain.encode(), capture_output=True, check=True)
        repo.write(f"s/f{i:05}.yaml", done.stdout)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encrypt, range(files)))
    config = (
        f"version: 1\nowner: bench\nstores:\n  bao: {{type: vault, address: '{bao.address}', mount: {mount}}}\n"
        f"sync:\n  - from: s/{{file}}.yaml\n    to: [{{store: bao, name: '{name}'}}]\n"
    )
    repo.write("sopsync.yaml", config)
    repo.commit("Start")
    return repo


def _against_publish(bao: OpenBao, place: Path, env: dict[str, str], recipient: str, *, count: int) -> list[Row]:
    """sops publish makes one entry of each file, so both get files of one value, and each a mount of its own."""
    bao.mount("pub")
    bao.mount("ours")
    repo = _repository(place / "publish", "pub", bao, recipient, files=count, keys=1, name="{file}")
    ours = repo.path / "sopsync.yaml"
    ours.write_text(ours.read_text().replace("mount: pub", "mount: ours"))
    repo.commit("Into a mount of its own")
    command([*SOPSYNC, "plan", "-q"], cwd=repo.path, env=env)  # Python compiles what it has not, as an installer does
    first = seconds(lambda: command([*SOPSYNC, "apply", "--yes", "-q"], cwd=repo.path, env=env), times=1)
    noop = seconds(lambda: command([*SOPSYNC, "apply", "--yes", "-q"], cwd=repo.path, env=env))
    one_by_one = seconds(lambda: _one_by_one(repo, env), times=1)
    bao.call("DELETE", "sys/mounts/pub")
    bao.mount("pub")
    publish = [sops_program(), "publish", "--yes", "--recursive", "s"]
    peer_first = seconds(lambda: command(publish, cwd=repo.path, env=env), times=1)
    peer_noop = seconds(lambda: command(publish, cwd=repo.path, env=env), times=1)
    what = f"first apply of {count:,} files to OpenBao"
    return [
        Row(what, first, one_by_one, f"sops publish, {count:,} times", "at least 15"),
        Row("the same apply", first, peer_first, "sops publish --recursive, one process", ""),
        Row(f"a no-op run over those {count:,} entries", noop, peer_noop, "sops publish --recursive", ""),
    ]


def _one_by_one(repo: Repo, env: dict[str, str]) -> None:
    """`sops publish` for each file, as its documentation shows it and scripts call it."""
    for path in sorted((repo.path / "s").iterdir()):
        command([sops_program(), "publish", "--yes", f"s/{path.name}"], cwd=repo.path, env=env)


def _growth(bao: OpenBao, place: Path, env: dict[str, str], recipient: str, *, files: int) -> str:
    """A no-op plan of 10 entries a file: calls, files decrypted, seconds, peak memory."""
    mount = bao.mount(f"grow{files}")
    repo = _repository(place / mount, mount, bao, recipient, files=files, keys=10, name="{file}/{key}")
    command([*SOPSYNC, "apply", "--yes", "-q"], cwd=repo.path, env=env)
    taken, peak = peak_mb([*SOPSYNC, "plan", "-q"], cwd=repo.path, env=env)
    args = [*SOPSYNC, "plan", "--json", "-v"]
    done = subprocess.run(args, cwd=repo.path, env=env, capture_output=True, check=True)
    plan = json.loads(done.stdout)
    calls = re.search(r"bao: (\d+) calls?", done.stderr.decode())
    assert plan["counts"]["unchanged"] == files * 10
    return (
        f"| {files * 10:,} | {calls[1] if calls else '?'} | {plan['files_decrypted']} | {plan['values_read']} "
        f"| {taken:.2f} s | {peak:.0f} MB |"
    )
