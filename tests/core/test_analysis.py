"""The analysis of a plan, by its rules and known numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from epw.core.plan.validate import read_plan
from epw.core.schedule.analysis import analyze

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


def test_a_command_that_analyses_no_graph_does_not_wait_for_networkx() -> None:
    commands = [f"epw.cli.{path.stem}" for path in (ROOT / "epw/cli").glob("*.py")]
    code = f"import sys, {', '.join(commands)}; sys.exit('networkx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
