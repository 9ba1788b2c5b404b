"""`pr`: push the delivered branch and open a pull request for it."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any

import typer

from activities.forges.forges import PullRequestTexts
from activities.forges.pull_request import Target, opened, push_arguments, target_of, way_of
from activities.git.secret_commits import refusal, secrets_added
from activities.git.user_git import UserGit
from activities.system.atomic_write import write_atomically
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.report import report_of
from epw.client.saved_changes import KnownExecution
from epw.core.errors import InvalidRequest
from epw.rendering.markdown import markdown, title
from epw.rendering.quiet import NEVER_SEEN
from epw.service.connection import Connection
from epw.settings import Settings


def pr(
    execution_id: ExecutionId,
    draft: Annotated[bool, typer.Option("--draft", help="Not ready for review yet.")] = False,
    own_title: Annotated[str | None, typer.Option("--title", help="Its title (default: from the plan).")] = None,
    reviewer: Annotated[list[str] | None, typer.Option("--reviewer", help="Who reviews it. Repeatable.")] = None,
    remote: Annotated[str | None, typer.Option("--remote", help="Where to push (default: as `git push`).")] = None,
    base: Annotated[str | None, typer.Option("--base", help="The branch to join (default: your present one).")] = None,
    publish_secrets: Annotated[
        bool, typer.Option("--publish-secrets", help="Push it although it adds files that look like secrets.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Push the delivered branch by your git and open a pull request: by `gh` or `glab` where one is logged in."""

    async def command(settings: Settings, connection: Connection) -> int:
        known = await KnownExecution.of(settings, connection, execution_id)
        url = known.workspace.url if known.workspace is not None else None
        branch, folder = known.pushed_branch() if url is not None else known.delivered_branch(), known.repository
        report = await report_of(settings, connection, execution_id, has_diffs=False)
        git, file = UserGit(folder), known.store.path / "pull-request.md"
        target = target_of(git, remote, base) if url is None else Target(url, url, base or known.base_branch)
        delivery = known.document["delivery"]
        last = f"refs/heads/{branch}" if url is None else delivery["head"] if delivery else None
        secrets = secrets_added(git, delivery["base"] if delivery else None, last or "HEAD")
        if secrets and not publish_secrets:
            raise InvalidRequest(f"{branch} is not pushed: {refusal(secrets, 'pr', execution_id)}")
        said, text = own_title or title(report), markdown(report)
        texts = PullRequestTexts(branch, said, text, str(file), draft, tuple(reviewer or []))
        way = way_of(git, target, folder, texts)
        push = push_arguments(target, branch)
        document: dict[str, Any] = {
            "success": True,
            "executionId": execution_id,
            "branch": branch,
            "remote": target.remote,
            "base": target.base,
            "title": said,
            "bodyFile": str(file),
            "forge": way.forge,
            "pushed": False,
            "created": False,
            "pullRequest": None,
            "comparePage": way.page,
            "commands": [
                shlex.join(each) for each in (["git", "-C", str(folder), *push] * (url is None), way.argv) if each
            ],
        }
        if dry_run:
            _show_dry(document, text, as_json=as_json)
            return 0
        write_atomically(file, text.encode("utf-8", "replace"))
        document["pushed"] = url is not None or git.run(*push, output_to_stderr=as_json) == 0
        problem = (
            None if document["pushed"] else f"git has not pushed {branch} to {target.remote} (its words are above)"
        )
        if document["pushed"] and way.argv:
            found = opened(way, folder)
            document["pullRequest"], document["created"] = found.url, found.created
            problem = None if found.problem is None else f"{way.argv[0]} opened none: {found.problem}"
        document["success"] = problem is None
        if as_json:
            print_json({**document, **({"error": {"message": problem}} if problem else {})})
        else:
            _show(document, problem, way.noun)
        return 0 if problem is None else 1

    run_connected(command, as_json=as_json)


def _show_dry(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**document, "body": text})
        return
    for each in document["commands"]:
        print(printable(each))
    if len(document["commands"]) == 1 and document["comparePage"]:
        print(printable(f"then in a browser: {document['comparePage']}"))
    # In the text every character of unknown origin that nobody would see is written out already; the spaces of no width
    # are its own.
    body = printable(text.replace(NEVER_SEEN, ""))
    print(f"title: {printable(document['title'])}\n\n{body}", flush=True)


def _show(document: dict[str, Any], problem: str | None, noun: str) -> None:
    """Say what was done on stdout, and what is left to do by hand."""
    if document["pushed"]:
        print(printable(f"pushed: {document['branch']} to {document['remote']}"))
    if problem is not None:
        print(printable(f"epw: {problem}"), file=sys.stderr, flush=True)
    if document["pullRequest"] is not None or document["created"]:
        word = "opened" if document["created"] else "open already, with the new commits"
        print(printable(f"{noun} {word}: {document['pullRequest'] or ''}"), flush=True)
    elif document["pushed"]:
        page = document["comparePage"]
        print(printable(f"open the {noun} at: {page}" if page else f"{document['remote']} is no forge with a web page"))
        print(printable(f"its text: {document['bodyFile']}"), flush=True)
