"""Every command, through success and failure, as verbose as it gets: no secret anywhere it can be looked for."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sopsync.cli import app
from sopsync.errors import SopsyncError
from sopsync.render.formats import Format
from tests.stores.local_harness import IDENTITY
from tests.support import leaks
from tests.support.exceptions import exception_texts
from tests.support.servers import OpenBao
from tests.support.story import Stage, capture, vault_stage

CONFIG = """
| version: 1
| owner: acme
| stores:
|   local: {type: local, recipients: [$RECIPIENT]}
|   bao: {type: vault, address: "$ADDRESS", mount: "$MOUNT", prefix: p}
|   down: {type: vault, address: "http://127.0.0.1:1", mount: kv}
| sync:
|   - from: "{service}.yaml"
|     to:
|       - {store: local, name: "{service}"%s}
|       - {store: bao, name: "{service}"%s}
|       - {store: local, name: "json/{service}", encode: json}
|       - {store: down, name: "{service}"}
|   - from: "*.bin"
|     to:
|       - {store: local, name: bin}
|       - {store: bao, name: bin}
"""

WITNESS = """#!/bin/sh
{ tr '\\0' '\\n' </proc/self/environ; printf '%%s\\n' "$@"; } >>"%s"
exec "%s" "$@"
"""


class Searched:
    """A stage on which everything that could hold a secret is kept and searched."""

    def __init__(self, stage: Stage, tmp: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
        self.stage = stage
        self.kept: dict[str, str] = {}
        self.codes: list[int] = []
        self.children = tmp / "children.txt"
        self.folders = [stage.repo.path, tmp / "temporary"]
        self.folders[1].mkdir()
        self.secrets = ("canary-", str(IDENTITY), token)
        monkeypatch.setenv("TMPDIR", str(self.folders[1]))
        monkeypatch.setattr("tempfile.tempdir", None)
        self._watch_children(tmp / "bin", monkeypatch)
        self._watch_errors(monkeypatch)

    def _watch_children(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """git and gpg, each behind a script that notes its environment and arguments."""
        folder.mkdir()
        for name in ("git", "gpg"):
            real = next((p for d in os.environ["PATH"].split(":") if (p := Path(d, name)).exists()), None)
            if real is not None:
                script = folder / name
                script.write_text(WITNESS % (self.children, real))
                script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.path = f"{folder}:{os.environ['PATH']}"

    def _watch_errors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every error a command ends in, with its causes and the text of its traceback."""
        report = app._report

        def note(error: SopsyncError, *, as_json: bool) -> None:
            self.kept |= {f"{where} {len(self.kept)}": text for where, text in exception_texts(error).items()}
            report(error, as_json=as_json)

        monkeypatch.setattr(app, "_report", note)

    def sopsync(self, *argv: str) -> str:
        path = os.environ["PATH"]
        os.environ["PATH"] = self.path
        try:
            code, said = capture(list(argv))
        finally:
            os.environ["PATH"] = path
        self.codes.append(code)
        self.kept[f"{len(self.kept)}: sopsync {' '.join(argv)}"] = said
        return said

    def found(self) -> list[leaks.Leak]:
        """Every leak."""
        assert self.children.stat().st_size > 0, "no child was seen"
        made = leaks.scan(self.kept, self.secrets) + leaks.scan(self.children, self.secrets)
        return made + [leak for folder in self.folders for leak in leaks.scan(folder, self.secrets)]


