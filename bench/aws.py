"""sopsync in AWS against the loops it replaces: first apply, no-op plan, and the client's CPU a call, on a local moto.

The server is not AWS: it answers at once, where AWS lets three parameters a second through. So what counts here is
calls and CPU; wall time tells how much of it is waiting for a server that does the same work for both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import ROOT, Row, command, seconds

from tests.support.repo import Repo
from tests.support.servers import free_port, tool

SOPSYNC = [sys.executable, "-m", "sopsync"]
PEERS = ["awscli", "credstash", "setuptools<81", "moto[server]"]
"""In an environment of their own: awscli wants a botocore of its own. credstash 1.17 asks for pkg_resources."""
SAMPLE = 20
"""Processes started of a peer that is one process a value; what a thousand take is that, times fifty."""
STORES = {"aws-ssm": ("ssm", "/bench/{file}/{key}"), "aws-secretsmanager": ("secretsmanager", "bench/{file}/{key}")}
"""Kind of store → the service's name for boto3, and the names of entries."""

_LOOP = """
import json, os, subprocess, sys, boto3
client = boto3.client(sys.argv[1])
for path in sys.argv[3:]:
    done = subprocess.run([sys.argv[2], "-d", "--output-type", "json", path], capture_output=True, check=True)
    for key, value in json.loads(done.stdout).items():
        name = f"bench/loop/{path[2:-5]}/{key}"
        if sys.argv[1] == "ssm":
            client.put_parameter(Name="/" + name, Value=value, Type="SecureString")
        else:
            client.create_secret(Name=name, SecretString=value)
"""


def rows() -> tuple[list[Row], list[str]]:
    """(table rows, lines about plans and calls)."""
    made: list[Row] = []
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, _server("tests.support.aws") as url:
        place = Path(scratch)
        env, recipient = _environment(url, place)
        for kind in STORES:
            repo = _repository(place / kind, kind, recipient, files=100)
            first = seconds(
                lambda repo=repo: command([*SOPSYNC, "apply", "--yes", "-q"], cwd=repo.path, env=env), times=1
            )
            lines.append(_plan(kind, repo, env, 1_000))  # before the peers put theirs beside it
            made += _peers(kind, first, repo, env)
            lines.append(_plan(kind, _grown(place, kind, recipient, env), env, 10_000))
        made += _cpu(url)
    made[1:1] = _credstash(made[0].ours)
    return made, lines


def _peers(kind: str, first: float, repo: Repo, env: Mapping[str, str]) -> list[Row]:
    files = sorted(f"s/{path.name}" for path in (repo.path / "s").iterdir())
    service, _ = STORES[kind]
    loop = [sys.executable, "-c", _LOOP, service, tool("sops"), *files]
    looped = seconds(lambda: command(loop, cwd=repo.path, env=dict(env)), times=1)
    what = f"first apply of 1,000 entries, {kind}"
    made = [Row(what, first, looped, "sops -d and boto3 in a loop", "")]
    aws = [str(_peer_bin() / "aws"), service]
    one = {
        "ssm": ["put-parameter", "--type", "SecureString", "--value", "canary-v", "--name"],
        "secretsmanager": ["create-secret", "--secret-string", "canary-v", "--name"],
    }[service]

    def cli() -> None:
        for i in range(SAMPLE):
            command([*aws, *one, f"/bench/cli/{i}" if service == "ssm" else f"bench/cli/{i}"], env=dict(env))

    peer = f"aws {service} {one[0]} in a shell loop (from {SAMPLE})"
    return [*made, Row(what, first, seconds(cli, times=1) * 1000 / SAMPLE, peer, "")]


def _credstash(first: float) -> list[Row]:
    """Its table is in DynamoDB, its key in KMS: moto has both."""
    with _server("moto.server", python=str(_peer_bin() / "python"), flag="-p") as url:
        env = _aws_environ(url)
        credstash = str(_peer_bin() / "credstash")
        key = "import boto3; k = boto3.client('kms'); i = k.create_key()['KeyMetadata']['KeyId']; "
        key += "k.create_alias(AliasName='alias/credstash', TargetKeyId=i)"
        with tempfile.TemporaryDirectory() as scratch:  # it writes credstash.log where it stands
            place = Path(scratch)
            command([sys.executable, "-c", key], env=env)
            command([credstash, "setup"], cwd=place, env=env)

            def put() -> None:
                for i in range(SAMPLE):
                    command([credstash, "put", f"bench.{i}", "canary-v"], cwd=place, env=env)

            taken = seconds(put, times=1) * 1000 / SAMPLE
    return [Row("first apply of 1,000 entries, aws-ssm", first, taken, f"credstash put in a loop (from {SAMPLE})", "")]


