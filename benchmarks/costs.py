"""What an execution takes besides its agents' work, on this machine: the constants of the simulation.

`python -m benchmarks.costs [--write] [--json FILE]`; `--write`: into `epw/core/simulation/measured.py`, the defaults of
`epw analyze`; `--json`: a file for `epw analyze --costs FILE`. Ten small executions, some times each, of which the
quickest counts: a minute. What takes CPU is measured as CPU of the worker, of its children and of the server, and
divided by how often it was done; what is left of the clock when the simulation has these is a pause, set so that it has
the measured time. Where the machine does other work, `chrt -r 1` before the command keeps that apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.executions import Run, chain, commands, crowd, measure
from benchmarks.server import Bench, bench, revision
from epw.core.messages import DELIVER, LAND, PREPARE, RUN_TASK
from epw.core.plan.validate import read_plan
from epw.core.simulation.costs import Costs
from epw.core.simulation.fleet import Host
from epw.core.simulation.simulation import simulate_execution

MEASURED = Path(__file__).parent.parent / "epw/core/simulation/measured.py"
_MANY_FILES = 5_000
_BEATING_SECONDS = 2.0
_CANCEL = 0.3
"""The throttle of heartbeats, by which a running agent learns that it is to stop (`epw/service/registration.py`)."""


def predicted(run: Run, costs: Costs, files: int = 0) -> float:
    """Seconds that the simulation has for an execution, on the cores of this machine."""
    hosts = [Host(cores=os.cpu_count() or 1)]
    return simulate_execution(read_plan(run.plan), costs, hosts, files=files).seconds


def _with_pause(run: Run, costs: Costs, name: str, files: int = 0) -> Costs:
    """The costs with a pause of such a length that the execution takes as long as it did."""
    known = asdict(costs)
    without, with_one = (predicted(run, Costs(**{**known, name: each}), files) for each in (0.0, 0.001))
    return Costs(**{**known, name: max(0.0, 0.001 * (run.wall - without) / (with_one - without))})


async def measured_costs(found: Bench) -> Costs:
    one, many = await measure(found, chain(60)), await measure(found, crowd(800, 50))
    beating = await measure(found, crowd(120, 60, _BEATING_SECONDS))
    few, several = [await measure(found, chain(count, writes=True), 0) for count in (10, 50)]
    together = await measure(found, {**crowd(100, 10, writes=True), "atomic": "batch"}, 0)
    crowded = await measure(found, crowd(150, 50, writes=True), 0)
    large = await measure(found, chain(6, writes=True), _MANY_FILES)
    started = [await measure(found, commands(count)) for count in (5, 25)]
    return fitted(one, many, beating, few, several, together, crowded, large, started)


def fitted(
    one: Run,
    many: Run,
    beating: Run,
    few: Run,
    several: Run,
    together: Run,
    crowded: Run,
    large: Run,
    started: Sequence[Run],
) -> Costs:
    """The costs that executions had."""
    costs = _of_turns(one, many, beating)
    costs = _of_landings(costs, few, several, together)
    costs = _of_commands(_of_directories(costs, several, together, large), *started)
    return _with_crowding(crowded, costs)


def _of_turns(one: Run, many: Run, beating: Run) -> Costs:
    """What turns and activities take: two executions have few turns a task, and many."""
    each, turn = _two(one.tasks, one.turns, one.threads, many.tasks, many.turns, many.threads)
    activity_process, turn_process = _two(one.tasks, one.turns, one.server, many.tasks, many.turns, many.server)
    begin_task = max(0.0, (many.first - one.first) / (many.tasks - one.tasks))
    asked = statistics.median(run.wall - run.lasted for run in (one, many, beating))
    costs = Costs(
        source=f"{revision()} · {os.cpu_count()} cores · {datetime.now(UTC):%Y-%m-%d}",
        begin=max(0.0, asked + one.first - begin_task * one.tasks - turn - each / 2),
        begin_task=begin_task,
        finish=max(0.0, statistics.median([one.last, many.last]) - turn_process / 4),
        turn_thread=turn,
        turn_process=turn_process,
        event_thread=each / 2,
        activity_thread=each / 2,
        activity_process=activity_process,
        cancel=_CANCEL,
    )
    worked = _BEATING_SECONDS * beating.tasks
    beat_thread = (beating.threads - beating.tasks * each - beating.turns * turn) / worked
    beat_process = (beating.server - beating.tasks * activity_process - beating.turns * turn_process) / worked
    costs = replace(costs, beat_thread=max(0.0, beat_thread), beat_process=max(0.0, beat_process))
    return _with_pause(one, costs, "hop")


def _of_landings(costs: Costs, few: Run, several: Run, together: Run) -> Costs:
    """What landings take: one by one, each on what it was made on; and all in one landing, with nothing beside it."""
    alone, all_at_once = statistics.median(several.steps[LAND]), max(together.steps[LAND])
    change = (all_at_once - alone) / (max(together.landed) - 1)
    delivered = max(0.0, several.steps[DELIVER][0] - few.steps[DELIVER][0]) / (several.tasks - few.tasks)
    # What is no change of an attempt's directory is one of a landing, in the same parts.
    processes = together.processes / (together.threads + together.processes)
    return replace(
        costs,
        landing=alone,
        change_thread=change * (1 - processes),
        change_process=change * processes,
        deliver=max(0.0, few.steps[DELIVER][0] - delivered * few.tasks) + 2 * costs.hop,
        deliver_change=delivered,
    )


def _of_directories(costs: Costs, several: Run, together: Run, large: Run) -> Costs:
    """What an attempt's directory takes: CPU where there are some, what else passes where there is one at a time."""
    tasks, attempts = together.tasks, large.steps[RUN_TASK]
    others = tasks * (costs.activity_thread + costs.event_thread) + together.turns * costs.turn_thread
    prepare = min(several.steps[PREPARE][0], together.steps[PREPARE][0])
    costs = replace(
        costs,
        prepare=prepare + 2 * costs.hop,
        prepare_file=max(0.0, (large.steps[PREPARE][0] - prepare) / _MANY_FILES),
        directory_thread=max(0.0, (together.threads - others) / tasks - costs.change_thread),
        directory_process=max(0.0, together.processes / tasks - costs.change_process),
        directory_file=max(0.0, (attempts[0] - statistics.median(attempts[1:])) / _MANY_FILES),
    )
    return _with_pause(several, costs, "directory_pause")


