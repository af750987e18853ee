"""The GitHub Action, the GitLab template and the pre-commit hooks: their scripts run as a runner runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.forge import BOT, forge
from tests.support import leaks
from tests.support.story import Stage, capture

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"
ACTION = yaml.safe_load((CI / "github" / "action.yml").read_text())
WORKFLOW = yaml.safe_load((CI / "github" / "workflow.yml").read_text())
GITLAB = yaml.safe_load((CI / "gitlab" / "sopsync.gitlab-ci.yml").read_text())
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A base with one secret, and a pull request that brings another; no key is at hand any more."""
    made = Stage(tmp_path, monkeypatch, lambda _repo: None)
    made.do_put(["api.yaml", "token=canary-1"])
    config = ["version: 1", "owner: acme", "stores:", "  local: {type: local, recipients: [$RECIPIENT]}", "sync:"]
    made.do_write(["sopsync.yaml"], [*config, "  - from: '*.yaml'", "    to: [{store: local, name: 'e/{key}'}]"])
    made.repo.write("ci/comment.py", (CI / "comment.py").read_bytes())
    text = (made.repo.path / "sopsync.yaml").read_text().replace("'*.yaml'", "'{service}.yaml'")
    made.repo.write("conf/sopsync.yaml", text)
    made.repo.remove("sopsync.yaml")
    made.do_commit(["Start"])
    made.repo.branch("pull-request")
    made.do_put(["api.yaml", "extra=canary-2"])
    made.do_commit(["One more"])
    monkeypatch.delenv("SOPS_AGE_KEY")
    return made


class Job:
    """A runner's environment, and what the job left behind."""

    def __init__(self, stage: Stage, tmp: Path) -> None:
        self.stage = stage
        self.tmp = tmp / "runner"
        self.tmp.mkdir(exist_ok=True)
        self.output, self.summary = self.tmp / "output", self.tmp / "summary"
        self.base = stage.repo.git("rev-parse", "main")
        stage.repo.git("clone", "-q", "--bare", ".", tmp / "origin.git")
        stage.repo.git("remote", "add", "origin", tmp / "origin.git")

    def run(self, command: list[str], env: Mapping[str, str]) -> tuple[int, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        runner = {
            "PATH": path, "HOME": os.environ["HOME"], "RUNNER_TEMP": str(self.tmp), "COMMENT_WAIT": "0",
            "GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_ACTION_PATH": str(CI / "github"), "TMPDIR": str(self.tmp),
        }  # fmt: skip
        done = subprocess.run(
            command, cwd=self.stage.repo.path, env={**runner, **env}, capture_output=True, text=True, check=False
        )
        leaks.watch("job", done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def step(self, name: str, **env: str) -> tuple[int, str]:
        """A step of the action, as `bash --noprofile --norc -eo pipefail` runs it."""
        return self.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]], env)

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def job(stage: Stage, tmp_path: Path) -> Job:
    return Job(stage, tmp_path)


CONFIG = "conf/sopsync.yaml"
TARGET = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}


@pytest.mark.parametrize(("command", "create"), [("diff", "1"), ("plan", "2"), ("check", "0")])
def test_the_action_says_what_would_change_and_passes(command: str, create: str, job: Job) -> None:
    code, said = job.step("sopsync", COMMAND=command, CONFIG=CONFIG, BASE=job.base)
    assert code == 0, said
    outputs = job.outputs()
    assert outputs["create"] == create
    assert outputs["changes"] == ("false" if create == "0" else "true")
    assert outputs["exit-code"] == ("0" if create == "0" else "2")
    assert job.summary.read_text().startswith(f"<!-- sopsync:{command}:{CONFIG} -->\n")
    assert json.loads(Path(outputs["json"]).read_text())["command"] == command
    assert set(ACTION["outputs"]) == set(outputs), "every output is set"
    leaks.assert_clean(job.tmp)


def test_changes_fail_only_where_asked_for(job: Job) -> None:
    assert job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=job.base, FAIL_ON_CHANGES="true")[0] == 2
    assert job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE="HEAD", FAIL_ON_CHANGES="true")[0] == 0


