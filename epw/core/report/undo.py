"""Commands that undo what an execution has delivered, by how it was delivered."""

from __future__ import annotations

import shlex

from epw.core.report.model import ExecutionResult
from epw.core.report.report import Step

_SHORT = 12
"""Digits of a commit's name."""


def undo_steps(result: ExecutionResult) -> list[Step]:
    """The commands; none where nothing was delivered.

    A delivered branch is a line of commits without merges: whether it was merged by a fast-forward, a merge commit or
    squashed, reverting each of its commits takes it back.
    """
    delivery, execution_id = result["delivery"], result["executionId"]
    if delivery is None or delivery["refusedBecause"]:
        return []
    base, head = delivery["base"], delivery["head"]
    if base is None or head is None or base == head:
        return []
    if delivery["branch"] is not None and any(row["landed"] for row in result["results"]):
        kept = f"`{_epw('salvage', execution_id)}` has each change until `epw gc`, and what was pushed stays"
        by = ["push", "origin", "--delete"] if delivery["mode"] == "push" else ["branch", "-D"]
        steps = [
            _step(
                f"git revert --no-edit {base[:_SHORT]}..{head[:_SHORT]}",
                "the whole, once it is merged, in whichever way: a commit a task is reverted",
            ),
            _step(shlex.join(["git", *by, delivery["branch"]]), f"the whole, before: {kept}"),
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
