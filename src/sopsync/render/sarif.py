"""A report as SARIF 2.1.0 (OASIS Standard, errata 01), for code scanning."""

from __future__ import annotations

import hashlib
from typing import Any

from sopsync import __version__
from sopsync.errors import encoded
from sopsync.render.escape import printable_lines, sarif_message, uri
from sopsync.render.json import dump
from sopsync.report import Finding, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def report_sarif(report: Report) -> str:
    """One run; a result for each finding. Changes that are as they should be are no results."""
    rules = sorted({found.rule for found in report.findings})
    run = {
        "tool": {
            "driver": {"name": "sopsync", "semanticVersion": __version__, "rules": [{"id": rule} for rule in rules]}
        },
        "automationDetails": {"id": f"sopsync/{report.command}/{uri(report.config)}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": report.exit_code != 1, "exitCode": report.exit_code}],
        "results": [_result(found, rules) for found in report.findings],
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(found: Finding, rules: list[str]) -> dict[str, Any]:
    hint = f"\nhint: {found.hint}" if found.hint else ""
    identity = "\0".join((found.rule, found.path, found.entry, found.message))
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "ruleIndex": rules.index(found.rule),
        "level": found.severity.value,
        "message": {"text": sarif_message(found.message + hint)},
        "partialFingerprints": {"sopsync/v1": hashlib.sha256(encoded(identity)).hexdigest()},
    }
    location: dict[str, Any] = {}
    if found.path:
        location["physicalLocation"] = {"artifactLocation": {"uri": uri(found.path), "uriBaseId": "%SRCROOT%"}}
        if found.line:
            location["physicalLocation"]["region"] = {"startLine": found.line}
    if found.entry:
        location["logicalLocations"] = [{"fullyQualifiedName": printable_lines(found.entry), "kind": "resource"}]
    return {**result, "locations": [location]} if location else result