def test_a_problem_fails_and_is_annotated_and_summarised(job: Job) -> None:
    job.stage.repo.write("plain.yaml", "token: never-encrypted\n")
    job.stage.do_commit(["A plain file"])
    code, said = job.step("sopsync", COMMAND="check", CONFIG=CONFIG, BASE=job.base)
    assert code == 1
    assert "::error file=plain.yaml,line=1,title=sopsync%3A manifest::not encrypted" in said
    assert "not encrypted" in job.summary.read_text()
    assert job.outputs()["exit-code"] == "1"


def test_a_failure_before_anything_could_be_looked_at_is_reported_too(job: Job) -> None:
    code, said = job.step("sopsync", COMMAND="diff", CONFIG="nowhere.yaml", BASE=job.base)
    assert code == 1
    assert "::error file=nowhere.yaml,title=sopsync%3A error::not in commit" in said
    assert "not in commit" in job.summary.read_text()
    told = job.outputs()
    assert told["exit-code"] == "1"
    assert [told[name] for name in ("changes", "create", "update", "delete")] == [""] * 4, "not those of a clean run"
    assert job.step("sopsync", COMMAND="apply", CONFIG=CONFIG, BASE="")[0] == 64


def test_reports_of_a_step_before_are_not_this_ones(job: Job) -> None:
    assert job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=job.base)[0] == 0
    before = Path(job.outputs()["json"])
    assert before.exists()
    job.output.unlink()
    job.summary.unlink()
    (job.tmp / "bin").mkdir()
    (job.tmp / "bin" / "sopsync").write_text("#!/bin/sh\nexit 137\n")
    (job.tmp / "bin" / "sopsync").chmod(0o755)
    path = f"{job.tmp / 'bin'}:{os.environ['PATH']}"
    assert job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=job.base, PATH=path)[0] == 137
    assert not before.exists()
    assert not job.summary.exists()
    assert job.outputs()["changes"] == ""
    assert not {"json", "markdown", "sarif", "junit"} & job.outputs().keys(), "no path of what is not there"


def test_the_base_is_the_branch_as_it_is_now(job: Job) -> None:
    """A runner checks out a merge of the pull request into the base branch; base.sha may be older than both."""
    given = re.fullmatch(
        r"\$\{\{ github\.base_ref && format\('(\S+)\{0\}', github\.base_ref\) \}\}", ACTION["inputs"]["base"]["default"]
    )
    assert given
    repo = job.stage.repo
    repo.checkout("main")
    job.stage.do_put(["others.yaml", "others=canary-3"])
    job.stage.do_commit(["Of others"])
    repo.git("push", "-q", "origin", "main")
    repo.git("fetch", "-q", "origin")
    repo.git("checkout", "-q", "--detach", "main")
    repo.git("merge", "-q", "--no-ff", "-s", "ours", "-m", "Merge", "pull-request")
    code, said = job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=f"{given[1]}main")
    assert code == 0, said
    assert job.outputs()["changes"] == "false", "what others merged is not this pull request's"


def test_inputs_are_never_code(job: Job) -> None:
    for evil in ("$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "--help", "x y"):
        job.step("sopsync", COMMAND="diff", CONFIG=evil, BASE=evil)
        job.step("sopsync", COMMAND=evil, CONFIG=CONFIG, BASE="")
    assert not list(job.stage.repo.path.rglob("pwned*"))


def test_the_comment_is_made_and_then_edited(job: Job) -> None:
    with forge("github") as hub:
        for expected in ("made", "unchanged"):
            job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=job.base)
            env = {**hub.environment(), "BODY": job.outputs()["markdown"], "COMMENT_AUTHOR": BOT}
            assert job.step("Comment", **env) == (0, f"sopsync comment: {expected}\n")
        (body,) = hub.ours()
    assert "| + added | `local:e/extra` |" in body


