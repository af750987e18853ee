"""A report as GitLab's merge requests read it: counts for `reports: terraform`, findings for `reports: codequality`."""

from __future__ import annotations

import hashlib
import json

from sopsync.errors import encoded
from sopsync.render.escape import printable_lines
from sopsync.report import Finding, Report, Severity

_COUNTED = {
    "create": ("create", "restore", "added"),
    "update": ("update", "adopt", "restamp", "changed", "re-encrypted", "rerouted"),
    "delete": ("delete", "removed"),
}
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def report_gitlab(report: Report) -> str:
    """For plan and diff a terraform report; for check, which changes nothing, a code quality report."""
    if report.command == "check":
        return json.dumps([_issue(f) for f in report.findings], indent=2)
    counts = {kind: sum(report.counts.get(action, 0) for action in actions) for kind, actions in _COUNTED.items()}
    return json.dumps(counts)


def _issue(found: Finding) -> dict[str, object]:
    """GitLab needs a path and a line, and tells findings apart by their fingerprint."""
    said = printable_lines(found.message + (f" (hint: {found.hint})" if found.hint else ""))
    identity = "\0".join((found.rule, found.path, found.entry, found.message))
    return {
        "description": said,
        "check_name": found.rule,
        "fingerprint": hashlib.sha256(encoded(identity)).hexdigest(),
        "severity": _SEVERITIES[found.severity],
        "location": {"path": printable_lines(found.path) or "sopsync.yaml", "lines": {"begin": found.line or 1}},
    }
