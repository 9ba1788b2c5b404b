"""Commands that lead on from an execution that has ended: only those that apply to it as it stands now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from activities.git.user_git import UserGit
from activities.git.workspace import Workspace
from epw.client.documents import never_began
from epw.client.saved_changes import KnownExecution
from epw.client.url_hub import in_a_clone
from epw.core.report.model import OPEN

_MAX_NAMED = 5
_DONE = ("succeeded", "partial")


class NextCommand(NamedTuple):
    """A command, ready for a shell, and what it is for."""

    command: str
    purpose: str


def next_commands(known: KnownExecution, here: Path) -> list[NextCommand]:
    """The commands, the likeliest first; none while the execution goes on. `here`: where they are typed."""
    status, delivery = known.document["status"], known.document["delivery"]
    if status in OPEN:
        return []
    found, workspace, saved = list[NextCommand](), known.workspace, known.saved
    branch = delivery["branch"] if delivery is not None and not delivery["refusedBecause"] else None
    landed = [each for each in saved if known.task(each)["landed"]]
    if branch is not None and workspace is not None and workspace.url is not None:
        found.append(NextCommand(in_a_clone(workspace.url, branch, "merge"), "take it over, in a clone"))
    elif branch is not None and workspace is not None:
        found += _of_branch(known, workspace, branch, len(landed), here)
    if landed:
        found.insert(min(1, len(found)), _epw("what has changed, in all or of one task", "diff", known.id))
    apart = [each for each in saved if each not in landed]
    if apart:
        found.append(_epw("what it had changed", "diff", known.id, apart[0]))
        found.append(_epw("every saved change, as branches or patches", "salvage", known.id))
    if (status not in _DONE or status == "partial") and not never_began(known.document):
        found.append(_epw("again, without what has succeeded", "retry", known.id))
    return found


def _of_branch(
    known: KnownExecution, workspace: Workspace, branch: str, landed: int, here: Path
) -> Iterator[NextCommand]:
    tip, inside = workspace.resolve_ref(f"refs/heads/{branch}"), here.resolve().is_relative_to(workspace.path)
    place = [] if inside else ["-C", workspace.path]
    if tip is None:
        return
    if workspace.head_holds(tip):
        yield NextCommand(shlex.join(["git", *place, "branch", "-d", branch]), "it is merged: the branch can go")
        return
    git = UserGit(Path(workspace.path))
    if not workspace.bare:
        if taken := _of_taken(git, tip, branch, place):
            yield from taken
            return
        if mine := git.in_the_way_of(tip):
            files = ["--", *mine] if len(mine) <= _MAX_NAMED else ["--all"]
            add, commit = (shlex.join(["git", *place, *rest]) for rest in (["add", *files], ["commit"]))
            yield NextCommand(f"{add} && {commit}", "first: the branch has your uncommitted files too")
        if UserGit(Path(workspace.path)).branch is None:
            switch = shlex.join(["git", *place, "switch", "-c"])
            yield NextCommand(f"{switch} NAME", "first: HEAD is on no branch, and nor would the merge be")
        yield NextCommand(shlex.join(["git", *place, "merge", branch]), "take it over")
        yield _epw("the same, and says what it did", "merge", known.id)
    delivery = known.document["delivery"]
    pull_request = delivery.get("pullRequest") if delivery is not None else None
    is_open = pull_request is not None and pull_request["state"] in ("open", "draft")
    if not is_open and git.remotes:
        yield _epw("push it and open a pull request", "pr", known.id)
    if landed > 1:
        yield NextCommand(f"{shlex.join(['epw', 'drop', known.id])} TASK", "another branch, without one task")


def _of_taken(git: UserGit, tip: str, branch: str, place: list[str]) -> list[NextCommand]:
    """What is left to do with a branch whose changes are taken over, or are being so; empty where they are not."""

    def command(purpose: str, *words: str) -> NextCommand:
        return NextCommand(shlex.join(["git", *place, *words]), purpose)

    if git.merges == tip:
        return [command("goes on with the merge", "commit"), command("leaves it", "merge", "--abort")]
    if (taken := git.has_taken(tip)) == "index":
        return [command("its changes are staged: as one change of yours", "commit")]
    # It is no ancestor of HEAD: `-d` would refuse.
    return [command("HEAD has its changes: the branch can go", "branch", "-D", branch)] if taken else []


def _epw(purpose: str, *words: str) -> NextCommand:
    return NextCommand(shlex.join(["epw", *words]), purpose)
