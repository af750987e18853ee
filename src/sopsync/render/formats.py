"""Which formats there are, and the renderer of each: imported only when it is asked for."""

from __future__ import annotations

from enum import StrEnum

from sopsync.report import Report


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"
    JUNIT = "junit"


def render(report: Report, form: Format, *, colour: bool = False, verbose: bool = False) -> str:
    """The report in a format; no newline at its end."""
    match form:
        case Format.TEXT:
            from sopsync.render.text import report_lines

            return "\n".join(report_lines(report, colour=colour, verbose=verbose))
        case Format.JSON:
            from sopsync.render.json import report_json

            return report_json(report)
        case Format.MARKDOWN:
            from sopsync.render.markdown import report_markdown

            return report_markdown(report)
        case Format.GITHUB:
            from sopsync.render.github import report_github

            return report_github(report)
        case Format.GITLAB:
            from sopsync.render.gitlab import report_gitlab

            return report_gitlab(report)
        case Format.SARIF:
            from sopsync.render.sarif import report_sarif

            return report_sarif(report)
        case Format.JUNIT:
            from sopsync.render.junit import report_junit

            return report_junit(report)