def test_modules_of_the_checkout_are_never_run(job: Job) -> None:
    for name in ("json", "venv", "os", "sys", "urllib", "sopsync"):
        job.stage.repo.write(f"{name}.py", "open('pwned', 'w').close()\n")
    _, said = job.step("Install sopsync", INSTALL="--version", GITHUB_PATH=str(job.tmp / "path"))
    assert (job.tmp / "sopsync-venv" / "bin" / "python3").exists(), said
    code, said = job.step("sopsync", COMMAND="diff", CONFIG=CONFIG, BASE=job.base)
    assert code == 0, said
    with forge("github") as hub:
        job.step("Comment", BODY=job.outputs()["markdown"], COMMENT_AUTHOR=BOT, **hub.environment())
    with forge("gitlab") as hub:
        env = {**hub.environment(), "SOPSYNC_COMMAND": "diff", "SOPSYNC_CONFIG": CONFIG}
        job.run(["sh", "-c", GITLAB[".sopsync"]["script"][0]], {**env, **TARGET})
        assert hub.ours()
    assert not (job.stage.repo.path / "pwned").exists()


@pytest.mark.parametrize("step", STEPS)
def test_no_expression_is_ever_part_of_a_script(step: str) -> None:
    """docs.github.com, Security hardening: an expression in a script is text before it is a script."""
    assert "${{" not in STEPS[step]["run"]


