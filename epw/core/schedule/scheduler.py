"""List scheduling: which task starts next on which agent.

Ready tasks start in the order of their bottom levels, the longest remaining path first; a start costs O(log n). Without
leases and barriers the schedule takes less than twice the shortest time (Graham 1969, https://doi.org/10.1137/0117039).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan, Task
from epw.core.schedule.ready_queue import ReadyQueue


def barriers(plan: Plan, graph: TaskGraph) -> dict[str, int]:
    """The level of each task, where a level starts only after the one before it; else empty."""
    return graph.level if plan.atomic == "batch" else {}


def declared_files(plan: Plan) -> dict[str, list[str]]:
    """The patterns of the tasks that declare their files: tasks whose patterns may overlap do not run at once."""
    return {task.id: task.files for task in plan.tasks if task.files}


class Scheduler:
    """Ready tasks by priority, then bottom level, then plan order; free agents in turn.

    The caller reports what happened (`release_agent`, `release_files`, `landed`, `requeue`, `abandon`, `close`) and
    calls `next_start`. With `levels` there are barriers: no task starts before all tasks of lower levels are closed.
    """

    def __init__(
        self,
        graph: TaskGraph,
        agents: int,
        priorities: Mapping[str, int] | None = None,
        files: Mapping[str, Sequence[str]] | None = None,
        levels: Mapping[str, int] | None = None,
    ) -> None:
        self._graph = graph
        self._order = {task: index for index, task in enumerate(graph.ids)}
        self._priorities = dict(priorities or {})
        self._blocking = {task: len(graph.dependencies[task]) for task in graph.ids}
        self._abandoned: dict[str, None] = {}
        self._landed: dict[str, None] = {}
        self._levels = levels or {}
        self._level = 0
        self._open = Counter(self._levels.values())
        self._closed: dict[str, None] = {}
        self._beyond: dict[int, list[str]] = {}
        self._ready = ReadyQueue(files)
        self._max_agents = agents
        self._free = deque(range(1, agents + 1))
        self._busy: dict[str, int] = {}
        for task in graph.ids:
            if not self._blocking[task]:
                self._push(task)

    @classmethod
    def of_plan(cls, plan: Plan, graph: TaskGraph, agents: int | None = None) -> Scheduler:
        """The scheduler of a plan's tasks; `graph` may have more edges than the plan."""
        return cls(
            graph,
            plan.max_agents if agents is None else agents,
            {task.id: task.priority for task in plan.tasks},
            declared_files(plan),
            barriers(plan, graph),
        )

    @property
    def tasks(self) -> list[str]:
        """Ids of all tasks, in plan order."""
        return self._graph.ids

    @property
    def running(self) -> int:
        """How many agents are busy."""
        return len(self._busy)

    @property
    def held(self) -> list[str]:
        """Ready tasks that wait for files of others."""
        return self._ready.held

    def newly_held(self) -> list[str]:
        """Those of them that have begun to wait since the last call."""
        return self._ready.newly_held()

    def agent_of(self, task: str) -> int | None:
        """The number of the agent that works on the task, from 1; None: it does not run."""
        return self._busy.get(task)

    def next_start(self) -> tuple[str, int] | None:
        """The next task to start now and its agent's number; None when none can."""
        if not self._free or len(self._busy) >= self._max_agents:
            return None
        task = self._ready.pop()
        if task is None:
            return None
        self._busy[task] = self._free.popleft()
        return task, self._busy[task]

    def release_agent(self, task: str) -> None:
        """Free the task's agent: its attempt has ended."""
        agent = self._busy.pop(task)
        if agent <= self._max_agents:
            self._free.append(agent)

    def release_files(self, task: str) -> None:
        """Give back the task's files: nothing of it will be written or landed any more."""
        self._ready.release(task)

    def requeue(self, task: str, files: Sequence[str] = ()) -> None:
        """Queue another attempt of the task, which then also holds `files`."""
        self._push(task, files)

    def landed(self, task: str) -> list[str]:
        """Note that the task is done; returns the dependants that are ready now."""
        self._landed[task] = None
        ready = []
        for after in self._graph.dependants[task]:
            self._blocking[after] -= 1
            if not self._blocking[after] and after not in self._abandoned:
                self._push(after)
                ready.append(after)
        return ready

    def abandon(self, task: str) -> None:
        """Never start the task (again)."""
        self._abandoned[task] = None
        self._ready.drop(task)

    def reopen(self, tasks: Sequence[str]) -> list[str]:
        """Queue tasks anew of which no agent runs, as if none of them had begun; returns those that are ready now."""
        for task in tasks:
            self._landed.pop(task, None)
            self._abandoned.pop(task, None)
            self._ready.revive(task)
        for task in dict.fromkeys([*tasks, *(after for each in tasks for after in self._graph.dependants[each])]):
            self._blocking[task] = sum(before not in self._landed for before in self._graph.dependencies[task])
        ready = [task for task in tasks if not self._blocking[task]]
        for task in ready:
            self._push(task)
        return ready

    def close(self, task: str) -> None:
        """Note that the task has ended for good: the last one of a level opens the next."""
        if task in self._closed or task not in self._levels:
            return
        self._closed[task] = None
        self._open[self._levels[task]] -= 1
        while not self._open[self._level] and self._level < max(self._levels.values()):
            self._level += 1
            for waiting in self._beyond.pop(self._level, []):
                self._push(waiting)

    def set_max_agents(self, agents: int) -> None:
        """Change the number of agents: new ones are free at once, surplus ones leave when their task ends."""
        present = [*self._free, *self._busy.values()]
        self._max_agents = agents
        self._free = deque(agent for agent in self._free if agent <= agents)
        self._free.extend(agent for agent in range(1, agents + 1) if agent not in present)

    def add(self, graph: TaskGraph, tasks: Sequence[Task]) -> list[str]:
        """Take in tasks that `graph` has more than the one before; returns those that are ready now. No barriers."""
        self._graph = graph
        self._order = {task: index for index, task in enumerate(graph.ids)}
        for task in tasks:
            self._priorities[task.id] = task.priority
            self._ready.declare(task.id, task.files)
            self._blocking[task.id] = sum(before not in self._landed for before in graph.dependencies[task.id])
        ready = [task.id for task in tasks if not self._blocking[task.id]]
        for each in ready:
            self._push(each)
        return ready

    def set_priority(self, task: str, priority: int) -> None:
        """Change when the task starts, among those that are ready."""
        self._priorities[task] = priority
        if self._ready.remove(task):
            self._push(task)

    def _push(self, task: str, files: Sequence[str] = ()) -> None:
        level = self._levels.get(task, 0)
        if level > self._level:
            self._beyond.setdefault(level, []).append(task)
            return
        rank = (-self._priorities.get(task, 0), -self._graph.bottom_level[task], self._order[task])
        self._ready.push(task, rank, files)


def batches(graph: TaskGraph, agents: int) -> list[list[str]]:
    """Tasks that can run at once: each level, longest remaining path first, in pieces of at most `agents` tasks."""
    cut = []
    for level in graph.levels:
        ranked = sorted(level, key=lambda task: -graph.bottom_level[task])
        cut += [ranked[at : at + agents] for at in range(0, len(ranked), agents)]
    return cut
