"""One scheduled run: what it does, the one line it says, and how it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.reconcile.things import config, reconciled, remote
from tests.support.story import Stage, capture
from tests.support.tools import need


def test_one_line_a_run(acme: Stage) -> None:
    code, said = capture(["reconcile"])
    assert code == 0
    head = acme.repo.head()[:7]
    assert said.startswith(
        f'level=info msg="reconciled" commit={head} created=4 updated=0 adopted=0 restamped=0 restored=0 deleted=0 '
        "drift=0 orphan=0 conflict=0 unknown=0 failed=0 calls="
    )
    assert said.endswith(" exit=0\n")
    assert said.count("\n") == 1
    code, line, before = reconciled()
    assert (code, line["created"], line["commit"], before) == (0, 0, acme.repo.head(), [])
    assert acme.do_live(["api/k0000", "value=canary-0"]) == "value: as told"


def test_one_line_a_problem(acme: Stage) -> None:
    reconciled()
    acme.do_outside(["put", "api/k0001", "value=canary-stranger"])
    acme.do_unset(["api.yaml", "k0002"])
    acme.do_commit(["One less"])
    code, line, before = reconciled()
    assert (code, line["level"], line["drift"], line["orphan"]) == (0, "warn", 1, 1)
    assert [(p["level"], p["msg"], p["where"]) for p in before] == [
        ("warn", "drift", "s:api/k0001"),
        ("warn", "orphan", "s:api/k0002"),
    ]
    assert all(p["what"] and p["hint"] for p in before)


def test_a_dry_run_writes_nothing_and_says_what_is_to_do(acme: Stage) -> None:
    code, line, _ = reconciled("--dry-run")
    assert (code, line["msg"], line["created"]) == (2, "checked", 4)
    assert acme.do_live(["api/k0000"]) == "nothing"
    reconciled()
    assert reconciled("--dry-run")[0] == 0


def test_a_sealed_dry_run_needs_no_keys(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    reconciled()
    monkeypatch.delenv("SOPS_AGE_KEY")
    code, line, _ = reconciled("--dry-run", "--sealed")
    assert (code, line["verified"]) == (0, 0)


def test_a_remote_is_fetched_each_time_and_nothing_of_it_is_left(
    acme: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    url = remote(acme)
    assert reconciled("--repo", url)[1]["created"] == 4
    acme.do_put(["api.yaml", "k0001=canary-new"])
    acme.do_commit(["New"])
    assert reconciled("--repo", url)[1]["updated"] == 0
    acme.repo.git("push", "-q", "forge", "main")
    code, line, _ = reconciled("--repo", url)
    assert (code, line["updated"], line["commit"]) == (0, 1, acme.repo.head())
    assert list(folder.iterdir()) == []


def test_given_storage_is_kept_and_healed(acme: Stage, tmp_path: Path) -> None:
    url, kept = remote(acme), tmp_path / "kept"
    args = ("--repo", url, "--storage", str(kept))
    assert reconciled(*args)[0] == 0
    (clone,) = kept.iterdir()
    assert (clone.stat().st_mode & 0o77) == 0
    for left in ("refs/heads/main.lock", "shallow.lock", "objects/pack/tmp_pack_x"):  # a run that was killed
        (clone / left).parent.mkdir(parents=True, exist_ok=True)
        (clone / left).touch()
    acme.do_put(["api.yaml", "k0001=canary-new"])
    acme.do_commit(["New"])
    acme.repo.git("push", "-q", "forge", "main")
    assert reconciled(*args)[1]["updated"] == 1


def test_a_damaged_clone_is_named_and_what_to_do(acme: Stage, tmp_path: Path) -> None:
    args = ("--repo", remote(acme), "--storage", str(tmp_path / "kept"))
    assert reconciled(*args)[0] == 0
    (clone,) = (tmp_path / "kept").iterdir()
    head = (clone / "HEAD").read_text()
    (clone / "HEAD").write_text("nonsense")
    acme.repo.git("init", "-q", "--bare", str(clone.parent / ".git"))  # which is not what to fetch into instead
    code, _, (problem,) = reconciled(*args)
    assert (code, problem["where"]) == (1, str(clone))
    assert problem["hint"].endswith("remove it, and the next run makes it anew")
    (clone / "HEAD").write_text(head)
    for file in (file for file in clone.glob("objects/*/*") if file.is_file()):
        file.chmod(0o600)
        file.write_bytes(b"")
    code, _, (problem,) = reconciled(*args)
    assert (code, problem["where"]) == (1, str(clone))
    assert problem["what"].startswith("cannot fetch: error: object file"), "what git said first, not of our settings"
    assert problem["hint"].endswith("remove it, and the next run makes it anew")


def test_a_branch_that_was_fetched_earlier_is_neither_in_the_way_nor_believed(acme: Stage, tmp_path: Path) -> None:
    """`a` became `a/b` at the remote, where `main` has gone back: storage that saw both must not say otherwise."""
    args = ("--repo", remote(acme), "--storage", str(tmp_path / "kept"))
    acme.do_write(["sopsync.yaml"], [*config(acme), "branch: a"])
    acme.do_commit(["Another branch"])
    acme.repo.git("push", "-q", "forge", "main", "main:a")
    assert reconciled(*args, "--rev", "a")[0] == 0
    acme.repo.git("push", "-q", "forge", ":a", "main:a/b")
    for ref in ("a/b", "main"):
        code, _, (problem,) = reconciled(*args, "--rev", ref)
        assert (code, problem["what"]) == (1, "this clone has no branch a")


def test_storage_is_for_one_run_at_a_time(acme: Stage, tmp_path: Path) -> None:
    import fcntl

    args = ("--repo", remote(acme), "--storage", str(tmp_path / "kept"))
    reconciled(*args)
    (clone,) = (tmp_path / "kept").iterdir()
    with (clone / "sopsync.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, (problem,) = reconciled(*args)
    assert (code, problem["what"]) == (1, "another run is using this clone")


def test_history_that_went_back_is_refused(acme: Stage) -> None:
    url = remote(acme)
    acme.do_put(["api.yaml", "k0001=canary-new"])
    acme.do_commit(["New"])
    acme.repo.git("push", "-q", "forge", "main")
    reconciled("--repo", url)
    acme.repo.git("push", "-q", "--force", "forge", "HEAD~1:main")
    code, line, (problem,) = reconciled("--repo", url)
    assert (code, problem["msg"], line["updated"]) == (4, "refused", 0)
    assert acme.do_live(["api/k0001", "value=canary-new"]) == "value: as told"


def test_an_embedded_store_in_a_clone_that_is_thrown_away_is_refused(acme: Stage, tmp_path: Path) -> None:
    lines = config(acme)
    lines[3] = "  s: {type: local, recipients: [$RECIPIENT]}"
    acme.do_write(["sopsync.yaml"], lines)
    acme.do_commit(["Beside the repository"])
    url = remote(acme)
    code, _, (problem,) = reconciled("--repo", url)
    assert code == 1
    assert "thrown away" in problem["what"]
    assert reconciled("--repo", url, "--storage", str(tmp_path / "kept"))[0] == 0


def test_only_signed_commits(acme: Stage, tmp_path: Path) -> None:
    need("ssh-keygen")
    key, signers = tmp_path / "key", tmp_path / "signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers.write_text(f"ana@acme.example {key.with_suffix('.pub').read_text()}")
    url = remote(acme)
    args = ("--repo", url, "--require-signed", "--allowed-signers", str(signers))
    code, line, _ = reconciled(*args)
    assert (code, line["created"]) == (4, 0)
    acme.repo.git("config", "gpg.format", "ssh")
    acme.repo.git("config", "user.signingkey", str(key))
    acme.repo.git("commit", "-q", "--allow-empty", "-S", "-m", "Signed")
    acme.repo.git("push", "-q", "forge", "main")
    assert reconciled(*args)[1]["created"] == 4


def test_secrets_past_their_time_are_told_without_keys(acme: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.do_write(["sopsync.yaml"], [*config(acme), "  - from: m/*.yaml"])
    path = acme.repo.path / ".sopsync.tmp"
    manifest = (
        "apiVersion: sopsync/v1\nkind: SecretManifest\nmetadata: {name: pay, rotate_after: 90d}\n"
        "to: [{store: s, name: 'pay/{key}'}]\ndata: {key: canary-old}\n"
    )
    args = ["encrypt", "--age", acme.recipient, "--encrypted-regex", "^data$", "--input-type", "yaml"]
    acme.repo.write("m/pay.yaml", acme.sops(*args, "--output-type", "yaml", "/dev/stdin", data=manifest.encode()))
    assert not path.exists()
    acme.do_commit(["A manifest with a limit"])
    reconciled()
    monkeypatch.delenv("SOPS_AGE_KEY")
    code, line, before = reconciled("--dry-run", "--sealed")
    assert (code, line["overdue"]) == (0, 1)
    assert [(p["msg"], p["where"]) for p in before] == [("overdue", "m/pay.yaml:/data/key")]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--sealed"], "--sealed uses no keys"),
        (["--listen", ":1"], "--listen serves a process that stays up"),
        (["--every", "5"], "--every: not a time: 5"),
        (["--shard", "4/4"], "--shard: not one part of several: 4/4"),
        (["--shard", "4"], "--shard: not one part of several: 4"),
        (["--token-file", "f", "--token-command", "c"], "two ways to one token"),
        (["--ssh-key", "k"], "--ssh-key and --known-hosts go together"),
        (["--repo", "git@example.com:acme/x.git"], "a repository over ssh needs --ssh-key"),
        (["--webhook", "https://example.com"], "--webhook is signed, and needs a key"),
    ],
)
def test_options_that_cannot_be(args: list[str], said: str, acme: Stage) -> None:
    code, text = capture(["reconcile", *args])
    assert code == 64
    assert said in text
    assert "hint: " in text


@pytest.mark.parametrize(
    "url",
    [
        "https://user:canary-token@example.com/x.git",
        "https://canary-token@example.com/x.git",
        "http://example.com/x.git",
        "ext::sh -c true",
        "git://example.com/x",
        "ssh://-oProxyCommand=x/y",
        "https:///x",
    ],
)
def test_urls_that_must_not_be_used(url: str, acme: Stage) -> None:
    code, text = capture(["reconcile", "--repo", url])
    assert code in (1, 64)
    assert "hint" in text
    assert "canary" not in text
