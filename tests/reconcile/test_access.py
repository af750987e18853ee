"""Getting at a remote: the token reaches the server and nobody else, ssh is ours and nobody's configuration."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sopsync.stores.local import LocalStore
from tests.reconcile.things import reconciled, remote
from tests.support import leaks
from tests.support.githttp import GitServer, git_server
from tests.support.story import Stage
from tests.support.tools import need

TOKEN = "canary-git-token"
BASIC = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


@pytest.fixture
def forge(acme: Stage, tmp_path: Path) -> Iterator[GitServer]:
    remote(acme)
    with git_server(tmp_path, f"x-access-token:{TOKEN}") as server:
        yield server


def test_a_token_from_a_file_a_command_or_the_environment(
    acme: Stage, forge: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{forge.url}/forge.git"
    held = tmp_path / "token"
    held.write_text(TOKEN + "\n")
    assert reconciled("--repo", url, "--token-file", str(held))[0] == 0
    program = tmp_path / "app token"
    program.write_text('#!/bin/sh\n[ "$1" = "for acme" ] && printf %s "$SOPSYNC_GIT_APP${SOPS_AGE_KEY-}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("SOPSYNC_GIT_APP", TOKEN)
    assert reconciled("--repo", url, "--token-command", f"'{program}' 'for acme'")[0] == 0
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", TOKEN)
    assert reconciled("--repo", url)[0] == 0
    assert BASIC in {given for _, given in forge.seen}


def test_a_wrong_token_a_missing_one_and_a_branch_that_is_not_there(
    acme: Stage, forge: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{forge.url}/forge.git"
    code, line, (problem,) = reconciled("--repo", url)
    assert (code, line["level"], line["commit"]) == (1, "error", "")
    assert "--token-file" in problem["hint"]
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", "canary-wrong")
    code, _, (problem,) = reconciled("--repo", url)
    assert (code, problem["hint"]) == (1, "the token is wrong, has expired, or may not read this repository")
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", TOKEN)
    code, _, (problem,) = reconciled("--repo", url, "--rev", "other")
    assert (code, problem["hint"]) == (1, "--rev names a branch of the repository")


def test_a_token_does_not_follow_a_redirect(
    acme: Stage, forge: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", TOKEN)
    with git_server(tmp_path, f"x-access-token:{TOKEN}") as thief:
        forge.redirect = thief.url
        code, _, (problem,) = reconciled("--repo", f"{forge.url}/forge.git")
        assert code == 1
        assert "moved" in problem["hint"]
        assert thief.seen == []


def test_the_token_is_in_no_argument_environment_or_file(
    acme: Stage, forge: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git notes what it was given; what it starts has that environment too, and the URL for an argument."""
    notes, folder = tmp_path / "notes", tmp_path / "bin"
    folder.mkdir()
    note = f"{{ tr '\\0' '\\n' </proc/self/environ; printf '%s\\n' \"$@\"; }} >>'{notes}'"
    (folder / "git").write_text(f"#!/bin/sh\n{note}\nexec '{need('git')}' \"$@\"\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", TOKEN)
    # a helper that would write a token that worked to disk
    acme.repo.write("../.gitconfig", "[credential]\n\thelper = store\n")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    kept = tmp_path / "kept"
    assert reconciled("--repo", f"{forge.url}/forge.git", "--storage", str(kept))[0] == 0
    assert "SOPSYNC_ASKPASS_FD" in notes.read_text()
    leaks.assert_clean(notes, [TOKEN])
    leaks.assert_clean(kept, [TOKEN])
    assert not (tmp_path / ".git-credentials").exists()


