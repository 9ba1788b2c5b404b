"""The six tools on the largest input that they take: seconds of a call and peak memory of its process.

`python -m benchmarks.tools [--json FILE]`. Each call runs in a process of its own; memory includes the interpreter.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.server import revision
from epw.core.plan.model import MAX_TASKS
from epw.tools.optimize import GOALS
from epw.tools.progress import MAX_PROGRESSES
from epw.tools.registry import TOOLS

Tasks = list[dict[str, Any]]
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_AGENTS = 50


def _tasks(words: Callable[[int], str], **fields: Callable[[int], Any]) -> Tasks:
    return [
        {
            "id": f"task-{n}",
            "description": words(n),
            "estimatedMinutes": 5 + n % 50,
            **{name: field(n) for name, field in fields.items()},
        }
        for n in range(MAX_TASKS)
    ]


def _earlier(draw: random.Random, n: int, count: int) -> list[int]:
    return sorted({draw.randrange(max(0, n - 200), n) for _ in range(count)}) if n else []


def _module(n: int) -> str:
    return f"Build the module{n} of area{n % 97}"


def _words(draw: random.Random) -> Callable[[int], str]:
    def words(n: int) -> str:
        one, other = (f"part{_earlier(draw, n, 1)[0] if n else 'none'}.py" for _ in range(2))
        return f"Write part{n}.py after {one}, based on {other}"

    return words


def plans() -> dict[str, Callable[[], Tasks]]:
    """Plans by what is hard about them."""
    draw = random.Random(1)
    return {
        "independent, a file each": lambda: _tasks(_module, files=lambda n: [f"src/m{n}.py", "package.json"]),
        "independent, one glob": lambda: _tasks(_module, files=lambda n: ["src/**"]),
        "chain": lambda: _tasks(_module, dependsOn=lambda n: [f"task-{n - 1}"] if n else []),
        "layered": lambda: _tasks(
            _module,
            files=lambda n: [f"src/{n % 100}/f{n % 500}.py"],
            dependsOn=lambda n: [f"task-{each}" for each in _earlier(draw, n, 3)],
        ),
        "words name earlier tasks": lambda: _tasks(_words(draw)),
        "words name later tasks": lambda: _tasks(lambda n: f"Write part{n}.py after part{n + 1}.py"),
        "words name any task": lambda: _tasks(
            lambda n: f"Write part{n}.py after part{n - 1}.py, using data from part{draw.randrange(MAX_TASKS)}.py"
        ),
    }


def calls(tasks: Tasks) -> dict[str, Callable[[], tuple[str, dict[str, Any]]]]:
    """(tool, arguments) of each call; what comes before the call is not timed."""

    def graph() -> dict[str, Any]:
        found: dict[str, Any] = TOOLS["create_dependency_graph"].function({"tasks": tasks}, _NOW)["graph"]
        return found

    analyze = {"taskDescription": "x", "subtasks": tasks, "maxParallelAgents": _AGENTS}

    def optimize(goal: str) -> tuple[str, dict[str, Any]]:
        asked = {"maxParallelAgents": _AGENTS, "optimizationGoal": goal}
        return "optimize_batch_distribution", {"tasks": tasks, "dependencyGraph": graph(), **asked}

    def execute() -> tuple[str, dict[str, Any]]:
        found = TOOLS["analyze_task_parallelizability"].function(analyze, _NOW)
        asked = {"executionStrategy": "aggressive", "maxParallelAgents": _AGENTS}
        return "execute_parallel_workflow", {"analysisResult": found, **asked}

    def progress() -> tuple[str, dict[str, Any]]:
        rows = [
            {"agentId": task["id"], "currentTask": task["id"], "percentComplete": n % 100, "status": "working"}
            for n, task in enumerate(tasks[:MAX_PROGRESSES])
        ]
        asked = {"aggregationStrategy": "critical-path", "dependencyGraph": graph()}
        return "aggregate_progress", {"agentProgresses": rows, **asked}

    def conflicts() -> tuple[str, dict[str, Any]]:
        rows = [
            {"agentId": f"agent-{n % _AGENTS}", "taskId": task["id"], "success": True, "filesModified": ["a.py"]}
            | {"changes": [{"file": f"src/{n % 2500}.py", "type": "modify", "lineNumbers": {"start": n, "end": n}}]}
            for n, task in enumerate(tasks)
        ]
        return "detect_conflicts", {"agentResults": rows, "dependencyGraph": graph()}

    return {
        "analyze": lambda: ("analyze_task_parallelizability", analyze),
        "graph": lambda: ("create_dependency_graph", {"tasks": tasks}),
        **{goal: lambda goal=goal: optimize(goal) for goal in GOALS},  # type: ignore[misc]
        "execute": execute,
        "progress": progress,
        "conflicts": conflicts,
    }


def measure(plan: str, name: str) -> tuple[float, float]:
    """(seconds of the call, peak MB of this process)."""
    # A server that has answered before has loaded what it needs.
    TOOLS["create_dependency_graph"].function({"tasks": [{"id": "a", "description": "a"}]}, _NOW)
    tool, arguments = calls(plans()[plan]())[name]()
    before = time.perf_counter()
    TOOLS[tool].function(arguments, _NOW)
    return time.perf_counter() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/out/tools.json"), metavar="FILE")
    parser.add_argument("--one", nargs=2, metavar=("PLAN", "CALL"), help="measure one call in this process")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    names = list(calls([]))
    table = Table("plan", *names, title=f"{MAX_TASKS} tasks: seconds / peak MB · {revision()}")
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for plan in plans():
        found[plan] = {}
        for name in names:
            command = [sys.executable, "-m", "benchmarks.tools", "--one", plan, name]
            found[plan][name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        table.add_row(plan, *(f"{seconds:.2f} / {peak:.0f}" for seconds, peak in found[plan].values()))
    Console().print(table)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"revision": revision(), "calls": found}, indent=2) + "\n")
    print(f"written: {arguments.json}")


if __name__ == "__main__":
    main()
