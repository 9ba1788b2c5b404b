"""`salvage`: saved changes of an execution."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.apply import finish_commands
from activities.attempt.unsaved import unsaved
from activities.git import transfer
from activities.git.changes import changed_paths
from activities.git.command import display_path, list_paths
from activities.git.hub import Hub
from activities.git.secret_commits import secrets_added
from activities.git.task_commits import patch, saved_work
from activities.git.url_git import UrlGit
from activities.git.user_git import UserGit
from activities.state.execution_store import ExecutionStore
from activities.system.file_modes import user_modes, user_umask
from epw.cli.layout import table
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.elsewhere import saved_alone
from epw.client.saved_changes import KnownExecution
from epw.client.url_hub import in_a_clone
from epw.core.errors import InvalidRequest
from epw.core.naming import slug
from epw.service.connection import Connection
from epw.settings import Settings


def salvage(
    execution_id: Annotated[str, typer.Argument(metavar="ID")],
    task: Annotated[str | None, typer.Argument(help="Only this task's saved work.")] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", help="Put TASK's newest saved work on a new branch of the workspace.")
    ] = None,
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Write each saved work as a patch file into this directory.")
    ] = None,
    publish_secrets: Annotated[
        bool, typer.Option("--publish-secrets", help="Push the branch although it adds files that look like secrets.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Every change that agents have saved; as a branch or as patches. Landed or not, failed or not."""

    async def command(settings: Settings, connection: Connection) -> int:
        known = await KnownExecution.of(settings, connection, execution_id)
        if task is not None:
            known.task(task)
        execution, hub = known.store, known.hub
        if known.lost is not None:
            print(f"epw: {printable(known.lost)}", file=sys.stderr)
        saved, left = [saved_work(hub, execution.ref(of)) if hub else [] for of in ("tasks", "left")]
        rows, apart = [[row for row in each if task in (None, row["taskId"])] for each in (saved, left)]
        if branch is not None:
            if task is None or hub is None or not rows:
                raise InvalidRequest("--branch needs a TASK that has saved work")
            rows[-1]["finishWith"] = _put_on_branch(
                execution, hub, rows[-1]["commit"], branch, publish_secrets=publish_secrets
            )
        commits = [row["commit"] for row in (*rows, *apart)]
        alone = set(saved_alone(execution, hub, known.document, commits)) if hub is not None else set()
        rows = [
            {**row, "leftBehind": row in apart, "existsNowhereElse": row["commit"] in alone} for row in (*rows, *apart)
        ]
        if hub is not None:
            for row in rows:
                row["files"] = [display_path(path) for path in changed_paths(hub, f"{row['commit']}^", row["commit"])]
                if patches is not None:
                    row["patch"] = str(_write_patch(hub, row, patches))
        if as_json:
            print_json(rows)
        else:
            cells = [[row["taskId"], row["attempt"], row["commit"][:12], len(row["files"]), _what(row)] for row in rows]
            table(f"saved work of {printable(execution_id)}", ["task", "attempt", "commit", "files", ""], cells)
            pending = [f"{of}: {folder}" for of, folder in unsaved(execution) if task in (None, of)]
            if pending:
                print("not saved yet, since it has not ended or could not be saved:")
            for line in pending:
                print(f"  {printable(line)}")
            if not rows:
                print(_nothing(hub, execution, has_pending=bool(pending)))
            for command in [each for row in rows for each in row.get("finishWith", [])]:
                print(f"finish with: {command}")
            if rows:
                print("next:")
                for line in _next(execution, rows, branch):
                    print(f"  {printable(line)}")
        return 0

    run_connected(command, as_json=as_json)


def _nothing(hub: Hub | None, execution: ExecutionStore, *, has_pending: bool) -> str:
    """Why nothing is shown."""
    if has_pending:
        return "nothing is saved so far"
    if execution.kept_results():
        return "nothing is saved any more: `epw gc` has removed it"
    if hub is None and not execution.path.is_dir():
        return "nothing is saved here: it worked on another machine, or has not begun"
    return "nothing is saved: no agent changed anything"


def _next(execution: ExecutionStore, rows: list[dict[str, Any]], branch: str | None) -> list[str]:
    """Commands that bring saved work into the user's files."""
    workspace = execution.known_workspace()
    url = workspace.url if workspace is not None else None
    place = ["-C", workspace.path] if workspace is not None and url is None else []
    if branch is not None and url is not None:
        return [f"{in_a_clone(url, branch, 'cherry-pick')}   this change alone, in a clone"]
    if branch is not None:
        return [
            f"{shlex.join(['git', *place, 'cherry-pick', branch])}   this change alone, on your branch",
            f"{shlex.join(['git', *place, 'merge', branch])}   with all that it was made on",
        ]
    if patches := [row["patch"] for row in rows if "patch" in row]:
        return [shlex.join(["git", *place, "am", "--3way", os.path.abspath(each)]) for each in patches]
    # Of the branch of a task the newest saved work is the tip, never what its agent left behind in a git of its own.
    open_ones = [row for row in rows if row["existsNowhereElse"] and not row["leftBehind"]]
    identifier, task = execution.workflow_id, (open_ones or rows)[-1]["taskId"]
    if workspace is not None and workspace.kind == "git":
        name = f"salvaged-{slug(task)}"
        return [f"{shlex.join(['epw', 'salvage', identifier, task, '--branch', name])}   its newest work as a branch"]
    return [f"{shlex.join(['epw', 'salvage', identifier, task, '--patches', 'patches'])}   as files for `git am`"]


def _what(row: dict[str, Any]) -> str:
    """Subject of a commit that an agent left in its own git; of a saved change, whether only this has it."""
    if row["leftBehind"]:
        return printable(row["subject"].removeprefix(f"{row['taskId']}: "))
    return "nowhere else" if row["existsNowhereElse"] else "also in your repository"


def _put_on_branch(
    execution: ExecutionStore, hub: Hub, commit: str, branch: str, *, publish_secrets: bool
) -> list[str]:
    """Put saved work on a branch; returns the commands that the user has to run afterwards."""
    workspace = execution.known_workspace()
    if workspace is None or workspace.kind != "git":
        raise InvalidRequest("--branch needs a git repository as workspace; use --patches")
    if workspace.url is not None:
        secrets = [] if publish_secrets else secrets_added(UserGit(hub.path), execution.base(), commit)
        if secrets:
            how = "without it: --patches; if they are no secrets: --publish-secrets"
            raise InvalidRequest(
                f"{branch} is not pushed: it adds {list_paths(secrets)}, secret by name or content; {how}"
            )
        if rejected := UrlGit(hub.path, workspace.url).push({f"refs/heads/{branch}": (commit, "")}):
            raise InvalidRequest(f"the branch {branch} is not taken by {workspace.url}: {rejected[0].why}")
        return []
    modules, reference = execution.submodules(hub), f"refs/heads/{branch}"
    lowered = modules.lowered(commit)
    refusals = (
        transfer.hand_over(hub, module, each, reference) for module, each in modules.missing_commits(lowered, workspace)
    )
    refused = next(filter(None, refusals), None) or transfer.hand_over(hub, workspace, lowered.commit, reference)
    if refused is not None:
        raise InvalidRequest(f"the branch {branch} cannot be made: {refused}")
    return finish_commands.of_branch(execution, hub, commit, branch)


def _write_patch(hub: Hub, row: dict[str, Any], folder: Path) -> Path:
    with user_modes():
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug(row['taskId'])}.{row['attempt']}.{row['commit'][:12]}.patch"
    path.write_bytes(patch(hub, row["commit"]))
    path.chmod(0o666 & ~user_umask())
    return path