@pytest.mark.parametrize("by", ["variable", "file"])
def test_whoever_a_run_starts_does_not_see_the_token(
    by: str, acme: Stage, forge: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what an SDK starts with the environment of this process, and where the variable was not needed."""
    held, seen, survey = tmp_path / "token", [], LocalStore.survey
    held.write_text(TOKEN)

    def starting(self: LocalStore, *args: Any) -> Any:
        seen.append(subprocess.run(["env"], capture_output=True, text=True, check=True).stdout)
        return survey(self, *args)

    monkeypatch.setattr(LocalStore, "survey", starting)
    monkeypatch.setenv("SOPSYNC_GIT_TOKEN", TOKEN)
    more = ("--token-file", str(held)) if by == "file" else ()
    assert reconciled("--repo", f"{forge.url}/forge.git", *more)[0] == 0
    assert seen
    assert not [one for one in seen if TOKEN in one or "SOPSYNC_GIT_TOKEN" in one]


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("exit 3", "--token-command failed (exit code 3)"),
        ("true", "no token: one line of text was expected"),
        ("printf 'a b'", "no token: one line of text was expected"),
    ],
)
def test_a_command_that_gives_no_token(program: str, what: str, acme: Stage, tmp_path: Path) -> None:
    (tmp_path / "program").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "program").chmod(0o755)
    args = ("--repo", "http://127.0.0.1:1/x.git", "--token-command", str(tmp_path / "program"))
    code, _, (problem,) = reconciled(*args)
    assert (code, problem["what"]) == (1, what)


def test_ssh_is_ours(acme: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the real ssh makes of our options, as itself tells; then the fetch, over a stand-in that is no network."""
    real, noted, folder = need("ssh"), tmp_path / "noted", tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(
        f"#!/bin/sh\n'{real}' -G \"$@\" >'{noted}' || exit\nfor last; do :; done\nexec sh -c \"$last\"\n"
    )
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    remote(acme)
    key, hosts = tmp_path / "a key", tmp_path / "known hosts"
    args = ("--ssh-key", str(key), "--known-hosts", str(hosts))
    code, _, (problem,) = reconciled("--repo", f"ssh://git@example.invalid{tmp_path}/forge.git", *args)
    assert (code, problem["where"], noted.exists()) == (1, str(key), False)
    key.touch()
    hosts.touch()
    assert reconciled("--repo", f"ssh://git@example.invalid:2222{tmp_path}/forge.git", *args)[0] == 0
    told = dict(line.split(" ", 1) for line in noted.read_text().splitlines() if " " in line)
    assert told["stricthostkeychecking"] in ("true", "yes")
    assert (told["batchmode"], told["identitiesonly"], told["port"], told["user"]) == ("yes", "yes", "2222", "git")
    assert told["identityfile"] == str(key)
    assert told["userknownhostsfile"].strip('"') == str(hosts)
    assert told["globalknownhostsfile"] == os.devnull
    assert "example.invalid" in told["hostname"]
    assert reconciled("--repo", f"git@example.invalid:{tmp_path}/forge.git", *args)[0] == 0


def test_askpass_answers_only_for_the_password_and_only_once() -> None:
    program = str(Path(sys.executable).parent / "sopsync-askpass")

    def asked(prompt: str) -> subprocess.CompletedProcess[bytes]:
        env = {"SOPSYNC_ASKPASS_FD": str(reader)}
        return subprocess.run([program, prompt], env=env, pass_fds=[reader], capture_output=True, check=False)

    reader, writer = os.pipe()
    try:
        os.write(writer, TOKEN.encode())
        os.close(writer)
        assert asked("Username for 'https://example.com': ").returncode == 1
        assert asked("Password for 'https://example.com': ").stdout == TOKEN.encode() + b"\n"
        second = asked("Password for 'https://example.com': ")
        assert (second.returncode, second.stdout) == (1, b"")
    finally:
        os.close(reader)


def test_no_shell_is_started(acme: Stage, forge: GitServer, tmp_path: Path) -> None:
    """With a program that only fails where the shell was, as in an image that has none."""
    shell = Path("/bin/sh").resolve()
    hide = ["unshare", "--mount", need("bash"), "-c", f'mount --bind "$(type -P false)" "{shell}" && exec "$@"', "x"]
    if " " in sys.executable:
        pytest.skip("needs a path without a blank: pip starts programs of such a path through a shell")
    if shell.name == "bash" or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs to mount over /bin/sh: run as root, where unshare --mount may")
    assert subprocess.run([*hide, "sh", "-c", "true"], check=False).returncode == 1, "the shell is still there"
    program = shlex.join([sys.executable, "-c", f"print({TOKEN!r})"])
    command = [sys.executable, "-m", "sopsync", "reconcile", "--repo", f"{forge.url}/forge.git"]
    done = subprocess.run([*hide, *command, "--token-command", program], capture_output=True, text=True, check=False)
    assert (done.returncode, " created=4 " in done.stdout) == (0, True), done.stdout + done.stderr
