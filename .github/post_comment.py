"""Keep one comment on a pull request up to date: post it, or edit the one that is there.

    python -I -S .github/post_comment.py comment.md

It needs the standard library only, and reads what a step of a workflow has in its environment:
GITHUB_TOKEN (which no other step is given), PULL_REQUEST (its number), GITHUB_API_URL,
GITHUB_REPOSITORY, GITHUB_SERVER_URL, GITHUB_RUN_ID and GITHUB_STEP_SUMMARY. ZOO tells the comments
of several zoo files apart.

Where the token may only read, as it does for a pull request from a fork, and where GitHub cannot be
reached, the comment is added to the summary of the job, which says why. The exit code is 0 then:
the verdicts have failed their own step. It is 2 for wrong usage.
"""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

AUTHOR = "github-actions[bot]"
"""Who owns GITHUB_TOKEN; a comment of anybody else is never edited, whatever it says."""
MAX_CHARACTERS = 65_000
PER_PAGE = 100
MAX_PAGES = 50
SECONDS = 30
REFUSALS = (401, 403, 404)
"""What GitHub answers to a token that may not write."""
NOTHING = """\
### \u26a0\ufe0f torchbudget: nothing was judged

The step that judges ended before it could report; its log says why.
"""


def main(words: list[str]) -> int:
    """Post the file that the words name, or say in the summary why that was not possible."""
    try:
        (path,) = words
        number = int(os.environ["PULL_REQUEST"])
        github = GitHub()
    except (ValueError, KeyError) as error:
        return complain(f"usage: post_comment.py FILE, in a step on a pull request ({error!r})")
    body = make_body(Path(path))
    try:
        print(github.keep(number, make_marker(), body))
    except urllib.error.HTTPError as error:
        if error.code in REFUSALS:
            why = (
                "The token of this run may not comment, as for a pull request from a fork "
                f"(GitHub answered {error.code})."
            )
        else:
            why = f"The comment could not be posted: GitHub answered {error.code}."
        write_summary(why, body)
    except (OSError, ValueError) as error:
        write_summary(f"The comment could not be posted: {type(error).__name__}.", body)
    return 0


class GitHub:
    """The comments on the pull requests of one repository, by GitHub's REST API."""

    def __init__(self) -> None:
        self._root = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
        self._token = os.environ["GITHUB_TOKEN"]

    def keep(self, number: int, marker: str, body: str) -> str:
        """Edit the comment that begins with `marker`, or post one; return what was done."""
        text = {"body": f"{marker}\n{body}"}
        known = self._find(number, marker)
        if known is None:
            posted = self._ask("POST", f"issues/{number}/comments", text)
            return f"posted comment {posted['id']}"
        self._ask("PATCH", f"issues/comments/{known}", text)
        return f"edited comment {known}"

    def _find(self, number: int, marker: str) -> int | None:
        for page in range(1, MAX_PAGES + 1):
            query = f"issues/{number}/comments?per_page={PER_PAGE}&page={page}"
            comments = self._ask("GET", query)
            for comment in comments:
                ours = (comment.get("user") or {}).get("login") == AUTHOR
                if ours and (comment.get("body") or "").startswith(marker):
                    return int(comment["id"])
            if len(comments) < PER_PAGE:
                return None
        return None

    def _ask(self, method: str, path: str, content: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._root}/{path}",
            data=None if content is None else json.dumps(content).encode(),
            method=method,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "User-Agent": "torchbudget",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)


def make_marker() -> str:
    """The hidden first line by which the comment on one zoo file is found again."""
    zoo = os.environ.get("ZOO", "zoo.py")
    return f"<!-- torchbudget {hashlib.sha256(zoo.encode()).hexdigest()[:16]} -->"


def make_body(path: Path) -> str:
    """What the judge wrote, or that it wrote nothing, and where the run is."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = NOTHING
    server, repository, run = (
        os.environ.get(name, "")
        for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    link = f"\n[The log of this run]({server}/{repository}/actions/runs/{run})\n" if run else ""
    return text[: MAX_CHARACTERS - len(link)] + link


def write_summary(why: str, body: str) -> None:
    """Add the comment to the summary of the job, and say so in its log."""
    print(f"::notice title=torchbudget::{why} The comment is in the summary of this job.")
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8") as summary:
            summary.write(f"{why} So the comment is here:\n\n{body}\n")


def complain(message: str) -> int:
    """Print the message on stderr; return the exit code of wrong usage."""
    print(f"post_comment.py: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