def _plan(kind: str, repo: Repo, env: Mapping[str, str], entries: int) -> str:
    """A no-op plan: what it asks of the server, and CPU seconds of the client for a thousand entries."""
    before = os.times()
    args = [*SOPSYNC, "plan", "--json", "-v"]
    done = subprocess.run(args, cwd=repo.path, env=dict(env), capture_output=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    plan = json.loads(done.stdout)
    assert plan["counts"]["unchanged"] == entries, plan["summary"]
    calls = re.search(r"cloud: (\d+) calls?", done.stderr.decode())
    return (
        f"| {kind} | {entries:,} | {calls[1] if calls else '?'} | {plan['files_decrypted']} | {plan['values_read']} "
        f"| {used / entries * 1000:.2f} s |"
    )


def _grown(place: Path, kind: str, recipient: str, env: Mapping[str, str]) -> Repo:
    repo = _repository(place / f"{kind}-grown", kind, recipient, files=1_000, region="eu-central-1")
    command([*SOPSYNC, "apply", "--yes", "-q"], cwd=repo.path, env=dict(env))
    return repo


def _cpu(url: str) -> list[Row]:
    """CPU seconds of 1,000 writes, by the store and by bare boto3, in this process: the server is another."""
    import boto3

    from sopsync.model import Payload, Secret
    from sopsync.stores.kinds import KINDS, Context
    from sopsync.stores.testing.place import stamp

    environ = _aws_environ(url)
    made = []
    for kind, (service, _) in STORES.items():
        raw = {"type": kind, "region": "us-east-1", "rates": _rates(kind)}
        store = KINDS[kind].open(
            "cloud",
            KINDS[kind].settings.model_validate(raw),
            Context(lambda _r: None, environ, Path()),  # type: ignore[arg-type,return-value]
        )
        client = boto3.client(
            service, region_name="us-east-1", endpoint_url=url,
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        slash = "/" if service == "ssm" else ""

        def ours(i: int, store: Any = store, slash: str = slash) -> None:
            payload = Payload(value=Secret(b"canary-v"))
            store.write(f"{slash}cpu/ours/{i}", payload, stamp(), expect=None, options={}, tags={})

        def bare(i: int, client: Any = client, slash: str = slash, service: str = service) -> None:
            if service == "ssm":
                client.put_parameter(
                    Name=f"{slash}cpu/bare/{i}", Value="canary-v", Type="SecureString", Description="d" * 200
                )
            else:
                client.create_secret(
                    Name=f"cpu/bare/{i}", SecretString="canary-v", Tags=[{"Key": "a", "Value": "d" * 200}]
                )

        calls = store.calls
        mine, theirs = _cpu_of(ours), _cpu_of(bare)
        a_call = mine * 1000 / (store.calls - calls)
        made.append(Row(f"CPU of 1,000 calls that write, {kind}", a_call, theirs, "bare boto3", "at least 0.77"))
    return made


def _cpu_of(one: Any) -> float:
    one(-1)  # a client loads much at its first call
    start = time.process_time()
    for i in range(1000):
        one(i)
    return time.process_time() - start


def _rates(kind: str) -> dict[str, float]:
    """No pace: the server is ours."""
    from sopsync.stores.aws_secrets_settings import QUOTAS
    from sopsync.stores.aws_ssm_settings import RATES

    return dict.fromkeys(RATES if kind == "aws-ssm" else QUOTAS, 100_000.0)


def _repository(at: Path, kind: str, recipient: str, *, files: int, region: str = "eu-west-1") -> Repo:
    """Files of ten values, all of them real SOPS files."""
    repo = Repo.init(at)

    def encrypt(i: int) -> None:
        plain = "".join(f"key{k}: canary-{i}-{k}\n" for k in range(10))
        args = [tool("sops"), "encrypt", "--age", recipient, "--input-type", "yaml", "--output-type", "yaml"]
        done = subprocess.run([*args, "/dev/stdin"], input=plain.encode(), capture_output=True, check=True)
        repo.write(f"s/f{i:05}.yaml", done.stdout)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encrypt, range(files)))
    _, name = STORES[kind]
    rates = json.dumps(_rates(kind))
    repo.write(
        "sopsync.yaml",
        f"version: 1\nowner: bench\nstores:\n  cloud: {{type: {kind}, region: {region}, rates: {rates}}}\n"
        f"sync:\n  - from: s/{{file}}.yaml\n    to: [{{store: cloud, name: '{name}'}}]\n",
    )
    repo.commit("Start")
    return repo


def _environment(url: str, place: Path) -> tuple[dict[str, str], str]:
    from pyrage import x25519

    identity = x25519.Identity.generate()
    return {**_aws_environ(url), "HOME": str(place), "SOPS_AGE_KEY": str(identity)}, str(identity.to_public())


def _aws_environ(url: str) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
    return {
        **keep,
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIABENCH00000000000",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def _server(module: str, *, python: str = sys.executable, flag: str = "") -> Iterator[str]:
    """A server in a process of its own, so that its CPU is not ours."""
    import urllib.error
    import urllib.request

    port = free_port()
    args = [python, "-m", module, *([flag] if flag else []), str(port)]
    process = subprocess.Popen(args, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.HTTPError:
                break  # it answers
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield url
    finally:
        process.kill()
        process.wait()


def _peer_bin() -> Path:
    """The peers' own environment, made once."""
    at = ROOT / "bench/.work/peers"
    if not (at / "bin/credstash").exists():
        venv.create(at, with_pip=True, clear=True)
        command(
            [str(at / "bin/python"), "-m", "pip", "install", "-q", "--only-binary", ":all:", "awscli", "moto[server]"]
        )
        command(
            [
                str(at / "bin/python"),
                "-m",
                "pip",
                "install",
                "-q",
                "--no-binary",
                "credstash",
                "credstash",
                "setuptools<81",
            ]
        )
    return at / "bin"


def main() -> None:
    made, lines = rows()
    for row in made:
        print(f"{row.ours:8.3f} s  {row.peer_name}: {row.peer:8.3f} s  {row.ratio:5.1f} times  {row.what}")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