def every_command(searched: Searched) -> None:
    """All commands; every way an entry or a file can go wrong."""
    s, run = searched.stage, searched.sopsync
    s.do_put(["api.yaml", "token=canary-1", "db=canary-2"])
    s.do_commit(["Secrets"])
    run("init")
    s.repo.remove("sopsync.yaml")
    configure(searched)
    s.repo.write("a.bin", s.encrypt("a.bin", "canary-\xff", "binary"))
    s.do_commit(["Start"])
    for argv in (
        ["check"],
        ["check", "--json"],
        ["schema"],
        ["schema", "manifest"],
        ["plan", "-v"],
        ["plan", "--json"],
    ):
        run(*argv)
    every_format(searched)
    run("plan", "--sealed", "-v")
    run("plan", "-o", "plan.json")
    run("apply", "plan.json", "-v")
    run("apply", "--yes", "-v", "--json")
    s.do_put(["api.yaml", "token=canary-8", "new=canary-9"])
    s.do_commit(["Edit"])
    every_format(searched)
    # drift, a foreign entry, both sides, healing, adopting
    s.do_outside(["put", "api", "token=canary-foreign"])
    s.do_outside(["put", "web", "token=canary-theirs"])
    s.do_put(["web.yaml", "token=canary-3", "json=canary-{"])
    s.do_commit(["Web"])
    run("plan", "-v", "--verify")
    run("apply", "--yes", "-v")
    s.do_put(["api.yaml", "token=canary-4"])
    configure(searched, ", adopt: true, on_drift: heal")
    s.do_commit(["Heal and adopt"])
    run("plan", "--sealed", "--json", "-v")
    run("apply", "--yes", "-v")
    run("apply", "--yes", "--require-signed")
    # files that do not open: tampered, without a key, of another shape, unencrypted
    sealed = (s.repo.path / "api.yaml").read_text()
    s.repo.write("api.yaml", sealed.replace("token:", "tokem:"))
    s.do_commit(["Rename a key behind sops' back"])
    run("apply", "--yes", "-v")
    s.repo.write("api.yaml", sealed)
    s.repo.write("plain.yaml", "token: never-encrypted\n")
    s.do_commit(["A plaintext file"])
    run("plan")
    every_format(searched)
    s.repo.git("rm", "-q", "plain.yaml")
    s.do_put(["odd.yaml", "n=canary-5"])
    s.repo.write("odd.yaml", s.encrypt("odd.yaml", '{"n": [canary-6], "x": null}\n'))
    s.do_commit(["A list, and a null"])
    run("check")
    s.repo.git("rm", "-q", "odd.yaml")
    s.do_put(["big.yaml", f"token=canary-{'x' * 3_000_000}"])
    s.do_put(["api.yaml", "token=canary-7"])
    s.do_commit(["Too large"])
    run("apply", "--yes", "-v")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("SOPS_AGE_KEY")
        run("plan", "-v", "--verify")
        environment.setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-canary-no-key-at-all")
        run("apply", "--yes", "-v")
        environment.setenv("VAULT_TOKEN", "canary-no-such-token")
        run("plan", "-v")
    run("plan", "--nonsense=canary-argument"[:10])


def every_format(searched: Searched) -> None:
    """What plan, check and diff find, as every format writes it to a file, and one of them prints it."""
    for form, command in zip(
        Format, ("plan -v", "plan --sealed", "check", "check --staged", "diff HEAD~1"), strict=False
    ):
        files = [f"--report={name}={searched.folders[1]}/{len(searched.kept)}.{name}" for name in Format]
        searched.sopsync(*command.split(), *files, "--format", form)


def configure(searched: Searched, options: str = "") -> None:
    body = [line.removeprefix("| ") for line in (CONFIG % (options, options)).strip().splitlines()]
    searched.stage.do_write(["sopsync.yaml"], body)


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> Callable[[str], Searched]:
    def make(mount: str) -> Searched:
        policy = (
            f'path "{mount}/*" {{ capabilities = ["create", "read", "update", "delete", "list", "patch", "scan"] }}'
        )
        stage = vault_stage(tmp_path, monkeypatch, bao, mount)
        token = bao.token_for(policy, mount)
        monkeypatch.setenv("VAULT_TOKEN", token)
        return Searched(stage, tmp_path, monkeypatch, token)

    return make


def test_nothing_leaks(searched: Callable[[str], Searched]) -> None:
    s = searched("leaks")
    every_command(s)
    assert {0, 1, 3, 4} <= set(s.codes), "success and failure were both seen"
    assert not s.found()


@pytest.mark.reveals("leaks are planted here, to see them found")
@pytest.mark.parametrize("channel", ["output", "log file", "child", "disguised"])
def test_a_planted_leak_is_found(
    channel: str, searched: Callable[[str], Searched], monkeypatch: pytest.MonkeyPatch
) -> None:
    s = searched(f"planted-{channel.replace(' ', '-')}")
    s.stage.do_put(["api.yaml", "token=canary-1"])
    configure(s)
    s.stage.do_commit(["Start"])
    s.sopsync("plan")
    assert not s.found()
    match channel:
        case "output":
            s.kept["planted"] = "error: could not convert canary-1"
        case "log file":
            (s.folders[1] / "debug.log").write_text("canary-1")
        case "child":
            monkeypatch.setattr("sopsync.git.process._KEPT", ("PATH", "HOME", "SOPS_AGE_KEY"), raising=False)
            s.children.write_text(f"SOPS_AGE_KEY={IDENTITY}")
        case "disguised":
            s.kept["planted"] = base64.b64encode(b"xcanary-1").decode()
    assert s.found()
