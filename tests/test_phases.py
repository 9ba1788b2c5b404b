"""The seed's phases 1, 2 and 5, and its simulated run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import Farm, statuses, tasks
from workflows.analysis import analyze, bottlenecks
from workflows.graph import TaskGraph
from workflows.validate import read_plan

CASES = {case["name"]: case for case in json.loads((Path(__file__).parent / "plans" / "cases.json").read_text())}
FAST = 60_000


def overlap(rows: dict[str, dict[str, Any]], one: str, other: str) -> bool:
    a, b = rows[one], rows[other]
    return a["startedAt"] < b["finishedAt"] and b["startedAt"] < a["finishedAt"]


def by_task(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["taskId"]: row for row in document["results"]}


async def test_phase_1_two_agents_two_independent_tasks_overlap(farm: Farm, tmp_path: Path) -> None:
    # Each waits for the other to have begun: they end only if they run at once.
    meet = f"touch {tmp_path}/$EPW_TASK_ID; while [ ! -e {tmp_path}/%s ]; do sleep 0.02; done"
    plan = {"maxAgents": 2, "tasks": tasks({"id": "a", "run": meet % "b"}, {"id": "b", "run": meet % "a"})}
    document = await farm.run(plan)
    assert document["success"]
    assert overlap(by_task(document), "a", "b")
    assert document["metrics"]["peakConcurrency"] == 2


async def test_phase_1_two_agents_three_tasks_one_dependent(farm: Farm) -> None:
    plan = {
        "maxAgents": 2,
        "tasks": tasks(
            *({"id": i, "run": "sleep 0.1"} for i in "ab"), {"id": "c", "run": "true", "dependsOn": ["a", "b"]}
        ),
    }
    document = await farm.run(plan)
    rows = by_task(document)
    assert document["success"]
    assert rows["c"]["startedAt"] >= max(rows["a"]["finishedAt"], rows["b"]["finishedAt"])


async def test_phase_2_three_agents_seven_tasks(farm: Farm) -> None:
    case = CASES["seven-task authentication"]
    plan = {
        "agent": "simulated",
        "maxAgents": 3,
        "strategy": "aggressive",
        "tasks": [{**task, "simulate": {"seconds": task["estimatedMinutes"] / 200}} for task in case["tasks"]],
    }
    document = await farm.run(plan)
    assert document["success"]
    assert document["metrics"]["criticalPath"] == ["1", "2", "3"]
    assert document["metrics"]["batches"] == len(analyze(read_plan(plan))["suggestedBatches"])
    found = bottlenecks(TaskGraph.of_plan(read_plan(plan)), 3)
    assert "2" in [row["taskId"] for row in found], "the API endpoints hold three tasks up"
    assert all(row["simulated"] for row in document["results"])


async def test_phase_2_four_agents_ten_tasks_with_a_diamond(farm: Farm) -> None:
    edges = {"b": ["a"], "c": ["a"], "d": ["b", "c"], "g": ["e", "f"], "j": ["d", "g"]}
    rows = [{"id": i, "run": "sleep 0.02", "dependsOn": edges.get(i, [])} for i in "abcdefghij"]
    document = await farm.run({"maxAgents": 4, "tasks": tasks(*rows)})
    assert document["success"]  # no dependency violated: `farm.run` checks I1
    assert document["metrics"]["agentsUsed"] == 4


async def test_phase_5_conservative_failure_in_the_first_batch(farm: Farm) -> None:
    plan = {
        "tasks": tasks(
            {"id": "bad", "run": "sleep 0.1; exit 1"},
            {"id": "sibling", "run": "sleep 60"},
            {"id": "done", "run": "true"},
            {"id": "next", "run": "true", "dependsOn": ["bad", "sibling"]},
        )
    }
    document = await farm.run(plan)
    assert document["status"] == "failed"
    assert statuses(document) == {"bad": "failed", "sibling": "cancelled", "done": "succeeded", "next": "skipped"}


async def test_phase_5_aggressive_goes_on_and_reports(farm: Farm) -> None:
    plan = {
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "bad", "run": "exit 1"},
            {"id": "child", "run": "true", "dependsOn": ["bad"]},
            {"id": "good", "run": "true"},
        ),
    }
    document = await farm.run(plan)
    assert document["status"] == "partial"
    assert statuses(document) == {"bad": "failed", "child": "skipped", "good": "succeeded"}
    assert document["metrics"]["failureCount"] == 1


async def test_phase_5_three_failures_of_ten(farm: Farm) -> None:
    rows = [{"id": str(n), "run": "exit 1" if n in (2, 5, 7) else "true"} for n in range(10)]
    document = await farm.run({"strategy": "aggressive", "maxAgents": 4, "tasks": tasks(*rows)})
    assert document["metrics"]["failureCount"] == 3
    assert sum(row["success"] for row in document["results"]) == 7


async def test_the_seed_s_simulated_run_is_reproducible(farm: Farm) -> None:
    plan = {
        "agent": "simulated",
        "maxAgents": 3,
        "simulation": {"seed": 1, "speed": FAST},
        "tasks": CASES["five-task login"]["tasks"],
    }
    first, second = await farm.run(plan), await farm.run(plan)
    for document in (first, second):
        metrics = document["metrics"]
        assert (metrics["totalTasks"], sum(row["success"] for row in document["results"])) == (5, 5)
        assert (metrics["batches"], metrics["agentCount"]) == (3, 3)
        assert (metrics["parallelTasks"], metrics["sequentialTasks"]) == (4, 1)
        assert (metrics["failureCount"], metrics["conflictCount"]) == (0, 0)
    assert [row["attempts"] for row in first["results"]] == [row["attempts"] for row in second["results"]]
