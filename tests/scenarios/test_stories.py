"""Every story, played: what a user types, and what sopsync answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aws import Aws
from tests.support.clouds import aws_stage
from tests.support.servers import OpenBao
from tests.support.story import Stage, local_outside, matches, parse, stories, vault_stage

HERE = Path(__file__).parent


@pytest.mark.parametrize("story", list(stories(HERE / "local")), ids=lambda path: path.stem)
def test_local(story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Stage(tmp_path, monkeypatch, local_outside).play(story.read_text(encoding="utf-8"))


@pytest.mark.parametrize("story", list(stories(HERE / "vault")), ids=lambda path: path.stem)
def test_vault(story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bao: OpenBao) -> None:
    stage = vault_stage(tmp_path, monkeypatch, bao, f"story-{story.stem}")
    stage.play(story.read_text(encoding="utf-8"))


@pytest.mark.parametrize("story", list(stories(HERE / "aws")), ids=lambda path: path.stem)
def test_aws(story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Aws) -> None:
    stage = aws_stage(tmp_path, monkeypatch, cloud, story.stem.partition("-")[0])
    stage.play(story.read_text(encoding="utf-8"))


def test_a_story_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, local_outside)
    with pytest.raises(AssertionError, match="no-such-command"):
        stage.play("$ sopsync no-such-command")
    with pytest.raises(AssertionError, match="expected"):
        stage.play("$ sopsync --version\nsopsync 0.0.0\n")


def test_matching() -> None:
    assert matches(["a", "…", "c…d"], ["a", "b", "b", "cxd"])
    assert not matches(["a", "…", "c"], ["a", "b"])
    assert not matches(["a"], ["a", "b"])
    assert matches(["…"], [])
    (step,) = parse("prose\n$ put x\n| body\nout\n(exit 3)\n")
    assert (step.command, step.body, step.expected, step.exit) == ("put x", ["body"], ["out"], 3)
