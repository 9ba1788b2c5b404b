"""Share of an execution that landing takes: many agents, one large repository, a fifth of the tasks on shared files.

`python -m benchmarks.landing [--tasks N] [--agents N] [--files N] [--seconds S] [--checks off] [--json FILE]`. Real
commands in real directories, landed by real merges. A landing's time is that of its activity, from the history; the
share is the sum of these, which no two of one execution have at once, of the time from start to close.

`--pairs N`: instead, N times the same on text files, which no checker reads, with `checks: auto` and with `off`, in
turns; prints what a landing takes with checkers in place, as a multiple of what it takes without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from temporalio.api.history.v1 import HistoryEvent

from activities.state.execution_store import ExecutionStore
from benchmarks.server import bench, revision
from epw.cli.invariants import of_document, of_history, of_hub
from epw.client.documents import full_document
from epw.core.messages import CHECK, CHECK_HEAD, DELIVER, LAND, PREPARE, VERIFY
from epw.core.plan.validate import read_plan

_OF_A_FOLDER = 50
_SHARED_EVERY = 5
_TASKS_A_SHARED_FILE = 5


def make_repository(path: Path, files: int, suffix: str) -> None:
    """Repository of `files` small modules, of which tasks change a few."""
    body = "".join(f"def f{line}(x):\n    return x + {line}\n\n\n" for line in range(20))
    for number in range(files):
        file = path / f"pkg{number // _OF_A_FOLDER}" / f"m{number}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'"""Module {number}."""\n\n\n{body}')
    for argv in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "--quiet", "--message", "base"),
    ):
        subprocess.run(["git", *argv], cwd=path, check=True)


def plan_of(path: Path, tasks: int, agents: int, files: int, seconds: float, suffix: str) -> dict[str, Any]:
    """Every fifth task changes a file that four others change too: another function, or a new one at the end."""
    rows = []
    for number in range(tasks):
        shared, group = number % _SHARED_EVERY == 0, number // _SHARED_EVERY
        module = group // _TASKS_A_SHARED_FILE if shared else files - 1 - number
        file = f"pkg{module // _OF_A_FOLDER}/m{module}{suffix}"
        place = group % _TASKS_A_SHARED_FILE
        if shared and place >= _TASKS_A_SHARED_FILE - 2:
            change = f"printf '\\n\\ndef new{number}(x):\\n    return x\\n' >> {file}"
        else:
            change = f"sed -i 's/return x + {place * 4}$/return x + {number}000/' {file}"
        # One more file, so that a change is more than a line.
        own = f"echo {number} > pkg{module // _OF_A_FOLDER}/note{number}.txt"
        run = f"sleep {seconds_of(number, seconds):.2f}; {change}; {own}"
        rows.append({"id": f"t{number}", "description": f"change {file}", "run": run, "estimatedMinutes": 1})
    return {"workspace": str(path), "maxAgents": agents, "strategy": "aggressive", "tasks": rows}


def seconds_of(number: int, seconds: float) -> float:
    """What a task sleeps, where all sleep so many seconds on average."""
    return seconds * (0.5 + (number * 7 % 11) / 10)


def _missing(path: Path, branch: str, files: int, tasks: int, suffix: str) -> list[str]:
    """Files that are gone from what was delivered, and tasks whose change is not in it."""
    listed = subprocess.run(["git", "ls-tree", "-r", "--name-only", branch], cwd=path, capture_output=True, check=True)
    there = sum(name.endswith(suffix.encode()) and b"/m" in name for name in listed.stdout.splitlines())
    show = ["git", "grep", "-h", "-o", "-E", r"return x \+ [0-9]+000$|def new[0-9]+", branch]
    found = subprocess.run(show, cwd=path, capture_output=True, check=True).stdout.splitlines()
    gone = [f"{files - there} files are gone"] if there != files else []
    return gone + ([f"{tasks - len(found)} changes are missing"] if len(found) != tasks else [])


def activity_seconds(events: Iterable[HistoryEvent]) -> dict[str, list[float]]:
    """Durations of the activities by type, from start to end on the worker."""
    scheduled: dict[int, str] = {}
    started: dict[int, float] = {}
    found: dict[str, list[float]] = {}
    for event in events:
        at = event.event_time.ToNanoseconds() / 1e9
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_started_event_attributes"):
            started[event.activity_task_started_event_attributes.scheduled_event_id] = at
        elif event.HasField("activity_task_completed_event_attributes"):
            of = event.activity_task_completed_event_attributes.scheduled_event_id
            found.setdefault(scheduled[of], []).append(at - started[of])
    return found


async def measure(
    tasks: int, agents: int, files: int, seconds: float, suffix: str = ".py", checks: str = "auto"
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="epw-bench-") as folder:
        path = Path(folder, "repository")
        make_repository(path, files, suffix)
        plan = plan_of(path, tasks, agents, files, seconds, suffix) | {"checks": checks}
        async with bench() as running:
            handle, makespan = await running.execute(plan)
            document = await full_document(running.settings, handle)
            events = (await handle.fetch_history()).events
            hub = ExecutionStore.of(running.settings.state, await handle.describe()).hub()
            whole = read_plan(plan)
            wrong = [*of_document(whole, document), *of_history(whole, document, events), *of_hub(document, hub)]
            delivery, metrics = document["delivery"], document["metrics"]
            assert delivery is not None
            assert metrics is not None
            wrong += _missing(path, delivery["branch"] or "", files, tasks, suffix)
    spent = activity_seconds(events)
    landings = spent[LAND]
    return {
        "measured": revision(),
        "tasks": tasks,
        "agents": agents,
        "files": files,
        "makespan": makespan,
        "efficiency": metrics["efficiency"],
        "statuses": dict(Counter(row["status"] for row in document["results"])),
        "conflicts": dict(Counter(f"{each['kind']}: {each['resolution']}" for each in document["conflicts"])),
        "landings": len(landings),
        "landingSeconds": sum(landings),
        "medianMs": statistics.median(landings) * 1000,
        "slowestMs": max(landings) * 1000,
        "share": sum(landings) / makespan,
        "prepareMs": sum(spent[PREPARE]) * 1000,
        "deliverMs": sum(spent[DELIVER]) * 1000,
        "reads": {name: len(spent[name]) for name in (CHECK, CHECK_HEAD, VERIFY) if name in spent},
        "violations": wrong,
    }


async def pairs(count: int, tasks: int, agents: int, files: int, seconds: float) -> list[dict[str, float]]:
    """Milliseconds of a landing by `checks`, of executions in turns; no landing touches a language with a checker."""
    found = []
    for number in range(count):
        order = ("auto", "off") if number % 2 else ("off", "auto")
        runs = {each: await measure(tasks, agents, files, seconds, ".txt", each) for each in order}
        assert not any(run["violations"] for run in runs.values())
        found.append({each: run["landingSeconds"] * 1000 / tasks for each, run in runs.items()})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60, help="what a task sleeps, on average")
    parser.add_argument("--checks", default="auto", help="as in a plan; the files are modules of Python")
    parser.add_argument("--pairs", type=int, default=0, help="with checkers and without, where none has to read")
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    if options.pairs:
        rows = asyncio.run(pairs(options.pairs, options.tasks, options.agents, options.files, options.seconds))
        for row in rows:
            Console().print(f"auto {row['auto']:.1f} ms, off {row['off']:.1f} ms: {row['auto'] / row['off']:.3f}")
        Console().print(f"median ratio {statistics.median(row['auto'] / row['off'] for row in rows):.3f}")
        return
    sizes = options.tasks, options.agents, options.files, options.seconds
    found = asyncio.run(measure(*sizes, checks=options.checks))
    table = Table(title=found["measured"], title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in found.items():
        if name != "measured":
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
