"""The six tools: what a client is told of each, and what answers it. A further tool is one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from epw.tools import inputs, outputs
from epw.tools.analyze import analyze_task_parallelizability
from epw.tools.conflicts import detect_conflicts
from epw.tools.execute import plan_to_execute
from epw.tools.graph import create_dependency_graph
from epw.tools.optimize import optimize_batch_distribution
from epw.tools.progress import aggregate_progress
from epw.tools.schema_parts import Schema


@dataclass(frozen=True)
class Tool:
    """A tool. `function` takes the arguments and the time that estimates count from; it raises `InvalidInput`."""

    name: str
    description: str
    """For a model that has read nothing else."""
    input: Schema
    output: Schema
    function: Callable[[Any, datetime], dict[str, Any]]
    """Its result; of `execute_parallel_workflow` the plan to run. Arguments with `executionId` are not for it."""


def _timeless(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any, datetime], dict[str, Any]]:
    return lambda arguments, now: function(arguments)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "analyze_task_parallelizability",
            "Judges whether tasks are worth running in parallel: a verdict with the rule that decided, the estimated"
            " speedup on maxParallelAgents agents, the critical path, batches and risks; in prediction how long an"
            " execution takes, what holds it up and how many agents are enough. Use it first, when work has been split"
            " into tasks; nothing runs. Give each task its dependsOn, estimatedMinutes and files as far as known:"
            " confidence says how much was assumed. Dependencies that descriptions name (`after the schema`)"
            " are found too. Next: execute_parallel_workflow with the whole result as analysisResult, or better tasks"
            " and another call. Example: three independent tasks of 10, 15 and 20 minutes on 3 agents are"
            " parallelizable, speedup 2.25.",
            inputs.ANALYZE,
            outputs.ANALYZE,
            _timeless(analyze_task_parallelizability),
        ),
        Tool(
            "create_dependency_graph",
            "Orders tasks: the graph of declared dependencies and of those that descriptions imply, each with"
            " confidence and reason, a topological order, the critical path, and circular dependencies if there are"
            " any. Use it to see what waits for what, or to get the dependencyGraph that optimize_batch_distribution"
            " needs; analyze_task_parallelizability already contains it. Example: `Set up database` (1) and `Create"
            " API using database from task 1` (2) give the edge 1 → 2, implicit, confidence 0.8.",
            inputs.GRAPH,
            outputs.GRAPH,
            _timeless(create_dependency_graph),
        ),
        Tool(
            "optimize_batch_distribution",
            "Hands tasks out to agents: who does which task when, in minutes, and the same order as batches, with the"
            " time that no schedule can beat beside it. Use it to compare numbers of agents or goals before running;"
            " nothing runs. Needs the tasks and their dependencyGraph from create_dependency_graph or"
            " analyze_task_parallelizability. Next: execute_parallel_workflow, which schedules in the same way by"
            " itself. Example: tasks of 50, 30, 20 and 10 minutes on 2 agents with minimize-time take 60 minutes.",
            inputs.OPTIMIZE,
            outputs.OPTIMIZE,
            _timeless(optimize_batch_distribution),
        ),
        Tool(
            "execute_parallel_workflow",
            "Runs tasks by agents in parallel, durably: it survives crashes, merges the agents' changes and delivers"
            " them. Use it after analyze_task_parallelizability with its whole result as analysisResult, an"
            " executionStrategy and maxParallelAgents; or with a plan (its fields: get_plan_schema) where more than"
            " descriptions is needed, such as commands or verification. It answers at once with executionId; with"
            " wait: true when all is done or something needs a person. Next: get_execution with that executionId."
            " Example: {plan: {tasks: [{id: hello, description: Say hello, run: echo hello}]}, wait: true}.",
            inputs.EXECUTE,
            outputs.EXECUTE,
            _timeless(plan_to_execute),
        ),
        Tool(
            "aggregate_progress",
            "Says how far agents are together: one percentage, who holds up the others and what to do about it, and"
            " when the last one is done, if any has an estimate. Use it while work is under way: with executionId for"
            " an execution of execute_parallel_workflow, or with agentProgresses for agents of your own. Next: help"
            " the bottlenecks, or ask again later. Example: agents at 50, 75 and 25 percent with simple-average are"
            " at 50 together.",
            inputs.PROGRESS,
            outputs.PROGRESS,
            aggregate_progress,
        ),
        Tool(
            "detect_conflicts",
            "Finds results of agents that do not fit together: changes of the same lines, a file deleted by one and"
            " changed by another, a changed signature that another newly calls, work on top of a failed dependency."
            " Each conflict has ways out, the best first; resolutionStrategy says whether it can be merged without a"
            " decision. Use it after agents have finished: with executionId, where the real merge decides, or with"
            " agentResults of agents of your own. Example: two results on lines 1–10 and 50–60 of shared.ts are one"
            " low conflict that merges automatically.",
            inputs.CONFLICTS,
            outputs.CONFLICTS,
            _timeless(detect_conflicts),
        ),
    )
}
"""By name."""
