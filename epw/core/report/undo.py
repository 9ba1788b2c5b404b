"""Commands that undo what an execution has delivered, by how it was delivered."""

from __future__ import annotations

import shlex

from epw.core.report.model import ExecutionResult
from epw.core.report.report import Step


def undo_steps(result: ExecutionResult) -> list[Step]:
    """The commands; none where nothing was delivered."""
    delivery, execution_id = result["delivery"], result["executionId"]
    if delivery is None or delivery["refusedBecause"] or delivery["head"] == delivery["base"]:
        return []
    if delivery["branch"] is not None and any(row["landed"] for row in result["results"]):
        steps = [
            _step("git revert -m 1 MERGE", "the whole, once the branch is merged; MERGE: the commit that merged it"),
            _step(shlex.join(["git", "branch", "-D", delivery["branch"]]), "the whole, before: nothing else has it"),
        ]
        if sum(bool(row["landed"]) for row in result["results"]) > 1:
            steps.append(_step(f"{_epw('drop', execution_id)} TASK", "one task: another branch, without it"))
        return steps
    if delivery["mode"] == "apply" and delivery["files"]:
        reverse = f"{_epw('diff', execution_id)} | git apply --reverse"
        return [_step(reverse, "the whole, in the work tree; it refuses where you have changed the lines since")]
    return []


def _epw(*words: str) -> str:
    return shlex.join(["epw", *words])


def _step(command: str, purpose: str) -> Step:
    return {"command": command, "purpose": purpose}
