"""The comment script, run as a job runs it, against a stand-in of each forge's API over the wire."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ci.forge import BOT, TOKEN, Forge, forge, listening

SCRIPT = Path(__file__).parents[2] / "examples" / "ci" / "comment.py"
MARKER = "<!-- sopsync:plan:sopsync.yaml -->"


@pytest.fixture(params=["github", "gitlab"])
def hub(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with forge(request.param) as made:
        yield made


def comment(hub: Forge, body: str, tmp_path: Path, **more: str) -> str:
    """What the script said; it never fails the job, and never shows the token."""
    at = tmp_path / "comment.md"
    at.write_text(body, encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "COMMENT_WAIT": "0", **hub.environment(), **more}
    done = subprocess.run([sys.executable, SCRIPT, at], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert TOKEN not in done.stdout
    return done.stdout.strip().removeprefix("sopsync comment: ")


def test_one_comment_is_made_then_edited_then_left_alone(hub: Forge, tmp_path: Path) -> None:
    hub.say("Nice work")
    assert comment(hub, f"{MARKER}\nfirst\n", tmp_path) == "made"
    assert comment(hub, f"{MARKER}\nsecond\n", tmp_path) == "edited"
    asked = len(hub.asked)
    assert comment(hub, f"{MARKER}\nsecond\n", tmp_path) == "unchanged"
    assert [method for method, _ in hub.asked[asked:]].count("GET") == len(hub.asked) - asked
    assert hub.ours() == [f"{MARKER}\nsecond\n"]
    assert hub.comments[0]["body"] == "Nice work"


def test_each_command_and_config_has_its_own(hub: Forge, tmp_path: Path) -> None:
    for marker in (MARKER, MARKER.replace("plan", "diff"), MARKER.replace("sopsync.yaml", "b.yaml")):
        assert comment(hub, f"{marker}\nx\n", tmp_path) == "made"
    assert len(hub.ours()) == 3


def test_ours_is_found_among_hundreds_and_a_strangers_is_never_edited(hub: Forge, tmp_path: Path) -> None:
    theirs = hub.say(f"{MARKER}\nlooks like ours\n")
    for i in range(250):
        hub.say(f"comment {i}")
    hub.say(f"{MARKER}\nours\n", by=BOT)
    assert comment(hub, f"{MARKER}\nnew\n", tmp_path) == "edited"
    assert theirs["body"] == f"{MARKER}\nlooks like ours\n"
    assert hub.ours() == [f"{MARKER}\nnew\n"]


def test_a_deleted_account_is_nobody(hub: Forge, tmp_path: Path) -> None:
    ghost = hub.say(f"{MARKER}\nghost\n")
    ghost["user"] = ghost["author"] = None
    hub.comments.remove(ghost)
    hub.comments.append({**ghost, "user": {"login": ""}})
    hub.comments[-1]["author"] = None
    assert comment(hub, f"{MARKER}\nx\n", tmp_path) == "made"


def test_a_read_only_token_is_said_and_is_no_failure(hub: Forge, tmp_path: Path) -> None:
    hub.read_only = True
    assert "refused with 403 (a read-only token" in comment(hub, f"{MARKER}\nx\n", tmp_path)
    assert not hub.ours()


def test_a_wrong_token_is_said(hub: Forge, tmp_path: Path) -> None:
    said = comment(
        hub, f"{MARKER}\nx\n", tmp_path, GITHUB_TOKEN="no", GITLAB_TOKEN="no" if hub.kind == "gitlab" else ""
    )
    assert "refused with 401" in said


def test_a_busy_server_is_asked_again(hub: Forge, tmp_path: Path) -> None:
    hub.failing = [429, 502, 503]
    assert comment(hub, f"{MARKER}\nx\n", tmp_path) == "made"
    hub.failing = [500] * 20
    assert "refused with 500" in comment(hub, f"{MARKER}\ny\n", tmp_path)
    assert len(hub.ours()) == 1


def test_nobody_there(hub: Forge, tmp_path: Path) -> None:
    hub.address = "http://127.0.0.1:1"
    assert "see the summary" in comment(hub, f"{MARKER}\nx\n", tmp_path)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[", b"nonsense\r\n\r\n", b'HTTP/1.1 200 OK\r\n\r\n["not", "one"]'],
)
def test_an_answer_that_is_none_is_said_and_is_no_failure(answer: bytes, hub: Forge, tmp_path: Path) -> None:
    with listening(lambda _request: answer) as (address, _):
        hub.address = address
        assert "see the summary" in comment(hub, f"{MARKER}\nx\n", tmp_path)


def test_the_token_does_not_follow_a_redirect(hub: Forge, tmp_path: Path) -> None:
    with listening(lambda _request: b"HTTP/1.1 200 OK\r\n\r\n[]") as (elsewhere, asked):
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        with listening(lambda _request: moved) as (hub.address, _):
            assert "refused with 302" in comment(hub, f"{MARKER}\nx\n", tmp_path)
    assert asked == []


def test_a_comment_without_text_is_nobodys(hub: Forge, tmp_path: Path) -> None:
    hub.say("", by=BOT)["body"] = None
    assert comment(hub, f"{MARKER}\nx\n", tmp_path) == "made"


def test_what_is_not_ours_to_send_is_not_sent(hub: Forge, tmp_path: Path) -> None:
    assert "no marker" in comment(hub, "x\n", tmp_path)
    assert hub.asked == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_said_and_is_no_failure(
    hub: Forge, content: bytes | None, tmp_path: Path
) -> None:
    at = tmp_path / "comment.md"
    if content is not None:
        at.write_bytes(content)
    env = {"PATH": os.environ["PATH"], **hub.environment()}
    done = subprocess.run([sys.executable, SCRIPT, at], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "see the summary" in done.stdout
    assert hub.asked == []
