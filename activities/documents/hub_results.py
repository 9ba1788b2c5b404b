"""Parts of a result document that the hub and the state directory hold: changes, kept files, hunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from activities.git import kept_files
from activities.git.changes import changed_paths
from activities.git.command import display_path
from activities.git.hub import Hub
from activities.git.many_changes import changes_of, parents_of
from activities.git.snapshot import uncommitted_files
from activities.state.execution_store import ExecutionStore
from epw.core.errors import GitError
from epw.core.naming import slug
from epw.core.report.model import ExecutionResult
from epw.core.report.task_result import FileChange, KeptFile, TaskError, TaskResult

_MAX_OUTPUT = 2000


def add_hub_results(document: ExecutionResult, execution: ExecutionStore) -> None:
    """Fill in what the history does not hold; what `gc` has removed is taken from what it noted before."""
    hub, removed = execution.hub(), execution.kept_results()
    rows = {row["taskId"]: row for row in removed.get("results", [])}
    kept = _kept_files(hub, execution)
    known = _changes(document, execution, hub)
    for row in document["results"]:
        gone = rows.get(row["taskId"], {})
        row["kept"] = kept.get(slug(row["taskId"])) or gone.get("kept", [])
        _add_changes(row, known, gone.get("changes"))
        if row["error"] is not None:
            _add_context(row["error"], execution, row["commit"])
    hunks = {each["id"]: each.get("hunks", []) for each in removed.get("conflicts", [])}
    for conflict in document["conflicts"]:
        known = execution.conflict(conflict["commit"]).get("hunks", [])
        conflict["hunks"] = known or hunks.get(conflict["id"], [])
    delivery = document["delivery"]
    if delivery is not None:
        found = _changed_files(hub, delivery["base"], delivery["head"])
        delivery["files"] = (removed.get("delivery") or {}).get("files") if found is None else found
        if uncommitted := uncommitted_files(hub, delivery["base"]) if delivery["branch"] else []:
            delivery["uncommitted"] = uncommitted


def _kept_files(hub: Hub | None, execution: ExecutionStore) -> dict[str, list[KeptFile]]:
    """Kept files by slug of the task."""
    if hub is None:
        return {}
    commits = kept_files.newest(hub, execution.ref("kept"))
    lists = kept_files.listed(hub, list(commits.values()))
    return {
        task: [cast(KeptFile, {**each, "path": display_path(each["path"])}) for each in files]
        for task, files in zip(commits, lists, strict=True)
    }


def _changes(document: ExecutionResult, execution: ExecutionStore, hub: Hub | None) -> dict[str, list[dict[str, Any]]]:
    """Changes by commit, of the commits that are here; a task that failed gets the last commit that it has saved."""
    if hub is None:
        return {}
    for row in document["results"]:
        if row["commit"] is None and row["attempts"] and row["status"] != "succeeded":
            row["commit"] = hub.newest_of(execution.ref("tasks", slug(row["taskId"])))
    commits = [row["commit"] for row in document["results"] if row["commit"]]
    try:
        return changes_of(hub, parents_of(hub, commits))
    except GitError:
        # The hub is damaged.
        return {}


def _add_changes(row: TaskResult, known: dict[str, list[dict[str, Any]]], removed: Any) -> None:
    """Fill in the changes of a task's commit, None where nobody knows them: it is on another machine, or gone.

    `removed`: its changes as noted before `gc` removed the commit, or None.
    """
    if row["commit"] or removed:
        row["changes"] = cast(list[FileChange] | None, known.get(row["commit"] or "", removed))
    row["filesModified"] = None if row["changes"] is None else [change["file"] for change in row["changes"]]


def _add_context(error: TaskError, execution: ExecutionStore, commit: str | None) -> None:
    """Fill in where more is found of a failure, and leave out advice that leads to nothing."""
    context, log = error["context"], execution.attempt_log(error["context"]["taskId"], error["attempt"])
    context["savedCommit"] = commit
    if log is not None:
        context["log"], context["output"] = str(log), _end_of(log)
    leads_nowhere = [*([] if commit else ["`epw salvage "]), *([] if log else ["`epw logs "])]
    options = [each for each in error["recoveryOptions"] if not any(command in each for command in leads_nowhere)]
    error["recoveryOptions"] = options


def _end_of(log: Path) -> str | None:
    """The last whole lines of a log, at most 2,000 characters; None where it is empty."""
    with open(log, "rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - _MAX_OUTPUT))
        text = file.read().decode("utf-8", "replace")
    return ((text.partition("\n")[2] or text) if size > _MAX_OUTPUT else text).rstrip() or None


def _changed_files(hub: Hub | None, base: str | None, head: str | None) -> list[str] | None:
    """Delivered files; None where nobody knows: the commits are gone or on another machine."""
    if base is None or head is None:
        return []
    if hub is None:
        return None
    try:
        return [display_path(path) for path in changed_paths(hub, base, head)]
    except GitError:
        return None
