"""Executions beside what the simulation predicts of them: simulated agents, with a workspace and without.

`python -m benchmarks.simulation [--write] [--costs FILE]`; `--write`: into docs/performance.md. The costs are those of
`epw/core/simulation/measured.py`, or of a file that `python -m benchmarks.costs --json` has written on this machine;
none of these executions has been measured for them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import landing
from benchmarks.costs import predicted
from benchmarks.executions import Run, execute, measure
from benchmarks.graphs import fan, independent, layered
from benchmarks.server import Bench, bench
from epw.core.plan.graph import TaskGraph
from epw.core.schedule.prediction import makespan, predict
from epw.core.simulation.costs import Costs
from epw.core.simulation.measured import MEASURED

PAGE = Path(__file__).parent.parent / "docs/performance.md"
BEGIN, END = "<!-- made by `python -m benchmarks.simulation --write` -->\n", "<!-- end -->\n"
CLOSE = 0.1
_GRAPHS = {
    "independent": lambda tasks, agents: independent(tasks, 2),
    "layered": lambda tasks, agents: layered(tasks, max(2, agents * 12 // 10), 1),
    "fan": lambda tasks, agents: fan(tasks, 3),
}


@dataclass(frozen=True)
class Case:
    """An execution to compare: tasks of so many seconds on average."""

    graph: str
    tasks: int
    agents: int
    seconds: float
    has_workspace: bool = False

    files: int = 0
    """How many its repository has."""

    @property
    def task_graph(self) -> TaskGraph:
        """Its graph; minutes are seconds here."""
        made = _GRAPHS[self.graph](self.tasks, self.agents)
        return TaskGraph(made.dependencies, {task: length * self.seconds for task, length in made.minutes.items()})

    def plan(self) -> dict[str, Any]:
        graph = self.task_graph
        rows = []
        for number, task in enumerate(graph.ids):
            what: dict[str, Any] = {"seconds": graph.minutes[task]}
            if self.has_workspace:
                what["writes"] = {f"d{number // 100}/{number}": f"{number}\n"}
            # Estimates decide the order.
            minutes = max(0.01, graph.minutes[task])
            row = {"id": task, "description": task, "dependsOn": graph.dependencies[task], "simulate": what}
            rows.append({**row, "estimatedMinutes": minutes})
        return {"agent": "simulated", "maxAgents": self.agents, "tasks": rows}

    async def run(self, found: Bench) -> Run:
        return await measure(found, self.plan(), 0 if self.has_workspace else None)


@dataclass(frozen=True)
class Commands(Case):
    """Processes that change files of a repository, a fifth of them files that others change too; without checkers."""

    @property
    def task_graph(self) -> TaskGraph:
        ids = [f"t{number}" for number in range(self.tasks)]
        seconds = [landing.seconds_of(number, self.seconds) for number in range(self.tasks)]
        return TaskGraph({task: [] for task in ids}, dict(zip(ids, seconds, strict=True)))

    async def run(self, found: Bench) -> Run:
        with tempfile.TemporaryDirectory(prefix="epw-bench-") as folder:
            path = Path(folder, "repository")
            landing.make_repository(path, self.files, ".py")
            plan = landing.plan_of(path, self.tasks, self.agents, self.files, self.seconds, ".py")
            for number, row in enumerate(plan["tasks"]):
                row["estimatedMinutes"] = landing.seconds_of(number, self.seconds) / 60
            return await execute(found, {**plan, "checks": "off"})


CASES = (
    *(Case("independent", 50, agents, 0) for agents in (1, 10)),
    Case("independent", 500, 50, 0),
    Case("independent", 2000, 100, 0),
    Case("layered", 500, 50, 0),
    Case("fan", 200, 20, 0),
    Case("independent", 200, 20, 0.1),
    Case("layered", 200, 20, 0.1),
    Case("independent", 1000, 100, 0.1),
    Case("layered", 50, 10, 1),
    Case("fan", 50, 10, 1),
    Case("independent", 200, 20, 1),
    Case("independent", 1000, 100, 1),
    Case("independent", 1000, 500, 1),
    Case("independent", 40, 40, 10),
    Case("independent", 50, 2, 0, True),
    Case("independent", 50, 10, 0, True),
    Case("independent", 200, 20, 0, True),
    Case("independent", 500, 50, 0, True),
    Case("layered", 100, 10, 0.1, True),
    Case("fan", 50, 10, 0.1, True),
    Case("layered", 50, 10, 1, True),
    Case("independent", 100, 20, 1, True),
    Case("independent", 20, 20, 10, True),
)

COMMANDS = (
    Commands("commands", 60, 10, 2, True, 1000),
    Commands("commands", 100, 20, 5, True, 1000),
)


def table(rows: Iterable[tuple[Case, Run]], costs: Costs) -> str:
    lines = [
        "| graph | tasks | agents | seconds | workspace | list schedule | predicted | measured | off by | others |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    offs = []
    for case, run in rows:
        ahead = predicted(run, costs, case.files)
        offs.append(ahead / run.wall - 1)
        cells = [case.graph, case.tasks, case.agents, case.seconds, "yes" if case.has_workspace else "no"]
        cells += [f"{makespan(predict(case.task_graph, case.agents)):.2f} s", f"{ahead:.2f} s", f"{run.wall:.2f} s"]
        lines.append(f"| {' | '.join(map(str, cells))} | {100 * offs[-1]:+.0f} % | {run.others:.2f} |")
    close = sum(abs(off) <= CLOSE for off in offs)
    return "\n".join([*lines, "", f"Within {100 * CLOSE:.0f} %: {close} of {len(offs)}.", ""])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--costs", type=Path, default=None, metavar="FILE")
    options = parser.parse_args()
    costs = MEASURED if options.costs is None else Costs(**json.loads(options.costs.read_text()))
    rows = []
    async with bench() as found:
        for case in (*CASES, *COMMANDS):
            rows.append((case, await case.run(found)))
            Console().print(f"{case}: {rows[-1][1].wall:.2f} s")
    made = f"Costs: {costs.source}. Others: cores that other programs used meanwhile.\n\n{table(rows, costs)}"
    print(made)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2])


if __name__ == "__main__":
    asyncio.run(main())
