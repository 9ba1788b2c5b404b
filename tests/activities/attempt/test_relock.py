"""Generated files that do not merge are made anew, by the plan's command, in the sandbox of the agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.attempt.checkout import check_out
from activities.attempt.directory import AttemptDirectory
from activities.git.hub import Hub
from activities.git.snapshot import snapshot
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.errors import TaskFailed
from epw.core.messages import MergeContext, TaskRun
from tests.support import Harness, make_repository, sh, statuses, tasks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = make_repository(tmp_path / "work", {"requirements.txt": "a==1\n"})
    sh(path, "bash", "-c", "sha256sum < requirements.txt > uv.lock; git add -A; git commit -qm lock")
    return path


def plan(path: Path, **more: Any) -> dict[str, Any]:
    lock = "sha256sum < requirements.txt > uv.lock"
    rows = tasks(*({"id": each, "run": f"echo {each}==1 >> requirements.txt; {lock}"} for each in "xyz"))
    return {"workspace": str(path), "tasks": rows, "relock": {"*.lock": lock}, **more}


async def test_three_tasks_that_change_one_lock_file_all_land_with_a_lock_of_all(harness: Harness, path: Path) -> None:
    document = await harness.run(plan(path))
    assert statuses(document) == dict.fromkeys("xyz", "succeeded")
    branch = document["delivery"]["branch"]
    requirements = sh(path, "git", "show", f"{branch}:requirements.txt")
    assert sorted(requirements.split()) == ["a==1", "x==1", "y==1", "z==1"]
    assert sh(path, "git", "show", f"{branch}:uv.lock") == sh(path, "sha256sum", input=requirements)
    assert {each["resolution"] for each in document["conflicts"]} == {"merge"}
    assert {each["decidedBy"] for each in document["conflicts"]} == {"strategy"}
    assert [row["attempts"] for row in document["results"]] == [1, 1, 1]
    hub = ExecutionStore(StateDirectory(harness.home), document["executionId"], document["runId"]).hub()
    assert hub is not None
    saved = [row["commit"] for row in document["results"]]
    parents = sh(hub.path, "git", "log", "--no-walk", "--format=%P", *saved).splitlines()
    assert sum(len(each.split()) == 2 for each in parents) >= 2


@pytest.mark.parametrize(
    ("command", "says"),
    [("echo no network >&2; exit 7", "no network"), ("true", "left uv.lock as one side had it")],
)
async def test_a_lock_that_is_not_made_goes_on_with_the_next_step(
    harness: Harness, path: Path, command: str, says: str
) -> None:
    given = plan(path, strategy="aggressive", relock={"uv.lock": command}, onConflict=["merge", "skip"])
    given["tasks"].pop()
    document = await harness.run(given)
    assert sorted(statuses(document).values()) == ["conflicted", "succeeded"]
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["tried"]) == ("skip", ["merge"])
    (row,) = (each for each in document["results"] if each["status"] == "conflicted")
    assert says in row["error"]["message"]


def test_what_has_come_into_the_way_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """The head changes a binary file that the task has changed too, while its lock file is to be made anew."""
    path = make_repository(tmp_path / "work", {"uv.lock": "0\n", "data.bin": "\0"})
    workspace = Workspace.read(str(path))
    execution = ExecutionStore(StateDirectory(tmp_path / "home"), "x", "run")
    hub = Hub.created(StateDirectory(tmp_path / "home").hub(str(path)))
    base = snapshot(hub, workspace, execution.ref("base"), 0, False)
    execution.keep_workspace(workspace, base)

    def commit(*contents: str) -> str:
        files = {name: ("100644", text.encode()) for name, text in zip(("uv.lock", "data.bin"), contents, strict=True)}
        return hub.commit(hub.with_files(base, files), [base], "side", None, 0)

    dispute = MergeContext(
        description="", paths=["uv.lock"], sides=[], commit=commit("1\n", "\0mine"), relock=["uv.lock"]
    )
    head = commit("2\n", "\0theirs")
    run = TaskRun(task_id="t", attempt=1, agent_id="agent-1", hub=str(hub.path), base=head, dispute=dispute)
    with pytest.raises(TaskFailed, match=r"more than uv\.lock conflicts by now"):
        check_out(AttemptDirectory(execution, run, 1))


async def test_where_other_files_are_in_the_way_nothing_is_made_anew(harness: Harness, path: Path) -> None:
    given = plan(path, strategy="aggressive", onConflict=["merge", "skip"])
    rows = [{**row, "run": f"{row['run']}; echo {row['id']} > notes"} for row in given["tasks"][:2]]
    document = await harness.run({**given, "tasks": rows})
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["tried"]) == ("skip", ["merge"])
    assert sorted(row["attempts"] for row in document["results"]) == [1, 1]
