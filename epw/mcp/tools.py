"""Table of the tools: what a model reads about each, its arguments, and the function that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from epw.mcp import execution_tools, planning_tools
from epw.mcp.application import Application
from epw.mcp.call import Call


@dataclass(frozen=True)
class Tool:
    """One tool. `is_read_only`: it changes nothing, anywhere."""

    name: str
    title: str
    description: str
    properties: dict[str, Any]
    required: tuple[str, ...]
    call: Callable[[Application, Call], Awaitable[dict[str, Any]]]
    is_read_only: bool = False
    is_destructive: bool = False
    is_cached: bool = False
    """Whether equal arguments always give the same answer."""

    @property
    def input_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": self.properties, "required": list(self.required)}


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


_EXECUTION = {"executionId": _text("Id of the execution, as execute_parallel_workflow or list_executions gives it.")}
_WAIT = {
    "wait": {
        "type": "boolean",
        "default": False,
        "description": "Answer when the execution has ended, or when a question or conflict needs a person.",
    },
    "waitSeconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": planning_tools.MAX_WAIT_SECONDS,
        "description": "With wait: answer after so many seconds at the latest, with the state as it is then.",
    },
}

EXECUTION_TOOLS = (
    Tool(
        "get_execution",
        "Look at an execution",
        "State of an execution: how many tasks have succeeded, what runs, results, conflicts, delivery, and under "
        "`needs` every question or conflict that waits for a person, each with the call that answers it. With wait: "
        "true it answers when there is something to do. full: true gives every field of every task.",
        {**_EXECUTION, **_WAIT, "full": {"type": "boolean", "default": False, "description": "Every field."}},
        ("executionId",),
        execution_tools.get_execution,
        is_read_only=True,
    ),
    Tool(
        "list_executions",
        "List executions",
        "Executions on this server, newest first: id, status, strategy, start, what they wait for. Use it to find an "
        "execution that was started earlier or by another client.",
        {
            "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "How many to pass over."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20, "description": "How many."},
        },
        (),
        execution_tools.list_executions,
        is_read_only=True,
    ),
    Tool(
        "answer_question",
        "Answer an agent's question",
        "Give an agent the answer to the question that it asked (see `needs` of get_execution). Ask your user where "
        "the answer is theirs to give. The first answer wins; the agent then goes on by itself.",
        {
            **_EXECUTION,
            "questionId": _text("Id of the question."),
            "text": _text("The answer; where the question has options, one of them.", maxLength=30_000),
        },
        ("executionId", "questionId", "text"),
        execution_tools.answer_question,
    ),
    Tool(
        "resolve_conflict",
        "Decide a conflict",
        "Choose what becomes of two changes that do not fit together (see `needs` of get_execution, which lists the "
        "choices). Ask your user where it is their decision.",
        {**_EXECUTION, "conflictId": _text("Id of the conflict."), "choice": _text("One of its choices.")},
        ("executionId", "conflictId", "choice"),
        execution_tools.resolve_conflict,
    ),
    Tool(
        "cancel_execution",
        "Cancel an execution",
        "Stop an execution: its agents end, nothing is delivered, what they have saved is kept. It cannot go on "
        "afterwards; to stop for a while use pause_execution.",
        _EXECUTION,
        ("executionId",),
        execution_tools.cancel_execution,
        is_destructive=True,
    ),
    Tool(
        "pause_execution",
        "Pause an execution",
        "Start no further task; running ones finish. resume_execution goes on.",
        _EXECUTION,
        ("executionId",),
        execution_tools.pause_execution,
    ),
    Tool(
        "resume_execution",
        "Resume an execution",
        "Go on after pause_execution.",
        _EXECUTION,
        ("executionId",),
        execution_tools.resume_execution,
    ),
    Tool(
        "retry_execution",
        "Retry what did not succeed",
        "Start a new execution of the same plan that takes over every task that succeeded and would see nothing new. "
        "The answer says which tasks run again and why. Use it after an execution has failed or was cancelled.",
        _EXECUTION,
        ("executionId",),
        execution_tools.retry_execution,
    ),
    Tool(
        "get_changes",
        "Read the changes",
        "Diff of one task, or of the whole execution where no task is named, a page at a time (nextOffset).",
        {
            **_EXECUTION,
            "taskId": _text("The task; where absent, everything that was delivered."),
            "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "First character of the page."},
            "limit": {"type": "integer", "minimum": 100, "maximum": 100_000, "description": "Characters of the page."},
        },
        ("executionId",),
        execution_tools.get_changes,
        is_read_only=True,
    ),
    Tool(
        "get_plan_schema",
        "Read the format of plans",
        "JSON schema of plans, every field with its meaning, for `plan` of execute_parallel_workflow: agents, limits, "
        "verification, conflicts, delivery.",
        {},
        (),
        execution_tools.get_plan_schema,
        is_read_only=True,
        is_cached=True,
    ),
)

_ANY = {"type": "object", "description": "…"}
PLANNING_TOOLS = (
    Tool(
        "analyze_task_parallelizability",
        "Analyze tasks",
        "Judge whether tasks are worth running in parallel.",
        {"taskDescription": _text("…"), "subtasks": {"type": "array"}, "maxParallelAgents": {"type": "integer"}},
        ("taskDescription",),
        planning_tools.analyze,
        is_read_only=True,
        is_cached=True,
    ),
    Tool(
        "create_dependency_graph",
        "Graph of tasks",
        "Graph of tasks.",
        {"tasks": {"type": "array"}, "detectImplicit": {"type": "boolean"}},
        ("tasks",),
        planning_tools.graph,
        is_read_only=True,
        is_cached=True,
    ),
    Tool(
        "optimize_batch_distribution",
        "Distribute tasks",
        "Which agent does which task when.",
        {"tasks": {"type": "array"}, "dependencyGraph": _ANY},
        ("tasks", "dependencyGraph"),
        planning_tools.optimize,
        is_read_only=True,
        is_cached=True,
    ),
    Tool(
        "execute_parallel_workflow",
        "Run tasks in parallel",
        "Run tasks.",
        {"analysisResult": _ANY, "plan": _ANY, **_WAIT},
        (),
        planning_tools.execute,
    ),
    Tool(
        "aggregate_progress",
        "Progress of agents",
        "Progress.",
        {"agentProgresses": {"type": "array"}},
        ("aggregationStrategy",),
        planning_tools.progress,
        is_read_only=True,
    ),
    Tool(
        "detect_conflicts",
        "Find conflicts",
        "Conflicts.",
        {"agentResults": {"type": "array"}},
        (),
        planning_tools.conflicts,
        is_read_only=True,
    ),
)

TOOLS = {tool.name: tool for tool in (*PLANNING_TOOLS, *EXECUTION_TOOLS)}