def _of_commands(costs: Costs, few: Run, several: Run) -> Costs:
    """What starting, watching and ending an agent's processes takes, without a workspace."""
    more, turns = several.tasks - few.tasks, several.turns - few.turns
    others = 2 * costs.event_thread * more + costs.turn_thread * turns
    costs = replace(
        costs,
        program_thread=max(0.0, (several.threads - few.threads - others) / more),
        program_process=max(0.0, (several.processes - few.processes) / more),
    )
    return _with_pause(several, costs, "program_pause")


def _with_crowding(run: Run, costs: Costs) -> Costs:
    """The costs with such a crowding that an execution of many agents takes as long as it did."""
    low, high = 0.0, 0.1
    while high - low > 0.0002:
        crowding = (low + high) / 2
        is_longer = predicted(run, replace(costs, crowding=crowding)) > run.wall
        low, high = (low, crowding) if is_longer else (crowding, high)
    return replace(costs, crowding=round(low, 4))


def _two(a1: float, b1: float, sum1: float, a2: float, b2: float, sum2: float) -> tuple[float, float]:
    """x and y of a1 x + b1 y = sum1 and a2 x + b2 y = sum2, neither below 0."""
    divisor = a1 * b2 - a2 * b1
    x, y = (sum1 * b2 - sum2 * b1) / divisor, (a1 * sum2 - a2 * sum1) / divisor
    if y < 0:
        return sum2 / a2, 0.0
    return (x, y) if x >= 0 else (0.0, sum1 / b1)


def written(costs: Costs) -> str:
    """The module of the default constants."""
    lines = [f"    {each.name}={_literal(getattr(costs, each.name))}," for each in fields(costs)]
    return MEASURED.read_text().partition("MEASURED =")[0] + "MEASURED = Costs(\n" + "\n".join(lines) + "\n)\n"


def _literal(value: str | float) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value:.3g}"


async def _measure_all() -> Costs:
    async with bench() as found:
        return await measured_costs(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    options = parser.parse_args()
    costs = asyncio.run(_measure_all())
    for name, value in asdict(costs).items():
        print(f"{name:20} {value if isinstance(value, str) else f'{1000 * value:.4g} ms'}")
    if options.write:
        MEASURED.write_text(written(costs))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(asdict(costs), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
