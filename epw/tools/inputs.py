"""JSON schemas of the six tools' arguments.

They are for the caller: what they refuse the tools refuse too, with texts of their own. Which of two arguments has to
be given stands in descriptions, because some APIs of models refuse `anyOf` at the top of a schema.
"""

from __future__ import annotations

from typing import Any

from epw.tools.analyze import MAX_DESCRIPTION
from epw.tools.checks import DEFAULT_AGENTS, STRATEGIES
from epw.tools.conflicts import CHANGE_TYPES, MAX_RESULTS
from epw.tools.execute import CPU_PERCENT, MAX_REQUESTS_PER_MINUTE, MEMORY_MB
from epw.tools.optimize import GOALS
from epw.tools.progress import MAX_PROGRESSES, STATUSES
from epw.tools.progress import STRATEGIES as AGGREGATIONS
from epw.tools.schema_parts import (
    AGENTS,
    NOT_BLANK,
    an_object,
    array,
    given_graph,
    integer,
    number,
    task_list,
    text,
    texts,
    truth,
    word,
)

_TASKS: list[dict[str, Any]] = [
    {"id": "db", "description": "Write the schema of users", "estimatedMinutes": 20, "files": ["db/**"]},
    {"id": "api", "description": "Write the endpoints of users", "dependsOn": ["db"], "files": ["api/**"]},
    {"id": "ui", "description": "Draw the form of users", "estimatedMinutes": 30, "files": ["ui/**"]},
]
_GRAPH = {
    "nodes": {task["id"]: {"id": task["id"], "task": task} for task in _TASKS},
    "edges": [{"from": "db", "to": "api", "type": "explicit"}],
}
_EXECUTION = text("Id of an execution, whose own records are then looked at instead.", minLength=1)
_STRATEGY = word(
    "After a failure, conservative stops and undoes everything, aggressive only what depends on it.", STRATEGIES
)

