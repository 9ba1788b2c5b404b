"""Predicted schedules: what an execution does when nothing but its agents takes time."""

from __future__ import annotations

import heapq
from collections import deque

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epw.core.execution.state import ExecutionState
from epw.core.globs import may_overlap
from epw.core.messages import TaskOutcome
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.schedule.prediction import Hold, Phase, Slot, busy_time, makespan, predict, predict_plan, simulate
from epw.core.schedule.scheduler import Scheduler

_PATTERNS = (
    *("src", "src/**", "src/*", "src/a.py", "src/*.py", "src/sub/b.py", "./src//a.py", "**", "*", "**/b.py", "s*/a.py"),
    *("doc/?.md", "doc/[ab].md", "doc", "src/ab*", "sr", "srcx/a.py"),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 16))
    return read_plan(
        {
            "maxAgents": draw(st.integers(1, 6)),
            "atomic": draw(st.sampled_from(["execution", "batch", "task"])),
            "strategy": draw(st.sampled_from(["conservative", "aggressive"])),
            "workspace": draw(st.sampled_from([None, "/somewhere"])),
            "tasks": [
                {
                    "id": f"t{n}",
                    "description": "work",
                    "run": "true",
                    "estimatedMinutes": draw(st.integers(1, 20)),
                    "priority": draw(st.integers(-1, 1)),
                    "files": draw(st.lists(st.sampled_from(_PATTERNS), max_size=3)),
                    "dependsOn": [f"t{d}" for d in range(n) if draw(st.integers(0, 4)) == 0],
                }
                for n in range(count)
            ],
        }
    )


def _carried_out(plan: Plan) -> list[Slot]:
    """What the state of an execution starts, when each agent takes its estimate and landings take no time."""
    execution, now = ExecutionState(plan), 0
    running: list[tuple[int, int, str]] = []
    slots: list[Slot] = []
    while not execution.finished:
        for start in execution.starts(now):
            end = now + int(execution.graph.minutes[start.task_id])
            heapq.heappush(running, (end, len(slots), start.task_id))
            slots.append(Slot(start.task_id, int(start.agent_id.removeprefix("agent-")), now, end))
        now = running[0][0]
        while running and running[0][0] <= now:
            outcome = TaskOutcome(kind="completed", commit="c" if plan.workspace else None)
            execution.completed(heapq.heappop(running)[2], outcome, now)
            while execution.to_land:
                execution.landed(execution.to_land.pop(0), now)
    return slots


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_the_predicted_schedule_is_that_of_an_execution(plan: Plan) -> None:
    assert predict_plan(plan, TaskGraph.of_plan(plan)) == _carried_out(plan)


def _trying_all(graph: TaskGraph, agents: int, files: dict[str, list[str]]) -> list[Slot]:
    """A list schedule that tries every ready task at every turn."""
    order = {task: (-graph.bottom_level[task], index) for index, task in enumerate(graph.ids)}
    left = {task: set(before) for task, before in graph.dependencies.items()}
    started: dict[str, None] = {}
    running: list[tuple[float, int, str, int]] = []
    free, slots, now = deque(range(1, agents + 1)), list[Slot](), 0.0
    while True:
        for task in sorted((each for each in graph.ids if not left[each] and each not in started), key=order.get):  # type: ignore[arg-type]
            at_work = [other for _, _, other, _ in running]
            if free and not any(
                may_overlap(a, b) for other in at_work for a in files.get(task, []) for b in files.get(other, [])
            ):
                started[task] = None
                slots.append(Slot(task, free.popleft(), now, now + graph.minutes[task]))
                heapq.heappush(running, (slots[-1].end, len(slots), task, slots[-1].agent))
        if not running:
            return slots
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, task, agent = heapq.heappop(running)
            free.append(agent)
            for before in left.values():
                before.discard(task)


@settings(deadline=None, max_examples=300)
@given(plans())
def test_no_task_waits_for_files_while_the_first_that_could_start_is_another(plan: Plan) -> None:
    graph, files = TaskGraph.of_plan(plan), {task.id: task.files for task in plan.tasks}
    assert predict(graph, plan.max_agents, files=files) == _trying_all(graph, plan.max_agents, files)


def test_four_tasks_on_two_files_take_twice_as_long_as_one() -> None:
    rows = [{"id": str(n), "description": "d", "run": "true", "files": [f"f{n % 2}"]} for n in range(4)]
    plan = read_plan({"maxAgents": 4, "tasks": rows})
    assert makespan(predict_plan(plan, TaskGraph.of_plan(plan))) == 20


def test_ten_thousand_tasks_on_one_pattern_run_one_after_another() -> None:
    """Trying every waiting task again at every end would take minutes."""
    ids = [str(n) for n in range(10_000)]
    graph = TaskGraph({task: [] for task in ids}, dict.fromkeys(ids, 1.0))
    slots = predict(graph, 50, files={task: ["src/**"] for task in ids})
    assert (makespan(slots), [slot.task_id for slot in slots]) == (10_000, ids)


def _free(*names: str) -> TaskGraph:
    return TaskGraph({name: [] for name in names}, dict.fromkeys(names, 1.0))


def test_a_task_that_waits_has_neither_agent_nor_files() -> None:
    scheduler = Scheduler(_free("a", "b"), 1, files={"a": ["x"], "b": ["x"]})
    slots = simulate(scheduler, {"a": [Phase(2, wait=10), Phase(3)], "b": [Phase(5)]})
    assert slots == [Slot("a", 1, 0, 2), Slot("b", 1, 2, 7), Slot("a", 1, 12, 15)]
    assert (makespan(slots), busy_time(slots)) == (15, 10)


def test_what_follows_at_once_competes_with_the_others_by_rank() -> None:
    graph = TaskGraph({"a": [], "b": []}, {"a": 1, "b": 5})
    slots = simulate(Scheduler(graph, 1), {"a": [Phase(1), Phase(1)], "b": [Phase(1), Phase(1)]})
    assert [slot.task_id for slot in slots] == ["b", "b", "a", "a"]


def test_nothing_starts_during_a_hold_and_what_runs_goes_on() -> None:
    slots = simulate(Scheduler(_free("a", "b"), 1), {"a": [Phase(3)], "b": [Phase(3)]}, [Hold(1, 8), Hold(20, 30)])
    assert slots == [Slot("a", 1, 0, 3), Slot("b", 1, 8, 11)]
    assert busy_time(slots) == 6


def test_a_task_without_a_phase_takes_no_time_and_one_that_is_not_named_never_runs() -> None:
    graph = TaskGraph({"taken": [], "a": ["taken"], "never": [], "after": ["never"]}, dict.fromkeys(("taken", "a"), 1))
    graph.minutes |= {"never": 1, "after": 1}
    assert simulate(Scheduler(graph, 2), {"taken": [], "a": [Phase(2)]}) == [Slot("a", 2, 0, 2)]


def test_overlapping_work_counts_once_and_gaps_do_not() -> None:
    slots = [Slot("a", 1, 0, 4), Slot("b", 2, 1, 3), Slot("c", 1, 6, 7)]
    assert (busy_time(slots), makespan(slots), busy_time([])) == (5, 7, 0)
