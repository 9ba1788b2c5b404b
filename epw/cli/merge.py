"""`merge`: merge a delivered branch into the branch that is checked out, by the user's own git."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from activities.git.user_git import UserGit
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.saved_changes import KnownExecution
from epw.core.errors import InvalidRequest
from epw.service.connection import Connection
from epw.settings import Settings


def merge(
    execution_id: ExecutionId,
    ff_only: Annotated[bool, typer.Option("--ff-only", help="Only where no merge commit is needed.")] = False,
    squash: Annotated[bool, typer.Option("--squash", help="Into the index, as one change for your commit.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Merge the delivered branch into the one that is checked out: by your git, with its hooks and signing."""

    async def command(settings: Settings, connection: Connection) -> int:
        if ff_only and squash:
            raise InvalidRequest("give --ff-only or --squash")
        known = await KnownExecution.of(settings, connection, execution_id)
        branch, folder = known.delivered_branch(), known.repository
        git, options = UserGit(folder), [*["--ff-only"] * ff_only, *["--squash"] * squash]
        into, before = git.branch, git.head
        if into == branch:
            raise InvalidRequest(f"{branch} is checked out: switch to the branch that is to take it over")
        code = git.run("merge", *options, branch, output_to_stderr=as_json)
        after, unmerged = git.head, git.unmerged
        document: dict[str, Any] = {
            "success": code == 0,
            "executionId": execution_id,
            "branch": branch,
            "into": into,
            "repository": str(folder),
            "before": before,
            "after": after,
            "did": _did(git, code, branch, before, after, squash=squash),
            "conflicts": unmerged,
        }
        print_json(document) if as_json else print(printable(_sentence(document)), file=sys.stderr, flush=True)
        return min(code, 1)

    run_connected(command, as_json=as_json)


def _did(git: UserGit, code: int, branch: str, before: str | None, after: str | None, *, squash: bool) -> str:
    """What git has done, in a word."""
    if code:
        return "conflict" if git.unmerged else "stopped" if git.is_merging else "refused"
    if squash:
        return "squash"
    if before == after:
        return "nothing"
    return "fast-forward" if git.says("rev-parse", f"refs/heads/{branch}") == after else "merge"


def _sentence(document: dict[str, Any]) -> str:
    branch, where = document["branch"], document["into"] or "HEAD"
    paths = ", ".join(document["conflicts"][:5])
    told = {
        "conflict": f"conflicts in {paths}: edit, `git add` and `git commit`, or `git merge --abort`",
        "stopped": "the merge is not committed: `git commit` goes on, `git merge --abort` leaves it",
        "refused": f"nothing is merged: git has refused {branch} (its words are above)",
        "squash": f"{branch} is in the index of {where}, for `git commit`",
        "nothing": f"{where} has had {branch} already",
        "fast-forward": f"{where} is at {branch} now",
        "merge": f"{branch} is merged into {where}",
    }[document["did"]]
    # A switch to a branch would leave it behind.
    hint = "; HEAD is on no branch: `git switch -c NAME` makes one of it" if document["into"] is None else ""
    return f"{told}{hint}"