ANALYZE = an_object(
    "Tasks to judge.",
    ["taskDescription"],
    {
        "taskDescription": text("What the tasks achieve together.", maxLength=MAX_DESCRIPTION, pattern=NOT_BLANK),
        "subtasks": task_list("The tasks; without any the answer is that nothing is parallel.", 0),
        "context": {"description": "Anything; it is not read."},
        "maxParallelAgents": {**AGENTS, "default": DEFAULT_AGENTS},
    },
    examples=[{"taskDescription": "User accounts", "subtasks": _TASKS, "maxParallelAgents": 3}],
)
GRAPH = an_object(
    "Tasks whose order is to be found.",
    ["tasks"],
    {
        "tasks": task_list("The tasks.", 1),
        "detectImplicit": truth("Whether descriptions are searched for dependencies too.", default=True),
    },
    examples=[{"tasks": _TASKS}],
)
OPTIMIZE = an_object(
    "Tasks to hand out to agents.",
    ["tasks", "dependencyGraph", "maxParallelAgents", "optimizationGoal"],
    {
        "tasks": task_list("The tasks, the same as the graph's nodes.", 1),
        "dependencyGraph": given_graph("`graph` of create_dependency_graph, or an analysis's `dependencyGraph`."),
        "maxParallelAgents": AGENTS,
        "optimizationGoal": word(
            "minimize-time: the shortest schedule; balance-load: agents equally busy, at most 10 % slower;"
            " minimize-conflicts: tasks that may write the same file never run at once.",
            GOALS,
        ),
    },
    examples=[
        {"tasks": _TASKS, "dependencyGraph": _GRAPH, "maxParallelAgents": 2, "optimizationGoal": "minimize-time"}
    ],
)
EXECUTE = an_object(
    "What to run: `analysisResult` with `executionStrategy` and `maxParallelAgents`, or `plan`, whose own settings"
    " those two replace where they are given.",
    [],
    {
        "analysisResult": an_object(
            "The whole result of analyze_task_parallelizability.",
            ["suggestedBatches", "dependencyGraph"],
            {
                "suggestedBatches": array(
                    "Batches, earlier ones first; they must agree with the graph.",
                    an_object("A batch.", ["tasks"], {"tasks": {"type": "array", "description": "Ids, or tasks."}}),
                ),
                "dependencyGraph": given_graph("Its edges become dependencies of the tasks."),
            },
        ),
        "plan": {
            "type": "object",
            "description": "A plan: {tasks: [{id, description, …}], workspace?, …}; its schema: get_plan_schema.",
        },
        "executionStrategy": _STRATEGY,
        "maxParallelAgents": AGENTS,
        "constraints": an_object(
            "Limits.",
            [],
            {
                "apiRateLimit": an_object(
                    "Of calls of a model's API, over all executions.",
                    ["provider", "maxRequestsPerMinute"],
                    {
                        "provider": text("Whose API: anthropic.", pattern=NOT_BLANK),
                        "maxRequestsPerMinute": integer(
                            "Calls of all agents.", minimum=1, maximum=MAX_REQUESTS_PER_MINUTE
                        ),
                    },
                ),
                "resourceLimits": an_object(
                    "Of each agent's processes.",
                    [],
                    {
                        "maxMemoryMB": integer("Memory.", minimum=MEMORY_MB[0], maximum=MEMORY_MB[1]),
                        "maxCPUPercent": number(
                            "Share of the machine.", minimum=CPU_PERCENT[0], maximum=CPU_PERCENT[1]
                        ),
                        "maxDurationMs": integer("Time of an attempt.", minimum=1),
                    },
                ),
            },
        ),
        "wait": truth("Whether to answer with the results, not at once with the execution's id.", default=False),
    },
    examples=[
        {"plan": {"tasks": [{"id": "hello", "description": "Say hello", "run": "echo hello"}]}, "wait": True},
    ],
)
PROGRESS = an_object(
    "Progress of agents: `agentProgresses`, or `executionId`.",
    ["aggregationStrategy"],
    {
        "agentProgresses": array(
            "One row for each agent.",
            an_object(
                "An agent.",
                ["agentId", "percentComplete", "status"],
                {
                    "agentId": text("Its name, unique.", pattern=NOT_BLANK),
                    "currentTask": text("Id of its task; only an idle agent needs none."),
                    "percentComplete": number("Of its task.", minimum=0, maximum=100),
                    "taskWeight": number("How much its task counts; needed by `weighted`.", minimum=0, maximum=100),
                    "status": word("What it does.", STATUSES),
                    "estimatedTimeRemaining": number("Minutes.", minimum=0),
                },
            ),
            minItems=1,
            maxItems=MAX_PROGRESSES,
        ),
        "executionId": _EXECUTION,
        "aggregationStrategy": word(
            "simple-average; weighted: by taskWeight; critical-path: along the path with most work left.", AGGREGATIONS
        ),
        "dependencyGraph": given_graph(
            "For critical-path: the graph of the agents' tasks. Without it the agents with most time left stand for"
            " the path.",
            may_be_empty=True,
        ),
    },
    examples=[
        {
            "agentProgresses": [
                {"agentId": "a", "currentTask": "db", "percentComplete": 50, "status": "working"},
                {"agentId": "b", "percentComplete": 0, "status": "idle"},
            ],
            "aggregationStrategy": "simple-average",
        }
    ],
)
CONFLICTS = an_object(
    "Results of agents: `agentResults`, or `executionId`.",
    [],
    {
        "agentResults": array(
            "One row for each result.",
            an_object(
                "A result.",
                ["agentId", "taskId", "success"],
                {
                    "agentId": text("Whose it is.", pattern=NOT_BLANK),
                    "taskId": text("Of which task.", pattern=NOT_BLANK),
                    "success": truth("Whether the task succeeded; failed results conflict with nothing."),
                    "filesModified": texts("Paths of changed files."),
                    "changes": array(
                        "Changes, with more detail.",
                        an_object(
                            "A change.",
                            ["file", "type"],
                            {
                                "file": text("Its path.", minLength=1),
                                "type": word("What was done.", CHANGE_TYPES),
                                "content": text("The new text or a diff; signatures and calls are read from it."),
                                "lineNumbers": an_object(
                                    "Changed lines; where absent, unknown.",
                                    ["start", "end"],
                                    {"start": number("First line."), "end": number("Last line.")},
                                ),
                            },
                        ),
                    ),
                    "duration": number("Milliseconds.", minimum=0),
                    "finishedAt": number("When it ended, in any one unit; shows results out of order."),
                },
            ),
            minItems=1,
            maxItems=MAX_RESULTS,
        ),
        "executionId": _EXECUTION,
        "dependencyGraph": given_graph("The graph of the tasks: what it orders does not conflict.", may_be_empty=True),
        "executionStrategy": {**_STRATEGY, "description": "Whether grave conflicts mean rollback (conservative)."},
    },
    examples=[
        {
            "agentResults": [
                {
                    "agentId": each,
                    "taskId": each,
                    "success": True,
                    "changes": [{"file": "a.ts", "type": "modify", "lineNumbers": {"start": at, "end": at + 9}}],
                }
                for each, at in (("a", 1), ("b", 50))
            ]
        }
    ],
)