def test_inputs_and_outputs_exist() -> None:
    text = (CI / "github" / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            if "sopsync" in step["uses"]:
                assert step["with"].keys() <= ACTION["inputs"].keys()


def test_the_workflow_is_pinned_and_asks_for_little() -> None:
    assert WORKFLOW["permissions"] == {}
    assert True in WORKFLOW, "YAML 1.1 reads `on` as true"
    assert WORKFLOW[True] == "pull_request"
    assert WORKFLOW["jobs"]["review"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
            assert "install" not in step["with"] or step["with"]["install"].endswith(f"=={version}")
    checkouts = [s for j in WORKFLOW["jobs"].values() for s in j["steps"] if "checkout" in s["uses"]]
    assert all(s["with"] == {"fetch-depth": 0, "persist-credentials": False} for s in checkouts)


# -- GitLab


@pytest.mark.parametrize("command", ["check", "diff", "plan"])
def test_the_gitlab_script_reports_and_notes(command: str, job: Job) -> None:
    assert GITLAB[f"sopsync {command}"]["variables"] == {"SOPSYNC_COMMAND": command}
    (script,) = GITLAB[".sopsync"]["script"]
    with forge("gitlab") as hub:
        env = {
            **hub.environment(),
            "SOPSYNC_COMMAND": command,
            "SOPSYNC_CONFIG": CONFIG,
            **TARGET,
        }
        code, said = job.run(["sh", "-c", script], env)
        assert code == (0 if command == "check" else 2), said
        assert "sopsync comment: made" in said
        (body,) = hub.ours()
        assert body == (job.stage.repo.path / "comment.md").read_text()
    made = json.loads((job.stage.repo.path / "gitlab.json").read_text())
    assert made == ([] if command == "check" else {"create": 2 if command == "plan" else 1, "update": 0, "delete": 0})
    assert job.run(["sh", "-c", script], {**env, "GITLAB_TOKEN": ""})[0] == code, "without a token: no note"


def test_the_gitlab_note_is_written_by_the_base_branchs_script(job: Job) -> None:
    job.stage.repo.write("ci/comment.py", "import sys; print('the merge request ran this'); sys.exit(0)\n")
    job.stage.do_commit(["Replace the script"])
    (script,) = GITLAB[".sopsync"]["script"]
    with forge("gitlab") as hub:
        env = {**hub.environment(), "SOPSYNC_COMMAND": "diff", "SOPSYNC_CONFIG": CONFIG}
        _, said = job.run(["sh", "-c", script], {**env, **TARGET})
    assert "the merge request ran this" not in said
    assert "sopsync comment: made" in said


def test_gitlab_reports_are_never_the_merge_requests(job: Job) -> None:
    """What it has under their names is neither written through nor passed on: here the run cannot even write."""
    victim = job.tmp / "victim"
    victim.write_text("precious")
    job.stage.repo.write("comment.md", "<!-- sopsync:check:conf/sopsync.yaml -->\nAll is well\n")
    job.stage.repo.write("junit.xml/is/a/directory", "")
    (job.stage.repo.path / "gitlab.json").symlink_to(victim)
    job.stage.repo.git("add", ".")
    job.stage.do_commit(["Speak for sopsync"])
    job.tmp.joinpath("bin").mkdir()
    broken = job.tmp / "bin" / "sopsync"
    broken.write_text("#!/bin/sh\nexit 137\n")
    broken.chmod(0o755)
    (script,) = GITLAB[".sopsync"]["script"]
    with forge("gitlab") as hub:
        env = {**hub.environment(), "SOPSYNC_COMMAND": "check", "SOPSYNC_CONFIG": CONFIG, **TARGET}
        assert job.run(["sh", "-c", script], {**env, "PATH": f"{broken.parent}:{os.environ['PATH']}"})[0] == 137
        assert hub.ours() == []
        assert job.run(["sh", "-c", script], env)[0] == 0
        assert "no problems" in hub.ours()[0]
    assert victim.read_text() == "precious"
    assert (job.stage.repo.path / "junit.xml").is_file()


def test_gitlab_plans_nothing_in_a_forks_pipeline() -> None:
    """docs.gitlab.com, Predefined variables: CI_PROJECT_ID is the fork's, CI_MERGE_REQUEST_PROJECT_ID never is."""
    (rule,) = GITLAB["sopsync plan"]["rules"]
    assert rule["if"].endswith("&& $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID")


def test_gitlab_refuses_a_misspelt_command(job: Job) -> None:
    env = {"SOPSYNC_COMMAND": "chekc", "SOPSYNC_CONFIG": CONFIG, **TARGET}
    (script,) = GITLAB[".sopsync"]["script"]
    code, said = job.run(["sh", "-c", script], env)
    assert (code, said.strip()) == (64, "SOPSYNC_COMMAND must be plan, check or diff")


def test_gitlab_goes_by_the_target_branch_as_it_is_now(job: Job) -> None:
    repo = job.stage.repo
    repo.git("checkout", "-q", "--detach", "main")
    repo.write("ci/comment.py", "print('the tip ran this')\n")
    tip = repo.commit("Stricter")
    repo.git("push", "-q", "origin", "HEAD:main")
    repo.checkout("pull-request")
    (script,) = GITLAB[".sopsync"]["script"]
    env = {"SOPSYNC_COMMAND": "check", "SOPSYNC_CONFIG": CONFIG, "GITLAB_TOKEN": "x"}
    env["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = job.base
    _, said = job.run(["sh", "-c", script], env | TARGET)
    assert "the tip ran this" in said
    assert f"Config from `{tip}`" in (repo.path / "comment.md").read_text()
    (repo.path / "comment.md").unlink()
    code, _ = job.run(["sh", "-c", script], {**env, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "gone"})
    assert code == 1
    assert not (repo.path / "comment.md").exists(), "no rules, so nothing was looked at"


def test_gitlab_reports_are_where_the_script_puts_them() -> None:
    (script,) = GITLAB[".sopsync"]["script"]
    written = set(re.findall(r"--report \w+=(\S+)", script))
    for name in ("sopsync check", "sopsync diff", "sopsync plan"):
        artifacts = GITLAB[name]["artifacts"]
        assert {*artifacts["paths"], *artifacts["reports"].values()} <= written
    assert GITLAB[".sopsync"]["allow_failure"] == {"exit_codes": [2]}


# -- pre-commit


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_the_hooks_check_what_is_staged(hook: dict[str, Any], job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """pre-commit.com, Creating new hooks: id, name, entry and language are required."""
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook["pass_filenames"] is False
    word, *argv = hook["entry"].split()
    assert word == "sopsync"
    argv += ["--config", CONFIG]  # as `args` of a repository's own configuration
    assert capture(argv)[0] == 0
    job.stage.repo.write("plain.yaml", "token: never-encrypted\n")
    assert capture(argv)[0] == 0, "not staged, so not part of the commit"
    job.stage.repo.git("add", "plain.yaml")
    code, said = capture(argv)
    assert code == 1
    assert "plain.yaml:1: not encrypted" in said
