"""Forecasts of the end, at half time, beside the end that came: 20 uneven plans whose estimates are wrong.

`python -m benchmarks.eta [--write] [--plans N]`; `--write`: into docs/performance.md. The scheduler of an execution is
driven by durations that are drawn by a seed, so the table is the same everywhere. Estimates are of 3 to 45 minutes;
what a task takes is its estimate times a factor of its kind of agent (0.5 to 2), a factor of its size (large tasks are
estimated worse), and a log-normal factor of its own; some attempts fail on the way and are followed by others. One of
three kinds of agents reports percents, which are off by up to a fifth.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass
from pathlib import Path

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.schedule.prediction import Phase, simulate
from epw.core.schedule.scheduler import Scheduler
from epw.core.schedule.time_left import TaskNow, TimeLeft, time_left

PAGE = Path(__file__).parent.parent / "docs/performance.md"
BEGIN, END = "<!-- made by `python -m benchmarks.eta --write` -->\n", "<!-- end -->\n"
PLANS = 20
CLOSE = 0.15
KINDS = ("claude", "codex", "command")
_LANDING = 0.1
"""Minutes from the end of a task's work until it has landed."""
_MANY = 100


@dataclass(frozen=True)
class Luck:
    """How far tasks are from what their kind and size say: deviation of the logarithm, part of attempts that fail."""

    spread: float = 0.2
    failing: float = 0.02


EVEN, MORE, MOST = Luck(), Luck(0.25, 0.05), Luck(0.35, 0.1)


@dataclass(frozen=True)
class Course:
    """An execution as it went, in minutes."""

    plan: Plan
    graph: TaskGraph
    kinds: dict[str, str]
    attempts: dict[str, list[float]]
    """Minutes of each attempt of a task, the last one successful."""
    starts: dict[str, list[float]]
    ends: dict[str, list[float]]
    end: float
    reporting: str
    """The kind of agents that report percents."""
    seed: int

    @classmethod
    def of(cls, seed: int, luck: Luck = EVEN) -> Course:
        draw = random.Random(seed)
        count, agents = draw.randint(30, 80), draw.randint(3, 8)
        width = draw.choice([4, 8, 16, count])
        kinds, rows = {}, []
        bias = {kind: math.exp(draw.uniform(math.log(0.5), math.log(2.0))) for kind in KINDS}
        worse = draw.uniform(0.0, 0.2)
        attempts: dict[str, list[float]] = {}
        for n in range(count):
            layer = n // width
            before = [f"t{m}" for m in range((layer - 1) * width, layer * width)] if layer else []
            estimate = round(math.exp(draw.uniform(math.log(3), math.log(45))), 1)
            after = sorted(draw.sample(before, min(len(before), draw.randint(1, 3))))
            rows.append({"id": f"t{n}", "description": "work", "dependsOn": after, "estimatedMinutes": estimate})
            kinds[f"t{n}"] = draw.choice(KINDS)
            takes = estimate * bias[kinds[f"t{n}"]] * (estimate / 10) ** worse * math.exp(draw.gauss(0, luck.spread))
            failed = [takes * draw.uniform(0.3, 1.0)] if draw.random() < luck.failing else []
            attempts[f"t{n}"] = [*failed, takes]
        plan = read_plan({"agent": "simulated", "maxAgents": agents, "tasks": rows})
        graph = TaskGraph.of_plan(plan)
        phases = {task: [*map(Phase, works[:-1]), Phase(works[-1], _LANDING)] for task, works in attempts.items()}
        slots = simulate(Scheduler.of_plan(plan, graph), phases)
        starts: dict[str, list[float]] = {task: [] for task in graph.ids}
        ends: dict[str, list[float]] = {task: [] for task in graph.ids}
        for slot in slots:
            starts[slot.task_id].append(slot.start)
            ends[slot.task_id].append(slot.end)
        end = max(each[-1] for each in ends.values()) + _LANDING
        return cls(plan, graph, kinds, attempts, starts, ends, end, draw.choice(KINDS), seed)

    def at(self, moment: float) -> dict[str, TaskNow]:
        """What is known of each task at a moment."""
        return {task: self._task_at(task, moment) for task in self.graph.ids}

    def _task_at(self, task: str, moment: float) -> TaskNow:
        kind, ends = self.kinds[task], self.ends[task]
        if ends[-1] + _LANDING <= moment:
            return TaskNow(kind, "ended", took=sum(self.attempts[task]), attempts=len(ends), afterwards=_LANDING)
        for number, (start, end) in enumerate(zip(self.starts[task], ends, strict=True), 1):
            if start <= moment < end:
                percent = None
                if kind == self.reporting:
                    off = random.Random(f"{self.seed}:{task}").uniform(0.8, 1.2)
                    percent = min(99.0, 100 * off * (moment - start) / (end - start))
                return TaskNow(kind, "running", attempts=number, elapsed=moment - start, percent=percent)
        return TaskNow(kind, "open")

    def forecast(self, share: float) -> TimeLeft:
        """The forecast when this share of the whole time has passed."""
        return time_left(self.plan, self.graph, self.at(self.end * share))


def off(course: Course) -> float:
    """By what part of the whole time the end that is forecast at half time is off."""
    return (course.end / 2 + course.forecast(0.5).middle) / course.end - 1


def table() -> str:
    lines = [
        "| plan | tasks | agents | end, by estimates | at half time | range | end that came | off by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    close = inside = 0
    for seed in range(PLANS):
        course = Course.of(seed)
        half, begin, forecast, part = course.end / 2, course.forecast(0), course.forecast(0.5), off(course)
        close += abs(part) <= CLOSE
        inside += forecast.low <= half <= forecast.high
        cells = [
            f"{seed + 1}",
            f"{len(course.graph.ids)}",
            f"{course.plan.max_agents}",
            f"{begin.middle:.0f} min",
            f"{half + forecast.middle:.0f} min",
            f"{half + forecast.low:.0f} – {half + forecast.high:.0f} min",
            f"{course.end:.0f} min",
            f"{100 * part:+.0f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Within 15 %: {close} of {PLANS}; the end within the range: {inside} of {PLANS}.", ""]
    return "\n".join(lines)


def table_of_luck() -> str:
    """How many of a hundred plans are within 15 %, the more tasks differ from what can be measured."""
    lines = ["| spread of a task (σ of the logarithm) | attempts that fail | within 15 % |", "|---|---|---|"]
    for luck in (EVEN, MORE, MOST):
        close = sum(abs(off(Course.of(seed, luck))) <= CLOSE for seed in range(_MANY))
        lines.append(f"| {luck.spread} | {100 * luck.failing:.0f} % | {close} of {_MANY} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    made = f"{table()}\n{table_of_luck()}"
    print(made)
    if parser.parse_args().write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + made + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
