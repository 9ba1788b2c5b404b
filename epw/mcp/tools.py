"""Table of the tools: what a model reads about each, its arguments, and the function that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from epw.mcp import execution_tools, planning_tools
from epw.mcp.application import Application
from epw.mcp.call import Call
from epw.tools import registry


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
    output_schema: dict[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further parts of the input schema: examples."""

    @property
    def input_schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": self.properties, "required": list(self.required), **self.more}


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
        "the answer is theirs to give. The agent goes on by itself; until it has, another answer corrects the first.",
        {
            **_EXECUTION,
            "questionId": _text("Id of the question."),
            "text": _text(
                "The answer: one of the options of the question, or any words where it has none or says freeText.",
                maxLength=30_000,
            ),
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
        "cancel_task",
        "Cancel a task",
        "Stop one task: its agent ends, what it has saved is kept, what depends on it is skipped, everything else goes "
        "on. It is no failure: nothing is rolled back because of it.",
        {**_EXECUTION, "taskId": _text("The task.")},
        ("executionId", "taskId"),
        execution_tools.cancel_task,
        is_destructive=True,
    ),
    Tool(
        "message_agent",
        "Tell an agent something",
        "Give the agent of a task a note at its next turn, or when its next attempt starts: a correction, a limit, "
        "what another task has found.",
        {**_EXECUTION, "taskId": _text("The task."), "text": _text("What it is told.", maxLength=10_000)},
        ("executionId", "taskId", "text"),
        execution_tools.message_agent,
    ),
    Tool(
        "retry_task",
        "Run a task again while the execution runs",
        "Run one task again that has ended, whatever came of it, and then what depends on it. A change of it that has "
        "landed is taken out of the head first. After the execution's end use retry_execution.",
        {**_EXECUTION, "taskId": _text("The task.")},
        ("executionId", "taskId"),
        execution_tools.retry_task,
    ),
    Tool(
        "add_tasks",
        "Add tasks while it runs",
        "Add tasks to a running execution, as in its plan; they can depend on tasks that it has, and are scheduled "
        "like them. All problems are told at once, with their paths.",
        {
            **_EXECUTION,
            "tasks": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object"},
                "description": "Tasks: id, description, dependsOn, …; get_plan_schema has every field.",
            },
        },
        ("executionId", "tasks"),
        execution_tools.add_tasks,
    ),
    Tool(
        "change_limits",
        "Change limits while it runs",
        "How many tasks run at once, what the whole execution may spend, which task starts before others. A raised "
        "budget lets an execution go on that has stopped starting for it.",
        {
            **_EXECUTION,
            "maxAgents": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Tasks at once."},
            "maxCostUSD": {"type": "number", "exclusiveMinimum": 0, "description": "Budget of the whole execution."},
            "maxTokens": {"type": "integer", "minimum": 1, "description": "Budget of the whole execution."},
            "taskId": _text("With priority: the task."),
            "priority": {"type": "integer", "description": "With taskId: higher starts first."},
        },
        ("executionId",),
        execution_tools.change_limits,
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


def _planning(
    name: str,
    title: str,
    call: Callable[[Application, Call], Awaitable[dict[str, Any]]],
    more: Mapping[str, Any] | None = None,
    **hints: bool,
) -> Tool:
    """A tool of `epw.tools`, with its descriptions and schemas. `more`: arguments that only this server has."""
    pure = registry.TOOLS[name]
    properties = {each: _or_resource(each, schema) for each, schema in pure.input["properties"].items()}
    return Tool(
        name,
        title,
        pure.description,
        {**properties, **(more or {})},
        tuple(pure.input["required"]),
        call,
        output_schema=pure.output,
        more={"examples": pure.input["examples"]},
        **hints,
    )


def _or_resource(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an argument that can also be `{"resource": URI}`, for an answer that was cut."""
    if name not in ("analysisResult", "dependencyGraph"):
        return schema
    resource = _text("Instead of all else: `truncated.whole` of an answer that was cut.")
    return {**schema, "properties": {**schema["properties"], "resource": resource}, "required": []}


_EXECUTE = {
    **_WAIT,
    "workspace": _text("The repository to work on, in a folder that this server may touch; relative to that folder."),
    "agent": _text("Who does tasks that name none: claude, claude-code, command or simulated."),
    "model": _text("Model of tasks that name none."),
    "deliver": _text("branch (default): a branch of the workspace; apply: changed files in its work tree; none."),
    "executionId": _text("Id of the new execution; where absent, a readable one is made."),
}
PLANNING_TOOLS = (
    _planning(
        "analyze_task_parallelizability", "Analyze tasks", planning_tools.analyze, is_read_only=True, is_cached=True
    ),
    _planning("create_dependency_graph", "Order tasks", planning_tools.graph, is_read_only=True, is_cached=True),
    _planning("optimize_batch_distribution", "Distribute tasks", planning_tools.optimize, is_read_only=True),
    _planning("execute_parallel_workflow", "Run tasks in parallel", planning_tools.execute, _EXECUTE),
    _planning("aggregate_progress", "Sum up progress", planning_tools.progress, is_read_only=True),
    _planning("detect_conflicts", "Find conflicts", planning_tools.conflicts, is_read_only=True),
)

TOOLS = {tool.name: tool for tool in (*PLANNING_TOOLS, *EXECUTION_TOOLS)}
