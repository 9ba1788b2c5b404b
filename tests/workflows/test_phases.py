"""The seed's phases 1, 2, 3 and 5, and its simulated run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from epw.core.analysis.analysis import analyze
from epw.core.plan.validate import read_plan
from tests.support import Harness, make_repository, offered, statuses, tasks

CASES = {case["name"]: case for case in json.loads((Path(__file__).parents[1] / "plans" / "cases.json").read_text())}
FAST = 60_000


def overlap(rows: dict[str, dict[str, Any]], one: str, other: str) -> bool:
    a, b = rows[one], rows[other]
    return bool(a["startedAt"] < b["finishedAt"] and b["startedAt"] < a["finishedAt"])


def by_task(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["taskId"]: row for row in document["results"]}


async def test_phase_1_two_agents_two_independent_tasks_overlap(harness: Harness, tmp_path: Path) -> None:
    # Each waits for the other to have begun: they end only if they run at once.
    meet = f"touch {tmp_path}/$EPW_TASK_ID; while [ ! -e {tmp_path}/%s ]; do sleep 0.02; done"
    plan = {"maxAgents": 2, "tasks": tasks({"id": "a", "run": meet % "b"}, {"id": "b", "run": meet % "a"})}
    document = await harness.run(plan)
    assert document["success"]
    assert overlap(by_task(document), "a", "b")
    assert document["metrics"]["peakConcurrency"] == 2


async def test_phase_1_two_agents_three_tasks_one_dependent(harness: Harness) -> None:
    plan = {
        "maxAgents": 2,
        "tasks": tasks(
            *({"id": i, "run": "sleep 0.1"} for i in "ab"), {"id": "c", "run": "true", "dependsOn": ["a", "b"]}
        ),
    }
    document = await harness.run(plan)
    rows = by_task(document)
    assert document["success"]
    assert rows["c"]["startedAt"] >= max(rows["a"]["finishedAt"], rows["b"]["finishedAt"])


async def test_phase_2_three_agents_seven_tasks(harness: Harness) -> None:
    case = CASES["seven-task authentication"]
    plan = {
        "agent": "simulated",
        "maxAgents": 3,
        "strategy": "aggressive",
        "tasks": [{**task, "simulate": {"seconds": task["estimatedMinutes"] / 200}} for task in case["tasks"]],
    }
    document = await harness.run(plan)
    assert document["success"]
    # By measured durations: of two last tasks that are as long by their estimates, either.
    path = document["metrics"]["criticalPath"]
    assert path[:2] == ["1", "2"]
    lengths = {task["id"]: task["estimatedMinutes"] for task in case["tasks"]}
    assert [lengths[each] for each in path[2:]] == [lengths["3"]]
    assert document["metrics"]["batches"] == len(analyze(read_plan(plan))["suggestedBatches"])
    found = analyze(read_plan(plan))["bottlenecks"]
    assert "2" in [row["taskId"] for row in found], "the API endpoints hold three tasks up"
    assert all(row["simulated"] for row in document["results"])


async def test_phase_2_four_agents_ten_tasks_with_a_diamond(harness: Harness) -> None:
    edges = {"b": ["a"], "c": ["a"], "d": ["b", "c"], "g": ["e", "f"], "j": ["d", "g"]}
    rows = [{"id": i, "run": "sleep 0.02", "dependsOn": edges.get(i, [])} for i in "abcdefghij"]
    document = await harness.run({"maxAgents": 4, "tasks": tasks(*rows)})
    assert document["success"]  # no dependency violated: `harness.run` checks I1
    assert document["metrics"]["agentsUsed"] == 4


async def test_phase_3_two_agents_on_one_file(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"user.ts": "name\n"})
    rows = tasks(*({"id": each, "run": f"echo {each} > user.ts"} for each in ("model", "form")))
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["merge", "prefer:form", "skip"]}
    document = await harness.run({**plan, "tasks": rows})
    (conflict,) = document["conflicts"]
    assert (conflict["type"], conflict["kind"], conflict["severity"]) == ("file-level", "lines", "medium")
    assert sorted(conflict["tasks"]) == ["form", "model"]
    assert sorted(conflict["agents"]) == ["agent-1", "agent-2"]
    assert conflict["affectedResources"] == ["user.ts"]
    assert sorted(each["description"] for each in conflict["intents"]) == ["do form", "do model"]
    assert conflict["detectionMethod"] == "three-way merge"
    steps = offered("lines", *conflict["tasks"])
    strategies = [each["strategy"] for each in conflict["resolutionOptions"]]
    assert strategies == [step.kind.option.strategy for step in steps if step.kind.option]
    (hunk,) = conflict["hunks"]
    assert sorted((hunk["ours"], hunk["theirs"])) == ["form\n", "model\n"]
    assert (conflict["resolution"], conflict["decidedBy"]) == ("prefer:form", "plan")


CALL = "printf 'import lib\\n\\n\\ndef run():\\n    return lib.total([])\\n' > app.py"


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("sed -i s/total/summed/ lib.py", CALL, "total is used in app.py:5 and was removed or renamed in lib.py"),
        ("sed -i 's/(items)/(items, start)/' lib.py", CALL, "app.py:5 calls total as it was; in lib.py it takes"),
        (
            "sed -i '1i def mean(items):\\n    return 1\\n\\n' lib.py",
            "printf '\\n\\ndef mean(items):\\n    return 2\\n' >> lib.py",
            "mean is defined in lib.py",
        ),
    ],
    ids=["rename against a new call", "signature against a new call", "definition twice"],
)
async def test_phase_3_related_code(harness: Harness, tmp_path: Path, first: str, second: str, says: str) -> None:
    lib = "def total(items):\n    return 0\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 2\n"
    path = make_repository(tmp_path / "work", {"lib.py": lib, "app.py": ""})
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"]}
    document = await harness.run({**plan, "tasks": tasks({"id": "one", "run": first}, {"id": "other", "run": second})})
    (conflict,) = document["conflicts"]
    assert (conflict["type"], conflict["kind"], conflict["severity"]) == ("semantic", "semantic", "high")
    assert sorted(conflict["tasks"]) == ["one", "other"]
    assert says in conflict["description"]
    assert sorted(statuses(document).values()) == ["conflicted", "succeeded"]


async def test_phase_3_a_task_that_read_what_a_concurrent_one_wrote(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"schema.sql": "1\n"})
    rows = tasks(
        {"id": "migrates", "run": "echo 2 > schema.sql"},
        {"id": "documents", "run": "cat schema.sql > docs.md", "reads": ["schema.sql"]},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert document["status"] == "succeeded"
    (conflict,) = document["conflicts"]
    assert (conflict["type"], conflict["kind"], conflict["severity"]) == ("dependency", "hazard", "low")
    assert conflict["tasks"] == ["documents", "migrates"]
    (option,) = conflict["resolutionOptions"]
    assert (option["strategy"], option["automatic"]) == ("sequential-retry", False)
    assert "Let documents depend on migrates" in option["description"]


async def test_phase_3_three_agents_without_conflicts(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"shared": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})
    edits = zip("abc", ("s/1/one/", "s/5/five/", "s/9/nine/"), strict=True)
    rows = tasks(*({"id": each, "run": f"sed -i {edit} shared; echo 1 > {each}"} for each, edit in edits))
    document = await harness.run({"workspace": str(path), "maxAgents": 3, "tasks": rows})
    assert document["status"] == "succeeded"
    assert document["conflicts"] == []


async def test_phase_5_conservative_failure_in_the_first_batch(harness: Harness) -> None:
    plan = {
        "tasks": tasks(
            {"id": "bad", "run": "sleep 0.1; exit 1"},
            {"id": "sibling", "run": "sleep 60"},
            {"id": "done", "run": "true"},
            {"id": "next", "run": "true", "dependsOn": ["bad", "sibling"]},
        )
    }
    document = await harness.run(plan)
    assert document["status"] == "failed"
    assert statuses(document) == {"bad": "failed", "sibling": "cancelled", "done": "succeeded", "next": "skipped"}


async def test_phase_5_aggressive_goes_on_and_reports(harness: Harness) -> None:
    plan = {
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "bad", "run": "exit 1"},
            {"id": "child", "run": "true", "dependsOn": ["bad"]},
            {"id": "good", "run": "true"},
        ),
    }
    document = await harness.run(plan)
    assert document["status"] == "partial"
    assert statuses(document) == {"bad": "failed", "child": "skipped", "good": "succeeded"}
    assert document["metrics"]["failureCount"] == 1


async def test_phase_5_three_failures_of_ten(harness: Harness) -> None:
    rows = [{"id": str(n), "run": "exit 1" if n in (2, 5, 7) else "true"} for n in range(10)]
    document = await harness.run({"strategy": "aggressive", "maxAgents": 4, "tasks": tasks(*rows)})
    assert document["metrics"]["failureCount"] == 3
    assert sum(row["success"] for row in document["results"]) == 7


async def test_the_seed_s_simulated_run_is_reproducible(harness: Harness) -> None:
    plan = {
        "agent": "simulated",
        "maxAgents": 3,
        "simulation": {"seed": 1, "speed": FAST},
        "tasks": CASES["five-task login"]["tasks"],
    }
    first, second = await harness.run(plan), await harness.run(plan)
    for document in (first, second):
        metrics = document["metrics"]
        assert (metrics["totalTasks"], sum(row["success"] for row in document["results"])) == (5, 5)
        assert (metrics["batches"], metrics["agentCount"]) == (3, 3)
        assert (metrics["parallelTasks"], metrics["sequentialTasks"]) == (4, 1)
        assert (metrics["failureCount"], metrics["conflictCount"]) == (0, 0)
    assert [row["attempts"] for row in first["results"]] == [row["attempts"] for row in second["results"]]
