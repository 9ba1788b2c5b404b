"""Order of landings: it matters only for changes of the same files, and then it is reported."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from activities.git.hub import Hub
from activities.land import land_changes
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.landing import Change, LandRequest
from tests.activities.attempt.test_worktree_pool import Attempts
from tests.support import Harness, make_repository, tasks


def landed(execution: ExecutionStore, hub: Hub, base: str, changes: list[tuple[str, str]]) -> str:
    """The tree of these changes, landed on a base one after the other."""
    found = [Change(task_id=task, commit=commit) for task, commit in changes]
    request = LandRequest(hub=str(hub.path), head=base, changes=found, at=0)
    result = land_changes(execution, request, {})
    assert [row.conflict for row in result.rows] == [None] * len(changes)
    return hub.tree_of(result.head)


@pytest.mark.parametrize("seed", range(3))
def test_changes_of_different_files_make_one_tree_whatever_the_order(tmp_path: Path, seed: int) -> None:
    attempts, chance = Attempts(tmp_path), random.Random(seed)
    changes = []
    for number in range(6):
        directory = attempts.make(attempts.base)
        for name in range(chance.randint(1, 3)):
            path = directory.tree / f"d{chance.randint(0, 2)}/{number}/{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number} {name}\n")
        commit, _ = directory.save(number)
        assert commit is not None
        changes.append((directory.run.task_id, commit))
        directory.remove()
    trees = set()
    for turn in range(4):
        execution = ExecutionStore(StateDirectory(tmp_path / "home"), f"order-{turn}", "run")
        execution.keep_workspace(attempts.execution.workspace(), attempts.base)
        trees.add(landed(execution, attempts.hub, attempts.base, chance.sample(changes, len(changes))))
    assert len(trees) == 1


async def test_changes_of_one_file_make_the_same_tree_in_the_order_that_is_told(
    harness: Harness, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work", {"f": "".join(f"{number}\n" for number in range(30))})
    rows = tasks(*({"id": f"t{n}", "run": f"sleep 0.{n}; sed -i 's/^{n}$/{n} by t{n}/' f"} for n in (1, 8, 15, 22)))
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded"
    assert sorted(document["landingOrder"]) == ["t1", "t15", "t22", "t8"]
    hub, delivery = Hub(StateDirectory(harness.home).hub(str(path))), document["delivery"]
    commits = {row["taskId"]: row["commit"] for row in document["results"]}
    execution = ExecutionStore(StateDirectory(harness.home), "again", "run")
    execution.keep_workspace(next(iter(ExecutionStore.all(StateDirectory(harness.home)))).workspace(), delivery["base"])
    again = landed(execution, hub, delivery["base"], [(task, commits[task]) for task in document["landingOrder"]])
    assert again == hub.tree_of(delivery["head"])
