"""JSON schemas of the six tools' results."""

from __future__ import annotations

from epw.tools.conflicts import CHANGE_TYPES
from epw.tools.progress import STATUSES
from epw.tools.schema_parts import (
    BATCH,
    BOTTLENECK,
    CONFLICT,
    FOUND_GRAPH,
    PREDICTION,
    RISK,
    array,
    integer,
    nullable,
    number,
    result,
    text,
    texts,
    truth,
    word,
)

_PERCENT = {"minimum": 0, "maximum": 100}
_CYCLES = array("Circular dependencies, each a closed path: [a, b, a].", {"type": "array"})
_INFERRED = {
    "from": text("Id of the dependency."),
    "to": text("Id of the task that waits for it."),
    "confidence": number("How sure it is.", minimum=0.6, maximum=1),
    "reasoning": text("Which words say so."),
}

ANALYZE = result(
    "Whether the tasks are worth running in parallel.",
    [
        *("parallelizable", "confidence", "reasoning", "score", "factors", "dependencyGraph", "suggestedBatches"),
        *("estimatedSpeedup", "estimatedMinutes", "totalMinutes", "criticalPath", "criticalPathMinutes"),
        *("maxParallelAgents", "risks", "bottlenecks", "prediction"),
    ],
    {
        "parallelizable": truth("The verdict."),
        "confidence": number("How much was given and how little assumed.", **_PERCENT),
        "reasoning": text("The rule that decided."),
        "score": number("Weighted mean of the factors.", **_PERCENT),
        "factors": {"type": "object", "description": "Each 0 to 100, higher is better for running in parallel."},
        "hasCycles": truth("True where dependencies are circular, otherwise left out."),
        "cycles": _CYCLES,
        "dependencyGraph": FOUND_GRAPH,
        "suggestedBatches": array("Batches, earlier ones first.", BATCH),
        "estimatedSpeedup": number("totalMinutes / estimatedMinutes.", exclusiveMinimum=0),
        "estimatedMinutes": nullable(number("Of the schedule on maxParallelAgents agents.", minimum=0)),
        "totalMinutes": number("Of all tasks one after another.", minimum=0),
        "criticalPath": texts("Ids of the longest chain of tasks."),
        "criticalPathMinutes": nullable(number("No number of agents is faster.", minimum=0)),
        "maxParallelAgents": integer("Agents that were counted with.", minimum=1),
        "risks": array("What may go wrong.", RISK),
        "bottlenecks": array("Tasks that many others wait for.", BOTTLENECK),
        "prediction": nullable(PREDICTION),
    },
)
GRAPH = result(
    "The graph of the tasks.",
    [
        *("graph", "implicitDependencies", "hasCycles", "topologicalOrder", "criticalPath"),
        "rejectedDependencies",
    ],
    {
        "graph": FOUND_GRAPH,
        "implicitDependencies": array(
            "Dependencies that descriptions imply; they are edges of the graph.",
            result("An edge.", list(_INFERRED), _INFERRED),
        ),
        "hasCycles": truth("Whether declared dependencies are circular; then nothing is inferred."),
        "cycles": _CYCLES,
        "topologicalOrder": texts("Every id after those it depends on; empty with cycles."),
        "criticalPath": texts("Ids of the longest chain of tasks; empty with cycles."),
        "rejectedDependencies": array(
            "Implied dependencies that are no edges of the graph.",
            result(
                "A candidate.",
                [*_INFERRED, "rejectedBecause"],
                {**_INFERRED, "rejectedBecause": text("A circle, or a known order.")},
            ),
        ),
    },
)
OPTIMIZE = result(
    "Which agent does which task when.",
    ["batches", "estimatedTotalTime", "loadBalance", "reasoning", "assignments", "lowerBound", "efficiency"],
    {
        "batches": array("The same order in batches, earlier ones first.", BATCH),
        "estimatedTotalTime": number("Minutes, each task started as soon as it can.", minimum=0),
        "loadBalance": number("100: all agents equally busy.", **_PERCENT),
        "reasoning": text("How the schedule was made, and what limits it."),
        "assignments": array(
            "The schedule, in the order of starts.",
            result(
                "A task.",
                ["agentId", "taskId", "start", "end"],
                {
                    "agentId": text("Who does it."),
                    "taskId": text("Its id."),
                    "start": number("Minutes from the beginning.", minimum=0),
                    "end": number("Minutes from the beginning.", exclusiveMinimum=0),
                },
            ),
        ),
        "lowerBound": number("Minutes that no schedule can beat.", minimum=0),
        "efficiency": number("lowerBound / estimatedTotalTime.", minimum=0, maximum=1.0001),
    },
)
_CHANGES = array(
    "Changes, as the results give them.",
    result("A change.", ["file", "type"], {"file": text("Its path."), "type": word("What was done.", CHANGE_TYPES)}),
)
_METRICS = {
    name: nullable(number(description))
    for name, description in {
        "totalTasks": "Planned tasks.",
        "parallelTasks": "Tasks that ran beside others.",
        "sequentialTasks": "Tasks that ran alone.",
        "totalDuration": "Milliseconds from start to end.",
        "sequentialDuration": "Milliseconds of all tasks one after another.",
        "actualSpeedup": "sequentialDuration / totalDuration.",
        "agentCount": "Agents that worked.",
        "conflictCount": "Conflicts.",
        "failureCount": "Failed tasks.",
        "retryCount": "Further attempts.",
    }.items()
}
EXECUTE = result(
    "The execution: with `wait` its results, without only its id.",
    ["success", "executionId"],
    {
        "success": truth("Whether everything succeeded; without `wait`, whether it has started."),
        "executionId": text("What aggregate_progress and detect_conflicts take."),
        "results": array(
            "Every planned task once.",
            result(
                "A task.",
                ["agentId", "taskId", "success", "filesModified", "changes", "duration"],
                {
                    "agentId": nullable(text("Who did it; null where nobody began.")),
                    "taskId": text("Its id."),
                    "success": truth("Whether it succeeded."),
                    "filesModified": texts("Paths of changed files."),
                    "changes": _CHANGES,
                    "duration": nullable(number("Milliseconds; null where it never ran.", minimum=0)),
                    "error": nullable({"type": "object", "description": "{type, message, …} of a failure."}),
                },
            ),
        ),
        "conflicts": array("Results that did not fit together.", CONFLICT),
        "metrics": nullable(
            {"type": "object", "description": "Numbers of the execution.", "properties": _METRICS},
        ),
    },
)
PROGRESS = result(
    "How far the agents are together.",
    ["overallProgress", "method", "agentStatuses", "bottlenecks", "estimatedCompletion"],
    {
        "overallProgress": number("Percent.", **_PERCENT),
        "method": text("How it was found."),
        "agentStatuses": array(
            "The agents, in the order given.",
            result(
                "An agent.",
                ["agentId", "status", "progress"],
                {
                    "agentId": text("Its name."),
                    "status": word("What it does.", STATUSES),
                    "progress": number("Percent of its task.", **_PERCENT),
                },
            ),
        ),
        "bottlenecks": array("Agents that hold up others, each once.", BOTTLENECK),
        "estimatedCompletion": nullable(text("ISO 8601; null where no agent has an estimate.")),
        "criticalPath": texts("Of critical-path alone: ids of tasks, or of agents where no graph is known."),
    },
)
CONFLICTS = result(
    "Whether the results fit together.",
    ["hasConflicts", "conflicts", "resolutionStrategy", "mergedResult"],
    {
        "hasConflicts": truth("Whether there are any."),
        "conflicts": array("Each with what can be done about it.", CONFLICT),
        "resolutionStrategy": word("Who decides.", ["auto", "manual", "rollback"]),
        "mergedResult": nullable(
            result(
                "All changes together; null unless nothing has to be decided.",
                ["success", "filesModified", "changes", "duration"],
                {
                    "success": truth("True."),
                    "filesModified": texts("Paths of all results."),
                    "changes": _CHANGES,
                    "duration": number("Milliseconds of the longest.", minimum=0),
                },
            )
        ),
    },
)
