"""Reports whose every text is hostile: what a pull request can put into key names, paths, owners and subjects."""

from __future__ import annotations

from sopsync.report import Author, Finding, Key, Report, Row, Severity

HOSTILE = (
    "::error::x",
    "  ::stop-commands::x",
    "a\n::add-mask::x",
    "a\r\n::set-output name=x::y",
    "##[command]x",
    "x ##vso[task.setvariable variable=a]b",
    "a%0A::warning::x",
    "\x1b[31mred\x1b]0;title\x07\x1b]8;;http://evil.example\x07",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\N{LINE SEPARATOR}::error::x",
    "\x85::error::x",
    "| cell | break |\n|-|-|",
    "a\\|b\\",
    "`code` ``more`` ```fence```",
    "` `",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "--><b>out</b><!--",
    "</code></td></table>",
    "[link](http://evil.example) ![i](http://evil.example/p.png)",
    "@everyone #1 http://evil.example www.evil.example",
    "**bold** _it_ ~~gone~~ # head",
    "&lt;b&gt; &#60;b>",
    "]]><!--",
    "\" onmouseover=\"x' y='",
    "{0} {{1}} [a](2) \\[b\\]",
    "\udcff\udcfe",
    "\ud800",
    "\x00\x01\x7f",
    "﻿bom",
    "a,b:c=d",
    "",
    " ",
)


def report(text: str, command: str = "plan") -> Report:
    """A report with this text wherever a report has one that may come from elsewhere."""
    found = [
        Finding(severity, "conflict", text, text, path=text or "p", line=line, entry=text)
        for severity in Severity
        for line in (0, 7)
    ]
    by = Author("0" * 40, text, text, text)
    row = Row(
        "~", "update", text, text, text, text, text, text, text, 3, (Key("~", text),), (text,), "value", None, text, by
    )
    return Report(
        command,
        commit="1" * 40,
        branch=text,
        base="2" * 40,
        config=text,
        config_from=text,
        summary="Plan: 1 update.",
        counts={"create": 0, "update": 1, "unchanged": 4},
        rows=(row, row),
        findings=tuple(found),
        notes=(text,),
        files=(text,) if text else (),
    )


def many(rows: int, findings: int = 0, command: str = "plan") -> Report:
    """A report with so many rows and errors."""
    made = tuple(
        Row(
            "+",
            "create",
            "prod",
            f"/services/a-rather-long-name/{i}",
            path=f"services/{i}.yaml",
            line=1,
            keys=(Key("+", "k"),),
        )
        for i in range(rows)
    )
    found = tuple(
        Finding(severity, "drift", f"number {i}", "look", f"f{i}.yaml", i + 1)
        for severity in Severity
        for i in range(findings)
    )
    return Report(command, rows=made, findings=found, counts={"create": rows}, summary=f"Plan: {rows} create.")
