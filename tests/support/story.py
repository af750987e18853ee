"""CLI stories as text files: commands, what they print, and how they exit, in a real repository of real SOPS files.

    $ put services/api/prod.yaml token=canary-1     encrypt a new file, or set keys of one, with the real sops
    $ commit Add the API                            git add and commit everything
    $ sopsync plan                                  run sopsync, in this process
    …                                               any number of lines; within a line: any text
    (exit 4)                                        0 if not said

Other words: `unset FILE KEY…`, `drop FILE…`, `rename OLD NEW`, `rotate FILE`, `write FILE` (the lines that follow, each
after `| `), `git …`, `outside put|delete|soft_delete|undelete|strip_metadata|copy_metadata NAME [key=value…]` (a writer
that is not sopsync), `recipient FILE WHO`, `manifest FILE ROTATE_AFTER key=value…`, `live NAME` (prints the live
keys, and whether one holds `key=value`), `as VARIABLE=VALUE`.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sopsync.cli import run
from sopsync.model import Payload, Secret
from tests.stores.local_harness import IDENTITY, LocalOutside
from tests.support import leaks
from tests.support.repo import Repo
from tests.support.servers import OpenBao, tool


@dataclass
class Step:
    """One command of a story, with what it should print and how it should exit."""

    line: int
    command: str
    expected: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    exit: int = 0


def parse(text: str) -> list[Step]:
    """The steps of a story. Lines before the first command are prose."""
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif not steps or line.startswith("#") or not line.strip():
            continue
        elif line.startswith("| ") or line == "|":
            steps[-1].body.append(line[2:])
        elif match := re.fullmatch(r"\(exit (\d+)\)", line):
            steps[-1].exit = int(match[1])
        else:
            steps[-1].expected.append(line)
    return steps


def matches(expected: list[str], got: list[str]) -> bool:
    """Whether the output is as told: `…` alone stands for any lines, within a line for any text."""
    if not expected:
        return not got
    if expected[0].strip() == "…":
        return any(matches(expected[1:], got[i:]) for i in range(len(got) + 1))
    pattern = ".*".join(map(re.escape, expected[0].split("…")))
    return bool(got) and bool(re.fullmatch(pattern, got[0])) and matches(expected[1:], got[1:])


class Stage:
    """Where a story plays: a repository, an age key in the environment, and a store with a foreign writer."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch, outside: Callable[[Repo], Any]) -> None:
        self.repo = Repo.init(tmp / "acme")
        self.repo.write(".git/info/exclude", ".sopsync/\nplan.json\n")  # `commit` adds everything
        self.outside = outside(self.repo)
        self.monkeypatch = monkeypatch
        self.recipient = str(IDENTITY.to_public())
        self.variables: dict[str, str] = {}
        monkeypatch.setenv("SOPS_AGE_KEY", str(IDENTITY))
        monkeypatch.setenv("HOME", str(tmp))
        monkeypatch.chdir(self.repo.path)

    def play(self, text: str) -> None:
        """Run a story; fail at the first step that does not go as told."""
        for step in parse(text):
            code, output = self.step(step)
            got = [line.rstrip() for line in output.splitlines() if line.strip()]
            told = "\n".join(["", f"line {step.line}: $ {step.command}", *got, f"(exit {code})"])
            assert code == step.exit, f"{told}\nexpected (exit {step.exit})"
            if step.command.startswith(("sopsync", "live")):
                assert matches(step.expected, got), "\n".join([told, "--- expected", *step.expected])

    def step(self, step: Step) -> tuple[int, str]:
        """(exit code, everything printed) of one step."""
        word, *words = shlex.split(step.command)
        if word == "sopsync":
            return capture(words)
        action = getattr(self, f"do_{word}", None)
        assert action is not None, f"line {step.line}: no such word: {word}"
        said = action(words, step.body) if word == "write" else action(words)
        return 0, said or ""

    def do_put(self, words: list[str]) -> None:
        """put FILE key=value …"""
        path, pairs = words[0], [word.split("=", 1) for word in words[1:]]
        at = self.repo.path / path
        if at.exists():
            for key, value in pairs:
                pointer = "".join(f'["{part}"]' for part in key.split("."))
                self.sops("set", path, pointer, f'"{value}"')
            return
        lines = [f"{key}: {value}" if key else value for key, value in pairs]
        self.repo.write(path, self.encrypt(path, "\n".join(lines) + "\n"))

    def encrypt(self, path: str, plain: str, kind: str = "") -> bytes:
        """The SOPS file of this plaintext, which is never on disk."""
        fmt = kind or {".yaml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}[Path(path).suffix]
        args = ["encrypt", "--age", self.recipient, "--input-type", fmt, "--output-type", fmt, "/dev/stdin"]
        return self.sops(*args, data=plain.encode())

    def sops(self, *args: str, data: bytes | None = None) -> bytes:
        done = subprocess.run([tool("sops"), *args], cwd=self.repo.path, input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def do_unset(self, words: list[str]) -> None:
        for key in words[1:]:
            self.sops("unset", words[0], f'["{key}"]')

    def do_drop(self, words: list[str]) -> None:
        for path in words:
            self.repo.remove(path)

    def do_rename(self, words: list[str]) -> None:
        (self.repo.path / words[1]).parent.mkdir(parents=True, exist_ok=True)
        (self.repo.path / words[0]).rename(self.repo.path / words[1])

    def do_tamper(self, words: list[str]) -> None:
        """Take a line out of a SOPS file by hand: what is left has a MAC that does not fit."""
        at = self.repo.path / words[0]
        at.write_text(at.read_text().partition("\n")[2])

    def do_link(self, words: list[str]) -> None:
        (self.repo.path / words[1]).symlink_to(words[0])

    def do_odd(self, words: list[str]) -> None:
        """A file whose key has a newline and what a CI runner would obey."""
        self.repo.write(words[0], self.encrypt(words[0], '"a\\n::stop-commands::x": canary-odd\n'))

    def do_recipient(self, words: list[str]) -> None:
        """recipient FILE WHO: somebody more may open it, and no ciphertext is touched (as sops updatekeys)."""
        (self.repo.path / "two.yaml").write_text(
            f"creation_rules:\n  - age: {self.recipient},{words[1]}\n", encoding="utf-8"
        )
        self.sops("--config", "two.yaml", "updatekeys", "-y", words[0])
        self.repo.remove("two.yaml")

    def do_manifest(self, words: list[str]) -> None:
        """manifest FILE ROTATE_AFTER key=value …: a file that routes itself, to `local`, under its stem."""
        name = Path(words[0]).stem
        data = "".join(f"  {key}: {value}\n" for key, value in (word.split("=", 1) for word in words[2:]))
        head = f"apiVersion: sopsync/v1\nkind: SecretManifest\nmetadata: {{name: {name}, rotate_after: {words[1]}}}\n"
        plain = f"{head}to: [{{store: local, name: {name}}}]\ndata:\n{data}"
        args = ["--age", self.recipient, "--encrypted-regex", "^data$", "--input-type", "yaml", "--output-type", "yaml"]
        self.repo.write(
            words[0], self.sops("--config", "/dev/null", "encrypt", *args, "/dev/stdin", data=plain.encode())
        )

    def do_rotate(self, words: list[str]) -> None:
        self.sops("rotate", "-i", words[0])

    def do_write(self, words: list[str], body: list[str]) -> None:
        text = "\n".join(body).replace("$RECIPIENT", self.recipient) + "\n"
        for name, value in self.variables.items():
            text = text.replace(f"${name}", value)
        self.repo.write(words[0], text)

    def do_commit(self, words: list[str]) -> None:
        self.repo.commit(" ".join(words))

    def do_git(self, words: list[str]) -> str:
        return self.repo.git(*words)

    def do_remember(self, words: list[str]) -> None:
        """remember NAME REV: $NAME in files written later is that commit."""
        self.variables[words[0]] = self.repo.git("rev-parse", words[1])

    def do_as(self, words: list[str]) -> None:
        for word in words:
            name, _, value = word.partition("=")
            value = str(IDENTITY) if value == "$IDENTITY" else value
            self.monkeypatch.setenv(name, value)

    def do_outside(self, words: list[str]) -> None:
        """outside DEED NAME [key=value …]"""
        deed, name, *pairs = words
        values = dict(pair.split("=", 1) for pair in pairs)
        act = getattr(self.outside, deed)
        if values:
            act(name, Payload(fields={key: Secret(value.encode()) for key, value in values.items()}))
        else:
            act(name)

    def do_live(self, words: list[str]) -> str:
        """live NAME [key=value …]: the keys that are live; `key: as told` or `key: different` for each pair."""
        name, *pairs = words
        live = self.outside.peek(name)
        if live is None:
            return "nothing"
        fields = live.as_fields()
        told = dict(pair.split("=", 1) for pair in pairs)
        return "\n".join(
            f"{key}: {'as told' if key in fields and fields[key].reveal() == value.encode() else 'different'}"
            for key, value in told.items()
        ) or ", ".join(sorted(fields))


@dataclass(frozen=True)
class BaoHand:
    """A foreign hand in the folder `p` of a mount."""

    bao: OpenBao
    mount: str

    def peek(self, name: str) -> Payload | None:
        try:
            found = self.bao.call("GET", f"{self.mount}/data/p/{name}")["data"]["data"]
        except urllib.error.HTTPError as error:
            error.close()
            return None
        return Payload(fields={key: Secret(value.encode()) for key, value in found.items()})

    def put(self, name: str, payload: Payload) -> None:
        data = {key: secret.reveal().decode() for key, secret in payload.as_fields().items()}
        self.bao.call("POST", f"{self.mount}/data/p/{name}", {"data": data})

    def soft_delete(self, name: str) -> None:
        self.bao.call("DELETE", f"{self.mount}/data/p/{name}")


def local_outside(repo: Repo) -> LocalOutside:
    """A foreign hand in the embedded store of a repository."""
    return LocalOutside(repo.path / ".sopsync" / "store.db")


def vault_stage(tmp: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao, mount: str) -> Stage:
    """A stage whose foreign hand, and token, are those of a real OpenBao."""
    bao.mount(mount)
    stage = Stage(tmp, monkeypatch, lambda _repo: BaoHand(bao, mount))
    stage.variables = {"ADDRESS": bao.address, "MOUNT": mount}
    monkeypatch.setenv("VAULT_TOKEN", bao.token)
    return stage


def capture(argv: list[str]) -> tuple[int, str]:
    """(exit code, standard output and error together) of one sopsync command, in this process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(argv)
    leaks.watch(f"sopsync {argv[:1]}", said.getvalue())
    return code, said.getvalue()


def stories(folder: Path) -> Iterator[Path]:
    """Every story of a folder, by name."""
    yield from sorted(folder.glob("*.txt"))
