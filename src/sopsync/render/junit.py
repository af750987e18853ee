"""A report as JUnit XML: a test for each file or entry looked at, failed where something is wrong with it."""

from __future__ import annotations

from collections import defaultdict

from sopsync.render.escape import xml_attribute, xml_text
from sopsync.report import Finding, Report, Severity


def report_junit(report: Report) -> str:
    """Errors fail, warnings and notes are output of their test. A finding about no file and no entry has its own."""
    subjects: dict[str, list[Finding]] = defaultdict(list)
    for subject in (*report.files, *(row.entry for row in report.rows)):
        subjects[subject] = []
    for found in report.findings:
        subjects[found.entry if found.entry in subjects else found.path or found.entry or report.command].append(found)
    if not subjects:
        subjects[report.command] = []
    failed = sum(any(f.severity is Severity.ERROR for f in found) for found in subjects.values())
    name = f"sopsync {report.command}"
    totals = f'tests="{len(subjects)}" failures="{failed}" errors="0" skipped="0"'
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites name={xml_attribute(name)} {totals}>",
        f"  <testsuite name={xml_attribute(name)} {totals}>",
        *(_case(name, subject, found) for subject, found in subjects.items()),
        "  </testsuite>",
        "</testsuites>",
    ])  # fmt: skip


def _case(suite: str, subject: str, found: list[Finding]) -> str:
    place = "" if not found or not found[0].path else f" file={xml_attribute(found[0].path)}"
    place += f' line="{found[0].line}"' if found and found[0].line else ""
    head = f"    <testcase classname={xml_attribute(suite)} name={xml_attribute(subject)}{place}"
    errors = [f for f in found if f.severity is Severity.ERROR]
    others = [f for f in found if f.severity is not Severity.ERROR]
    inside = []
    if errors:  # one element: several are not in every reader's schema
        title = errors[0].message + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
        said = "\n".join(map(_said, errors))
        inside.append(
            f"      <failure type={xml_attribute(errors[0].rule)} message={xml_attribute(title)}>{said}</failure>"
        )
    if others:
        inside.append(f"      <system-out>{chr(10).join(map(_said, others))}</system-out>")
    return "\n".join([head + ">", *inside, "    </testcase>"]) if inside else head + "/>"


def _said(found: Finding) -> str:
    where = f"{found.path}:{found.line}: " if found.line else f"{found.path}: " if found.path else ""
    return xml_text(f"{found.severity}: {where}{found.message}" + (f"; hint: {found.hint}" if found.hint else ""))
