"""Changes of an execution as the hub has them: the whole one, and each task's, landed or not."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import WorkflowExecutionStatus

from activities.git.hub import Hub
from activities.git.many_changes import parents_of
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.client.documents import describe, document_of, never_began, short_document
from epw.client.mending import mended
from epw.client.url_hub import catch_up, in_a_clone
from epw.core.errors import InvalidRequest
from epw.core.plan.wording import did_you_mean
from epw.core.report.model import OPEN, ExecutionResult
from epw.core.report.task_result import TaskResult
from epw.service.connection import Connection
from epw.settings import Settings


def no_task(execution_id: str, task_id: str, known: Sequence[str]) -> str:
    """What a user is told of a task that an execution does not have."""
    hint = did_you_mean(task_id, known) or f"; `epw status {shlex.quote(execution_id)}` shows those it has"
    return f"execution {execution_id!r} has no task {task_id!r}{hint}"


@dataclass(frozen=True)
class KnownExecution:
    """An execution: its result as it stands, and its files on this machine."""

    document: ExecutionResult
    store: ExecutionStore

    @classmethod
    async def of(cls, settings: Settings, connection: Connection, execution_id: str) -> KnownExecution:
        """Look an execution up; raises `InvalidRequest` where there is none of this id."""
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        # The URL of an execution that could not begin may still not answer, and has nothing of it.
        if described.status != WorkflowExecutionStatus.FAILED or not never_began(
            await short_document(handle, described)
        ):
            await catch_up(settings, handle, described)
        document = await document_of(settings, handle, described)
        return cls(document, ExecutionStore.of(settings.state, described))

    @property
    def id(self) -> str:
        return self.document["executionId"]

    @property
    def hub(self) -> Hub | None:
        return self.store.hub()

    @property
    def lost(self) -> str | None:
        """A sentence on what it had saved and whose objects are missing; None where all is there."""
        return mended(self.store)

    @property
    def workspace(self) -> Workspace | None:
        """The user's directory or repository; None without one, and on another machine."""
        return self.store.known_workspace()

    @property
    def repository(self) -> Path:
        """The user's directory or repository; raises `InvalidRequest` where it is on another machine, or gone."""
        if (workspace := self.workspace) is None:
            raise InvalidRequest(f"execution {self.id!r} has no repository on this machine")
        return _there(workspace, self.id)

    def task(self, task_id: str) -> TaskResult:
        """The row of a task; raises `InvalidRequest`."""
        rows = {row["taskId"]: row for row in self.document["results"]}
        if task_id not in rows:
            raise InvalidRequest(no_task(self.id, task_id, list(rows)))
        return rows[task_id]

    def ends(self, task_id: str | None = None) -> tuple[str, str] | None:
        """The commits before and after the change of a task, or of the whole; None where there is no such commit here.

        The whole of an execution that goes on is what has landed so far.
        """
        hub, before, after = self.hub, None, None
        if hub is None:
            return None
        if task_id is not None:
            after = self.task(task_id)["commit"]
            before = hub.parent_of(after) if after and hub.resolve(after) else None
        elif (delivery := self.document["delivery"]) is not None:
            before, after = delivery["base"], delivery["head"]
        elif (self.store.path / "base").is_file():
            before, after = self.store.base(), hub.resolve(self.store.head_ref)
        if before is None or after is None or hub.resolve(before) is None or hub.resolve(after) is None:
            return None
        return before, after

    @property
    def saved(self) -> list[str]:
        """Ids of the tasks whose changes are in the hub."""
        hub, commits = self.hub, {row["taskId"]: row["commit"] for row in self.document["results"]}
        here = parents_of(hub, list(filter(None, commits.values()))) if hub is not None else {}
        return [task_id for task_id, commit in commits.items() if commit in here]

    def delivered_branch(self) -> str:
        """The branch that was delivered; raises `InvalidRequest` with what to do where there is none."""
        branch, workspace = self.pushed_branch(), self.workspace
        if workspace is not None and workspace.url is not None:
            commands = in_a_clone(workspace.url, branch, "merge")
            raise InvalidRequest(f"the branch is on a git URL; in a clone of it: `{commands}`")
        if workspace is None:
            raise InvalidRequest(f"execution {self.id!r} worked on another machine: its repository is not here")
        _there(workspace, self.id)
        if workspace.resolve_ref(f"refs/heads/{branch}") is None:
            raise InvalidRequest(f"the branch {branch} is not in {workspace.path} any more")
        return branch

    def pushed_branch(self) -> str:
        """The branch that was delivered, wherever it is; raises `InvalidRequest` with what to do instead."""
        delivery = self.document["delivery"]
        branch = delivery["branch"] if delivery is not None and not delivery["refusedBecause"] else None
        if branch is None:
            raise InvalidRequest(f"execution {self.id!r} ({self.document['status']}) {self._without_branch()}")
        return branch

    @property
    def base_branch(self) -> str:
        """The branch of the git URL that it began from; raises `InvalidRequest` where that was none."""
        branch = self.workspace.branch if self.workspace is not None else None
        if branch is None:
            raise InvalidRequest("it began from no branch: give --base, the branch that the pull request is to join")
        return branch

    def _without_branch(self) -> str:
        """What there is instead of a branch, and what to do."""
        delivery, none = self.document["delivery"], "has delivered no branch"
        if self.document["status"] in OPEN:
            return f"{none} yet; `{shlex.join(['epw', 'watch', self.id])}` follows it to its end"
        if delivery is not None and delivery["finishWith"]:
            return f"{none}; finish with: {delivery['finishWith'][0]}"
        if delivery is not None and delivery["mode"] == "apply" and not delivery["refusedBecause"]:
            return "has delivered into the work tree: its changes are in your files, and nothing is left to merge"
        return f"{none}; `{shlex.join(['epw', 'status', self.id])}` says why"


def _there(workspace: Workspace, execution_id: str) -> Path:
    """The directory of a workspace; raises `InvalidRequest` where it has been moved or deleted."""
    if not (path := Path(workspace.path)).is_dir():
        patches = f"epw salvage {shlex.quote(execution_id)} --patches DIRECTORY"
        raise InvalidRequest(
            f"the workspace of {execution_id!r} is not at {path} any more: move it back; "
            f"or `{patches}` writes every saved change for `git am` elsewhere"
        )
    return path
