"""What a story of `sopsync diff` cannot tell: several authors, merges, renames, shallow clones, hostile names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sopsync.render.formats import Format
from tests.support.repo import Repo
from tests.support.story import Stage, capture

CONFIG = """\
version: 1
owner: acme
stores: {{local: {{type: local, recipients: [{recipient}]}}}}
sync:
  - from: "{{service}}.yaml"
    to: [{{store: local, name: "{{service}}"}}, {{store: local, name: "{{service}}/{{key}}"}}]
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(tmp_path, monkeypatch, lambda _repo: None)
    made.repo.write("sopsync.yaml", CONFIG.format(recipient=made.recipient))
    made.do_put(["api.yaml", "a=canary-1", "b=canary-2", "c=canary-3"])
    made.do_put(["web.yaml", "w=canary-4"])
    made.do_commit(["Start"])
    made.repo.branch("pr")
    return made


def commit(stage: Stage, who: str, why: str) -> str:
    stage.repo.env["GIT_AUTHOR_NAME"] = who
    return stage.repo.commit(why)


def diff(*argv: str) -> dict[str, Any]:
    """The report; without keys, and no store was opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOPS_AGE_KEY")
        patch.setattr("sopsync.stores.local.LocalStore.__init__", lambda *_: pytest.fail("a store was opened"))
        code, said = capture(["diff", *argv, "--json"])
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


def by(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Entry → (action, subject of the commit it is laid to)."""
    return {row["name"]: (row["action"], (row["by"] or {}).get("subject", "")) for row in report["rows"]}


def test_each_change_is_laid_to_the_commit_that_made_it(stage: Stage) -> None:
    stage.do_put(["api.yaml", "a=canary-5"])
    commit(stage, "Ana", "Edit a")
    stage.do_unset(["api.yaml", "b"])
    commit(stage, "Bo", "Remove b")
    stage.do_put(["api.yaml", "d=canary-6"])
    commit(stage, "Cy", "Add d")
    report = diff()
    assert by(report) == {
        "api": ("changed", "Add d"),
        "api/a": ("changed", "Edit a"),
        "api/b": ("removed", "Remove b"),
        "api/d": ("added", "Add d"),
    }
    assert {row["by"]["name"] for row in report["rows"]} == {"Ana", "Bo", "Cy"}
    (whole,) = [row for row in report["rows"] if row["name"] == "api"]
    assert [(key["op"], key["key"]) for key in whole["keys"]] == [("+", "d"), ("~", "a"), ("-", "b")]


def test_a_change_taken_back_is_none(stage: Stage) -> None:
    before = (stage.repo.path / "api.yaml").read_bytes()
    stage.do_put(["api.yaml", "a=canary-5"])
    commit(stage, "Ana", "Edit a")
    stage.repo.write("api.yaml", before)
    commit(stage, "Ana", "Take it back")
    assert by(diff()) == {}


def test_what_came_from_main_is_not_the_pull_requests(stage: Stage) -> None:
    stage.do_put(["api.yaml", "a=canary-5"])
    commit(stage, "Ana", "Edit a")
    stage.repo.checkout("main")
    stage.do_put(["web.yaml", "w=canary-6"])
    commit(stage, "Bo", "On main")
    stage.repo.checkout("pr")
    assert by(diff("main")).keys() == {"api", "api/a"}, "from where they parted"
    stage.repo.merge("main")
    assert by(diff("main")) == {"api": ("changed", "Edit a"), "api/a": ("changed", "Edit a")}
    stage.repo.checkout("main")
    stage.repo.git("checkout", "-q", "--detach")
    stage.repo.merge("pr", message="As a forge tries the merge")
    assert by(diff("main")) == {"api": ("changed", "Edit a"), "api/a": ("changed", "Edit a")}


def test_a_renamed_file_moves_its_entries_and_keeps_its_ciphertext(stage: Stage) -> None:
    stage.repo.move("web.yaml", "shop.yaml")
    commit(stage, "Ana", "Rename")
    report = diff()
    assert by(report) == {
        name: (action, "Rename")
        for service, action in (("web", "removed"), ("shop", "added"))
        for name in (service, f"{service}/w")
    }


def test_a_value_that_is_no_longer_encrypted_is_found_also_in_a_renamed_file(stage: Stage) -> None:
    config = (stage.repo.path / "sopsync.yaml").read_text()
    fixed = config.replace('"{service}.yaml"', '"*.yaml"').replace("{service}/{key}", "k/{key}")
    stage.repo.write("sopsync.yaml", fixed.replace('{store: local, name: "{service}"}, ', ""))
    commit(stage, "Ana", "Names without the file")
    base = stage.repo.head()
    text = (stage.repo.path / "web.yaml").read_text()
    head, _, rest = text.partition("\n")
    assert head.startswith("w: ENC[")
    mixed = rest.replace("unencrypted_suffix: _unencrypted", "encrypted_regex: ^other$")
    assert mixed != rest
    stage.repo.remove("web.yaml")
    stage.repo.write("shop.yaml", f"w: in-clear\n{mixed}")
    commit(stage, "Ana", "Rename, and leave it open")
    report = diff(base)
    assert [(f["rule"], f["path"], f["line"]) for f in report["findings"]] == [("in-clear", "shop.yaml", 1)]
    assert "in-clear" not in report["findings"][0]["message"].replace("in clear", ""), "what it says is not told"


