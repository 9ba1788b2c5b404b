"""Outlook of a plan: how long it takes and what it costs, what holds it up, what more agents and hosts would bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import MAX_AGENTS, Plan
from epw.core.schedule.scheduler import declared_files
from epw.core.simulation.costs import NONE, Costs
from epw.core.simulation.course import Predicted
from epw.core.simulation.fleet import Host
from epw.core.simulation.measured import MEASURED
from epw.core.simulation.simulation import simulate_execution
from epw.core.simulation.works import Luck

AGENTS, HOSTS, CHAIN = "agents", "hosts", "chain"
HOLDS_UP = (AGENTS, "rateLimit", HOSTS, "files", "batches", "landing", "coordination", CHAIN)
"""What can hold an execution up; the chain, its critical path, where nothing else does."""
_ALIKE = 0.02
"""Executions whose times differ by no more than this share take equally long."""
_MAX_SIMULATED, _LEAST = 10_000, 2
"""Tasks that are simulated for one outlook at most; the least number of simulations, however many tasks there are."""


@dataclass(frozen=True)
class Circumstances:
    """Where a plan is to run, and what happens there."""

    hosts: Sequence[Host] = ()
    """None: one that takes all attempts, and has all labels."""
    costs: Costs = MEASURED
    failing: float = 0.0
    """Share of the attempts that fail."""
    files: int = 0
    """How many files the workspace has."""


ANYWHERE = Circumstances()


def labels_of(plan: Plan) -> tuple[str, ...]:
    """All labels that tasks of the plan need."""
    return tuple(dict.fromkeys(label for task in plan.tasks for label in task.needs))


def outlook(plan: Plan, graph: TaskGraph, here: Circumstances = ANYWHERE) -> dict[str, Any]:
    """The field `prediction` of an analysis; times in minutes. `graph`, acyclic, may have more edges than the plan."""
    tasks = [task.model_copy(update={"depends_on": graph.dependencies[task.id]}) for task in plan.tasks]
    found = _Simulations(plan.model_copy(update={"tasks": tasks}), here)
    own = found.on(plan.max_agents)
    goes_on = own.stopped is None
    rows = _agents(found) if goes_on else [plan.max_agents]
    held_up = list(_held_up_by(found, graph.critical_minutes)) if goes_on else []
    is_enough = goes_on and _alike(found.on(rows[-1]), found.best)
    return {
        "minutes": _minutes(own),
        "costUSD": _sum([task.estimated_cost_usd for task in plan.tasks], own.cost_usd),
        "tokens": _sum([task.estimated_tokens for task in plan.tasks], own.tokens),
        "tasksWithCost": sum(task.estimated_cost_usd is not None for task in plan.tasks),
        "succeeded": own.done,
        "stoppedBy": own.stopped,
        "heldUpBy": held_up,
        "byAgents": [{"agents": each, "minutes": _minutes(found.on(each))} for each in rows],
        "enoughAgents": next(each for each in rows if _alike(found.on(each), found.best)) if is_enough else None,
        "byHosts": list(_by_hosts(found)) if any(each["by"] == HOSTS for each in held_up) else [],
        "measured": here.costs.source,
    }


class _Simulations:
    """Simulations of a plan, by what is different."""

    def __init__(self, plan: Plan, here: Circumstances) -> None:
        self.plan, self.here = plan, here
        self.hosts = tuple(here.hosts) or (Host(labels=labels_of(plan)),)
        self.most = min(len(plan.tasks), MAX_AGENTS)
        """With more agents nothing is sooner done."""
        self._left = max(_LEAST, _MAX_SIMULATED // len(plan.tasks))
        self._by_agents: dict[int, Predicted] = {}

    @property
    def has_more(self) -> bool:
        """Whether there may be more simulations."""
        return self._left > 0

    @property
    def best(self) -> Predicted:
        """The execution with as many agents as can work at once."""
        return self.on(self.most)

    def on(self, agents: int) -> Predicted:
        """The execution with so many agents."""
        agents = min(agents, self.most)
        if agents not in self._by_agents:
            self._by_agents[agents] = self.run(self.with_agents(agents))
        return self._by_agents[agents]

    def with_agents(self, agents: int) -> Plan:
        return self.plan.model_copy(update={"max_agents": agents})

    def run(self, plan: Plan, costs: Costs | None = None, hosts: Sequence[Host] | None = None) -> Predicted:
        """One more simulation."""
        self._left -= 1
        luck = Luck(failing=self.here.failing, seed=plan.simulation.seed)
        return simulate_execution(plan, costs or self.here.costs, hosts or self.hosts, luck, self.here.files)


def _agents(found: _Simulations) -> list[int]:
    """Numbers of agents worth knowing, the plan's among them: the least that is as quick as all, others on the way."""
    own = less = enough = min(found.plan.max_agents, found.most)
    rows = [found.plan.max_agents]
    while not _alike(found.on(enough), found.best) and found.has_more:
        less, enough = enough, min(2 * enough, found.most)
        rows.append(enough)
    less = less if enough > own else 0
    while enough - less > 1 and found.has_more:
        middle = (less + enough) // 2
        less, enough = (less, middle) if _alike(found.on(middle), found.best) else (middle, enough)
    return sorted({*(each for each in rows if each == rows[0] or each < enough), enough})


