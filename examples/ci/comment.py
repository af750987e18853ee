#!/usr/bin/env python3
"""Keeps one comment of a pull or merge request up to date. GitHub and GitLab, standard library only.

    python3 comment.py COMMENT.md

The first line of the file is a marker (`<!-- sopsync:… -->`). A comment of ours that starts with it is edited, or else
one is made. "Ours" is by author, never by marker alone: anybody can write a comment that starts like ours.

Whatever goes wrong, the comment is only a courtesy: it is said on standard output, and the exit code is 0. The result
of the check is the exit code of sopsync. Read-only tokens (pull requests from forks) are the usual reason.

GitHub: GITHUB_TOKEN, GITHUB_API_URL, GITHUB_REPOSITORY, PULL_REQUEST; COMMENT_AUTHOR if not github-actions[bot].
GitLab: GITLAB_TOKEN (api scope; a job token cannot write notes), CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

PAGE, PAGES = 100, 50
TRIES, WAIT = 4, float(os.environ.get("COMMENT_WAIT", "2"))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for the server it was given for; urllib would send it along."""

    def redirect_request(self, *_args: Any) -> None:
        return None


OPEN = urllib.request.build_opener(NoRedirect).open


class Forge:
    """How one of the two is spoken to."""

    def __init__(self, comments: str, one: str, headers: dict[str, str], edit: str) -> None:
        self.comments, self.one, self.headers, self.edit = comments, one, headers, edit

    def call(self, method: str, url: str, body: dict[str, str] | None = None) -> Any:
        """One request; anew after 429 and 5xx, and after no answer where asking twice does no harm."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {**self.headers, "Content-Type": "application/json", "User-Agent": "sopsync-comment"}
        for attempt in range(1, TRIES + 1):
            try:
                request = urllib.request.Request(url, data, headers, method=method)
                with OPEN(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                error.close()
                if attempt == TRIES or not (error.code == 429 or error.code >= 500):
                    raise
            except urllib.error.URLError:
                if attempt == TRIES or method == "POST":
                    raise
            time.sleep(WAIT * attempt)
        raise AssertionError

    def all(self) -> Iterator[dict[str, Any]]:
        """Every comment, page by page."""
        for page in range(1, PAGES + 1):
            found = self.call("GET", f"{self.comments}?per_page={PAGE}&page={page}")
            if not all(isinstance(comment, dict) for comment in found):
                raise ValueError
            yield from found
            if len(found) < PAGE:
                return


def github(env: dict[str, str]) -> tuple[Forge, Any]:
    repo = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}"
    headers = {"Authorization": f"Bearer {env['GITHUB_TOKEN']}", "X-GitHub-Api-Version": "2022-11-28"}
    headers["Accept"] = "application/vnd.github+json"
    forge = Forge(
        f"{repo}/issues/{int(env['PULL_REQUEST'])}/comments", f"{repo}/issues/comments/{{id}}", headers, "PATCH"
    )
    author = env.get("COMMENT_AUTHOR") or "github-actions[bot]"
    return forge, lambda comment: (comment.get("user") or {}).get("login") == author


def gitlab(env: dict[str, str]) -> tuple[Forge, Any]:
    base = env["CI_API_V4_URL"]
    notes = f"{base}/projects/{int(env['CI_PROJECT_ID'])}/merge_requests/{int(env['CI_MERGE_REQUEST_IID'])}/notes"
    forge = Forge(notes, f"{notes}/{{id}}", {"PRIVATE-TOKEN": env["GITLAB_TOKEN"]}, "PUT")
    me = forge.call("GET", f"{base}/user")["id"]
    return forge, lambda note: (note.get("author") or {}).get("id") == me


def publish(forge: Forge, ours: Any, body: str) -> str:
    """Edit our comment, or make one; what was done."""
    marker = body.split("\n", 1)[0]
    for comment in forge.all():
        there = comment.get("body") or ""
        if ours(comment) and there.split("\n", 1)[0].strip() == marker:
            if there.strip() == body.strip():
                return "unchanged"
            forge.call(forge.edit, forge.one.format(id=int(comment["id"])), {"body": body})
            return "edited"
    forge.call("POST", forge.comments, {"body": body})
    return "made"


def main() -> int:
    env = dict(os.environ)
    try:
        body = Path(sys.argv[1]).read_text(encoding="utf-8")
        if not body.startswith("<!-- sopsync:"):
            print("sopsync comment: no marker in the first line; nothing was sent")
            return 0
        forge, ours = gitlab(env) if env.get("GITLAB_TOKEN") else github(env)
        print(f"sopsync comment: {publish(forge, ours, body)}")
    except KeyError as error:
        print(f"sopsync comment: {error.args[0]} is not set; nothing was sent")
    except urllib.error.HTTPError as error:
        why = " (a read-only token, as pull requests from forks have?)" if error.code in (401, 403, 404) else ""
        print(f"sopsync comment: refused with {error.code}{why}; see the summary of this job instead")
    except (OSError, ValueError, TypeError, HTTPException) as error:
        print(f"sopsync comment: {type(error).__name__}; see the summary of this job instead")
    return 0


if __name__ == "__main__":
    sys.exit(main())
