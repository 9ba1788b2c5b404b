"""Steps of an execution between the work of its agents, from its history: what takes which milliseconds.

`python -m benchmarks.steps [--rounds N] [--write]`. Two tasks, one after the other, that do next to nothing: simulated,
and as commands in a repository of 50 and of 5,000 files. Medians; `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from benchmarks.landing import make_repository
from benchmarks.server import Bench, bench, revision
from epw.client.start import new_id
from epw.core.messages import RUN_TASK, TASK_QUEUE, WORKFLOW_TYPE, TaskOutcome

PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- made by `python -m benchmarks.steps --write` -->\n", "<!-- end of steps -->\n"
_KINDS = ("simulated", "50 files", "5,000 files")
_PARTS = ("start", "between the two", "end")


@dataclass
class _Activity:
    name: str
    scheduled: float
    started: float = 0.0


@dataclass
class Steps:
    """Milliseconds by part of the execution and step, in order; the agents' own work is none."""

    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    attempts: list[float] = field(default_factory=list)
    """Of each attempt, from its begin to its end: directory, processes, work, saving."""

    @classmethod
    def of(cls, events: Iterable[HistoryEvent], asked: float, answered: float) -> Steps:
        """The steps of an execution of two tasks; times in epoch milliseconds."""
        found, running, ended, previous = cls(), dict[int, _Activity](), 0, asked
        scheduled = begun = 0.0

        def add(step: str, until: float) -> None:
            nonlocal previous
            part = found.parts.setdefault(_PARTS[ended], {})
            part[step] = part.get(step, 0.0) + until - previous
            previous = until

        for event in events:
            at = event.event_time.ToNanoseconds() / 1e6
            kind = str(event.WhichOneof("attributes")).removesuffix("_event_attributes")
            attributes = getattr(event, f"{kind}_event_attributes")
            if kind == "workflow_execution_started":
                add("the start reaches the server", at)
            elif kind == "workflow_task_scheduled":
                scheduled = at
            elif kind == "workflow_task_started":
                begun = at
            elif kind == "workflow_task_completed":
                add("turns of the workflow: waiting for the worker", previous + begun - scheduled)
                add("turns of the workflow: running", at)
            elif kind == "activity_task_scheduled":
                running[event.event_id] = _Activity(attributes.activity_type.name, at)
            elif kind == "activity_task_started":
                running[attributes.scheduled_event_id].started = at
            elif kind == "activity_task_completed":
                activity = running.pop(attributes.scheduled_event_id)
                if activity.name == RUN_TASK:
                    outcome = TaskOutcome.model_validate(json.loads(attributes.result.payloads[0].data))
                    add("the attempt reaches the worker, and begins", outcome.started_at)
                    previous = outcome.started_at + outcome.duration_ms
                    found.attempts.append(outcome.duration_ms)
                    ended += 1
                    add("its outcome is kept, its directory offered, the result told", at)
                else:
                    add(f"`{activity.name}` reaches the worker", activity.started)
                    add(f"`{activity.name}`", at)
        add("the end reaches the client", answered)
        return found


def plan_of(kind: str, folder: Path) -> dict[str, Any]:
    """Two tasks, one after the other."""
    if kind == "simulated":
        works: list[dict[str, Any]] = [{"simulate": {"seconds": 0}}, {"simulate": {"seconds": 0}, "dependsOn": ["a"]}]
        plan: dict[str, Any] = {"agent": "simulated"}
    else:
        works = [{"run": "echo 1 > a"}, {"run": "echo 1 > b", "dependsOn": ["a"]}]
        plan = {"workspace": str(folder / kind)}
    return {
        **plan,
        "tasks": [{"id": name, "description": name, **work} for name, work in zip("ab", works, strict=True)],
    }


async def run(running: Bench, plan: dict[str, Any]) -> Steps:
    """One execution of a plan of two tasks."""
    asked = time.time() * 1000
    handle = await running.connection.client.start_workflow(
        WORKFLOW_TYPE, plan, id=new_id("bench"), task_queue=TASK_QUEUE
    )
    await handle.result()
    answered = time.time() * 1000
    return Steps.of((await handle.fetch_history()).events, asked, answered)


async def measure(rounds: int) -> dict[str, list[Steps]]:
    found: dict[str, list[Steps]] = {kind: [] for kind in _KINDS}
    with tempfile.TemporaryDirectory(prefix="epw-bench-") as folder:
        for kind in _KINDS[1:]:
            make_repository(Path(folder, kind), int(kind.split(" ")[0].replace(",", "")), ".py")
        async with bench() as running:
            for kind in _KINDS:
                for _ in range(rounds + 1):
                    found[kind].append(await run(running, plan_of(kind, Path(folder))))
    # The first one copies the repository.
    return {kind: steps[1:] for kind, steps in found.items()}


def table(found: dict[str, list[Steps]]) -> str:
    """Medians, and the sum of each part."""
    lines = [f"| step, ms | {' | '.join(_KINDS)} |", f"|---|{'---|' * len(_KINDS)}"]
    for part in _PARTS:
        sums = [_median([sum(each.parts[part].values()) for each in found[kind]]) for kind in _KINDS]
        lines.append(f"| **{part}** | {' | '.join(f'**{each}**' for each in sums)} |")
        steps = dict.fromkeys(step for kind in reversed(_KINDS) for each in found[kind] for step in each.parts[part])
        for step in steps:
            cells = [[each.parts[part][step] for each in found[kind] if step in each.parts[part]] for kind in _KINDS]
            lines.append(f"| {step} | {' | '.join(_median(cell) if cell else '–' for cell in cells)} |")
    attempts = [_median([each.attempts[-1] for each in found[kind]]) for kind in _KINDS]
    lines.append(f"| the second attempt: directory, processes, `echo`, saving | {' | '.join(attempts)} |")
    return "\n".join([*lines, ""])


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = f"{revision()}\n\n{table(asyncio.run(measure(options.rounds)))}"
    print(made)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
