"""Ticks of what an execution has done, written where its work is: on the delivered branch, or in the file itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from activities.git.branch_commit import commit_on_branch
from activities.git.command import display_path
from activities.git.workspace import Workspace
from activities.system.atomic_write import write_atomically
from epw.client.foreign_file import read_foreign
from epw.core.amounts import count, few
from epw.core.errors import InvalidRequest, Refused
from epw.core.execution.exit_status import OUTCOMES
from epw.core.plan.model import Plan
from epw.core.report.model import ExecutionResult
from epw.importers.formats import recognise
from epw.importers.handoffs import is_complete
from epw.importers.model import Choices, ForeignFile, Format
from epw.importers.ticks import Ticked, require_ticks, tick

_MAX_NAMED = 20


@dataclass(frozen=True)
class Ticking:
    """Ticks for one file: its format and how it is read."""

    file: ForeignFile
    form: Format
    choices: Choices

    @classmethod
    def of(cls, path: str, form: Format | None = None, choices: Choices | None = None) -> Ticking:
        """Read a file that can be ticked; raises `InvalidPlan`, and `InvalidRequest` where nothing in it is ticked."""
        if path == "-":
            raise InvalidRequest("--tick needs a file, not standard input")
        file = read_foreign(path)
        found = form or recognise(file)
        if found is None:
            raise InvalidRequest(f"{file.path} is no foreign file of tasks, so there is nothing to tick")
        require_ticks(file, found)
        return cls(file, found, choices or Choices())

    def write(self, plan: Plan, document: ExecutionResult, *, in_place: bool = False) -> list[str]:
        """Tick the tasks that have succeeded and landed; returns lines for people.

        Where the work has been delivered as a branch that is not yet part of HEAD, the ticks are one more commit on it;
        else they are in the file. `in_place`: in the file in any case. Raises `InvalidRequest` where nothing was
        delivered, and where the file or the branch cannot be changed.
        """
        done = {row["taskId"] for row in document["results"] if is_complete(row)}
        descriptions = {task.id: task.description for task in plan.tasks if task.id in done}
        branch = None if in_place else self._branch(plan, document)
        if not descriptions:
            return [f"nothing to tick in {self.file.path}: no task of {document['executionId']} has landed"]
        if branch is None:
            return _lines(self._write_file(descriptions), self.file.path, document)
        workspace = Workspace.read(plan.workspace or "")
        return self._commit(workspace, branch, descriptions, document)

    def _branch(self, plan: Plan, document: ExecutionResult) -> str | None:
        """The branch that has the work, where HEAD does not have it; None: tick the file itself."""
        delivery, identifier = document["delivery"], document["executionId"]
        if document["status"] not in OUTCOMES:
            raise InvalidRequest(f"execution {identifier!r} has not ended: nothing is ticked yet")
        if plan.workspace is None or delivery is None:
            return None
        if document["status"] not in ("succeeded", "partial") or delivery["mode"] == "none":
            raise InvalidRequest(f"execution {identifier!r} has delivered nothing: nothing is ticked")
        inside = Path(os.path.realpath(self.file.place)).is_relative_to(os.path.realpath(plan.workspace))
        if delivery["mode"] != "branch" or not inside or delivery["branch"] is None or delivery["head"] is None:
            return None
        workspace = Workspace.read(plan.workspace)
        return None if workspace.head_holds(delivery["head"]) else delivery["branch"]

    def _commit(
        self, workspace: Workspace, branch: str, descriptions: Mapping[str, str], document: ExecutionResult
    ) -> list[str]:
        path = Path(os.path.realpath(self.file.place)).relative_to(os.path.realpath(workspace.path)).as_posix()
        found: list[Ticked] = []

        def change(before: bytes) -> bytes:
            found.append(self._ticked(before, descriptions))
            return found[-1].text.encode()

        message = f"Tick what {document['executionId']} has done in {display_path(path)}\n"
        try:
            commit = commit_on_branch(workspace, branch, path, change, message)
        except Refused as error:
            again = "merge it and tick again, or give --in-place"
            raise InvalidRequest(f"{self.file.path} is not ticked: {error}; {again}") from None
        place = f"{self.file.path} on branch {branch}"
        return _lines(found[0], place if commit is None else f"{place} (commit {commit[:12]})", document)

    def _write_file(self, descriptions: Mapping[str, str]) -> Ticked:
        path = Path(os.path.realpath(self.file.place))
        before = path.read_bytes()
        ticked = self._ticked(before, descriptions)
        if ticked.ids:
            mode = stat.S_IMODE(path.stat().st_mode)
            if path.read_bytes() != before:
                raise InvalidRequest(f"{self.file.path} was changed meanwhile: tick again")
            write_atomically(path, ticked.text.encode(), mode=mode)
        return ticked

    def _ticked(self, content: bytes, descriptions: Mapping[str, str]) -> Ticked:
        """Ticks in another state of the file."""
        try:
            file = self.file.with_text(content.decode("utf-8"))
        except ValueError:
            raise InvalidRequest(f"{self.file.path} is not valid there any more: nothing is ticked") from None
        return tick(file, self.form, self.choices, descriptions)


def _lines(ticked: Ticked, place: str, document: ExecutionResult) -> list[str]:
    if not ticked.ids:
        return [f"nothing to tick in {place}", *ticked.notes]
    rows = [row for row in document["results"] if row["taskId"] in ticked.ids]
    simulated = sum(bool(row.get("simulated")) for row in rows)
    unchanged = [row["taskId"] for row in rows if row["landed"] and row["changes"] == [] and not row.get("simulated")]
    return [
        f"ticked {count(len(rows), 'task')} in {place}: {few(ticked.ids, _MAX_NAMED)}",
        *ticked.notes,
        *([f"ticked, though nothing was changed for them: {few(unchanged, _MAX_NAMED)}"] if unchanged else []),
        *([f"{simulated} of the ticked tasks were simulated: nobody has done them"] if simulated else []),
    ]
