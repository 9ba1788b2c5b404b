"""The analysis of a plan, by its rules and known numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from epw.core.analysis.analysis import analyze
from epw.core.plan.validate import read_plan

ROOT = Path(__file__).parents[2]
CASES = {case["name"]: case for case in json.loads((Path(__file__).parents[1] / "plans" / "cases.json").read_text())}


def analysis(name: str, agents: int) -> dict[str, Any]:
    return analyze(read_plan({"tasks": CASES[name]["tasks"], "maxAgents": agents}, runnable=False))


def test_uneven_three_on_three_agents() -> None:
    found = analysis("uneven three", 3)
    assert (found["estimatedMinutes"], found["estimatedSpeedup"], found["parallelizable"]) == (20, 2.25, True)


def test_the_diamond_is_not_worth_it_and_the_reasoning_says_why() -> None:
    found = analysis("diamond of tens", 5)
    assert found["parallelizable"] is False
    assert "1.33 < 1.5" in found["reasoning"]


def test_fifteen_independent_tasks() -> None:
    assert analysis("fifteen independent tens", 3)["estimatedSpeedup"] == 3
    assert analysis("fifteen independent tens", 20)["estimatedSpeedup"] == 15


def test_every_batch_that_is_depended_on_exists_and_none_is_wider_than_the_agents() -> None:
    found = analysis("ten tens and a join", 3)["suggestedBatches"]
    names = {batch["id"] for batch in found}
    assert all(set(batch["dependsOnBatches"]) <= names and len(batch["tasks"]) <= 3 for batch in found)


def test_a_cycle_is_a_critical_risk_with_its_path() -> None:
    tasks = [{"id": a, "description": a, "dependsOn": [b]} for a, b in (("x", "y"), ("y", "x"))]
    found = analyze(read_plan({"tasks": tasks}, runnable=False))
    assert (found["parallelizable"], found["confidence"], found["estimatedSpeedup"]) == (False, 100, 1)
    assert found["risks"][0]["severity"] == "critical"
    assert "x → y → x" in found["reasoning"]


def test_one_task_gives_one_batch_and_full_confidence() -> None:
    found = analyze(read_plan({"tasks": [{"id": "a", "description": "a"}]}, runnable=False))
    assert (found["parallelizable"], found["confidence"], len(found["suggestedBatches"])) == (False, 100, 1)


def test_concurrent_tasks_on_one_file_are_a_high_risk() -> None:
    tasks = [{"id": i, "description": i, "files": ["src/**"]} for i in "ab"]
    assert analyze(read_plan({"tasks": tasks}, runnable=False))["risks"][0]["severity"] == "high"


def _planned(*rows: dict[str, Any], agents: int = 4) -> dict[str, Any]:
    tasks = [{"id": str(index), "description": f"part {index}", **row} for index, row in enumerate(rows)]
    return analyze(read_plan({"tasks": tasks, "maxAgents": agents}, runnable=False))


def test_tasks_on_the_same_files_are_not_promised_to_run_at_once() -> None:
    found = _planned(*({"files": [f"src/{index % 2}.py"]} for index in range(4)))
    assert (found["estimatedMinutes"], found["totalMinutes"], found["estimatedSpeedup"]) == (20, 40, 2)
    assert [batch["estimatedMinutes"] for batch in found["suggestedBatches"]] == [20]
    one = _planned(*({"files": ["src/**"]} for _ in range(4)))
    assert (one["estimatedSpeedup"], one["parallelizable"]) == (1, False)
    assert "estimated speedup 1.00 < 1.5" in one["reasoning"]


def test_priority_and_barriers_are_part_of_the_estimate() -> None:
    late = _planned({"estimatedMinutes": 30}, {"priority": 1}, {"priority": 1}, {}, agents=2)
    assert late["estimatedMinutes"] == 40, "by the longest path first it would be 30"
    tasks = [
        {"id": i, "description": i, "estimatedMinutes": m, "dependsOn": d}
        for i, m, d in (
            ("a", 10, []),
            ("b", 30, []),
            ("c", 30, ["a"]),
            ("d", 10, ["b"]),
        )
    ]
    plan = {"tasks": tasks, "maxAgents": 2}
    assert analyze(read_plan(plan, runnable=False))["estimatedMinutes"] == 40
    assert analyze(read_plan({**plan, "atomic": "batch"}, runnable=False))["estimatedMinutes"] == 60


def test_independent_tasks_have_no_bottleneck_however_long_one_is() -> None:
    assert _planned(*({"estimatedMinutes": 1 + 60 * (n == 3)} for n in range(8)))["bottlenecks"] == []


def test_bottlenecks_are_what_others_wait_for_by_what_half_their_time_would_gain() -> None:
    found = _planned(
        {"estimatedMinutes": 40},
        {"estimatedMinutes": 10, "dependsOn": ["0"]},
        {"dependsOn": ["1"]},
        {"dependsOn": ["0"]},
    )["bottlenecks"]
    assert [(row["taskId"], row["impact"]) for row in found] == [("0", "high"), ("1", "low")]
    assert "20 minutes (33%) sooner" in found[0]["reason"]
    assert found[0]["reason"].startswith("2 tasks wait for its result")


def test_a_task_whose_files_others_wait_for_is_a_bottleneck() -> None:
    found = _planned({"estimatedMinutes": 30, "files": ["a"]}, {"files": ["a"]}, {"files": ["b"]})["bottlenecks"]
    assert [row["taskId"] for row in found] == ["0", "1"]
    assert found[0]["reason"].startswith("1 task waits for files that it declares")


def test_the_bottlenecks_of_ten_thousand_tasks_are_found_in_bounds() -> None:
    rows = [{"dependsOn": [str(n - 1)] if n % 100 else [], "files": [f"f{n % 7}"]} for n in range(10_000)]
    assert len(_planned(*rows)["bottlenecks"]) <= 2


def test_a_command_that_analyses_no_graph_does_not_wait_for_networkx() -> None:
    commands = [f"epw.cli.{path.stem}" for path in (ROOT / "epw/cli").glob("*.py")]
    code = f"import sys, {', '.join(commands)}; sys.exit('networkx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