def _held_up_by(found: _Simulations, chain: float) -> Iterator[dict[str, Any]]:
    """What holds the execution up, with the minutes that it would be sooner without; first what holds up most.

    What more agents do not help is looked at with as many as can work at once. `chain`: minutes of the longest path.
    """
    own = found.on(found.plan.max_agents)
    if not _alike(own, found.best):
        yield {"by": AGENTS, "minutes": _sooner(own, found.best)}
    if found.best.seconds <= (1 + _ALIKE) * 60 * chain:
        yield {"by": CHAIN, "minutes": 0.0}
        return
    gains = {}
    for name, without in _reliefs(found):
        if found.has_more and not _alike(found.best, freed := without()) and freed.seconds < found.best.seconds:
            gains[name] = _sooner(found.best, freed)
    for name in sorted(gains, key=lambda each: -gains[each]):
        yield {"by": name, "minutes": gains[name]}


def _reliefs(found: _Simulations) -> Iterator[tuple[str, Callable[[], Predicted]]]:
    """What may hold up an execution with enough agents, with the execution without it."""
    plan, costs, hosts = found.with_agents(found.most), found.here.costs, found.hosts
    if found.best.slowed:
        limits = plan.constraints.model_copy(update={"api_rate_limit": None})
        yield "rateLimit", lambda: found.run(plan.model_copy(update={"constraints": limits}))
    if any(host.slots is not None for host in hosts):
        yield HOSTS, lambda: found.run(plan, hosts=[replace(host, slots=None) for host in hosts])
    if declared_files(plan):
        tasks = [task.model_copy(update={"files": []}) for task in plan.tasks]
        yield "files", lambda: found.run(plan.model_copy(update={"tasks": tasks}))
    if plan.atomic == "batch":
        yield "batches", lambda: found.run(plan.model_copy(update={"atomic": "task"}))
    if found.best.landing:
        yield "landing", lambda: found.run(plan, costs=costs.without_landing)
    yield "coordination", lambda: found.run(plan, costs=NONE)


def _by_hosts(found: _Simulations) -> Iterator[dict[str, Any]]:
    """With the plan's agents, on the hosts and on twice as many, as long as that helps."""
    hosts, before = found.hosts, found.on(found.plan.max_agents)
    yield {"hosts": len(hosts), "minutes": _minutes(before)}
    while found.has_more:
        hosts = (*hosts, *hosts)
        after = found.run(found.plan, hosts=hosts)
        if _alike(before, after):
            return
        yield {"hosts": len(hosts), "minutes": _minutes(after)}
        before = after


def _alike(one: Predicted, other: Predicted) -> bool:
    return abs(one.seconds - other.seconds) <= _ALIKE * min(one.seconds, other.seconds)


def _sooner(one: Predicted, other: Predicted) -> float:
    return round((one.seconds - other.seconds) / 60, 4)


def _minutes(predicted: Predicted) -> float:
    return round(predicted.seconds / 60, 4)


def _sum(estimates: Sequence[float | None], used: float) -> float | None:
    """What is used, where any task says how much it needs."""
    return round(used, 4) if any(each is not None for each in estimates) else None