def test_a_store_that_is_elsewhere_is_a_change_though_no_entry_is_another(stage: Stage) -> None:
    text = (stage.repo.path / "sopsync.yaml").read_text()
    moved = text.replace("type: local,", "type: local, path: elsewhere,") + "branch: other\n"
    assert "elsewhere" in moved
    stage.repo.write("sopsync.yaml", moved)
    commit(stage, "Ana", "Move the store")
    report = diff("main")
    assert report["rows"] == []
    assert [(f["severity"], f["rule"], f["path"], f["message"]) for f in report["findings"]] == [
        ("warning", "config-changed", "sopsync.yaml", "store local is another place, or is reached otherwise"),
        ("warning", "config-changed", "sopsync.yaml", "other branch"),
    ]
    assert capture(["diff", "main", "--detailed-exitcode"])[0] == 2
    assert diff("main", "--config-from", "main")["findings"] == []
    stage.repo.write("sopsync.yaml", text + "# a comment\n")
    commit(stage, "Ana", "And back")
    assert capture(["diff", "main", "--detailed-exitcode"])[0] == 0


_NONE = "sync:\n  - from: none.yaml\n    to: [{store: local, name: n"
_AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("owner: acme", "owner: acme\nprevious_owners: [somebody]", "other previous_owners"),
        ("sync:", f"{_NONE}}}]\n    recipients: [{_AGE}]", "other recipients"),
        ("sync:", f"{_NONE}, prune: true}}]", "other prune"),
        ("sync:", f"{_NONE}, adopt: true}}]", "other adopt"),
    ],
)
def test_what_a_config_may_do_is_told_though_no_entry_is_another(old: str, new: str, said: str, stage: Stage) -> None:
    """Whose entries are taken over, who may open files, what was orphaned and would go now."""
    text = (stage.repo.path / "sopsync.yaml").read_text()
    assert text.count(old) == 1
    stage.repo.write("sopsync.yaml", text.replace(old, new))
    commit(stage, "Ana", "May do more")
    assert [found["message"] for found in diff("main")["findings"]] == [said]
    code, told = capture(["check", "--config-from", "main"])
    assert (code, f"merging it means: {said}; hint" in told) == (0, True), told
    assert f"merging it means: {said}\n" in capture(["plan", "--sealed", "--config-from", "main"])[1]


def test_a_shallow_clone_says_what_it_cannot_tell(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        stage.do_put(["api.yaml", f"a=canary-{i + 5}"])
        commit(stage, "Ana", f"Edit {i}")
    stage.repo.git("clone", "-q", "--depth", "3", f"file://{stage.repo.path}", tmp_path / "clone")
    monkeypatch.chdir(Repo.at(tmp_path / "clone").path)
    report = diff("HEAD~1")
    assert by(report) == {"api": ("changed", ""), "api/a": ("changed", "")}
    assert any("who made the changes is not told" in note and "fetch-depth: 0" in note for note in report["notes"])
    code, said = capture(["diff", stage.repo.git("rev-parse", "main")])
    assert code == 1
    assert "git fetch" in said


def test_the_base_without_sopsync(stage: Stage) -> None:
    stage.repo.git("checkout", "-q", "--orphan", "bare")
    stage.repo.git("rm", "-q", "-rf", ".")
    stage.repo.commit("Nothing yet")
    base = stage.repo.head()
    stage.repo.git("checkout", "-q", "pr", "--", ".")
    commit(stage, "Ana", "Bring sopsync")
    report = diff(base)
    assert {action for action, _ in by(report).values()} == {"added"}
    assert any("no usable config" in note for note in report["notes"])
    stage.repo.git("checkout", "-q", "pr")
    code, said = capture(["diff", base])
    assert code == 1
    assert "no history in common" in said


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.JSON])
def test_hostile_names_from_git_reach_no_format(stage: Stage, form: Format) -> None:
    hostile = "x\n::error::a|b`<i>\x1b[31m@all"
    stage.repo.write("odd.yaml", stage.encrypt("odd.yaml", f"{json.dumps(hostile)}: canary-7\n"))
    stage.repo.env["GIT_AUTHOR_NAME"] = "::stop-commands::now | <b>"
    stage.repo.commit("##[command]evil\n\n::error::more")
    code, said = capture(["diff", "--format", form])
    assert code == 1, "the key can be no name in that store"
    assert "\x1b" not in said
    assert "\n::error::a" not in said
    assert "::stop-commands::now" not in [line.lstrip()[:20] for line in said.splitlines()]
    assert "##[" not in said
    if form in (Format.MARKDOWN, Format.JUNIT):  # elsewhere it is no markup
        assert "<i>" not in said
        assert "<b>" not in said
