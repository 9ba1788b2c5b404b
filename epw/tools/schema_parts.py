"""JSON schemas of what several tools take or give: short enough for a model to read, a description under each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.analysis.outlook import HOLDS_UP
from epw.core.plan.model import DEFAULT_MINUTES, MAX_AGENTS, MAX_ID_LENGTH, MAX_MINUTES, MAX_TASKS
from epw.core.simulation.course import BUDGET, FAILURE, LABELS

Schema = dict[str, Any]
NOT_BLANK = r"\S"
SEVERITIES = ("low", "medium", "high", "critical")
IMPACTS = ("low", "medium", "high")
CONFLICT_TYPES = ("file-level", "semantic", "dependency", "resource", "ordering")
RESOLUTIONS = ("merge", "prefer-agent", "rollback", "sequential-retry", "manual")


def text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def number(description: str, **more: Any) -> Schema:
    return {"type": "number", "description": description, **more}


def integer(description: str, **more: Any) -> Schema:
    return {"type": "integer", "description": description, **more}


def truth(description: str, **more: Any) -> Schema:
    return {"type": "boolean", "description": description, **more}


def word(description: str, allowed: Sequence[str], **more: Any) -> Schema:
    return text(description, enum=list(allowed), **more)


def array(description: str, items: Schema, **more: Any) -> Schema:
    return {"type": "array", "description": description, "items": items, **more}


def texts(description: str, **more: Any) -> Schema:
    return array(description, {"type": "string"}, **more)


def an_object(description: str, required: Sequence[str], properties: Mapping[str, Schema], **more: Any) -> Schema:
    """An object; every property that is not required may be null."""
    fields = {name: each if name in required else _or_null(each) for name, each in properties.items()}
    return {"type": "object", "description": description, "properties": fields, "required": list(required), **more}


def result(description: str, required: Sequence[str], properties: Mapping[str, Schema]) -> Schema:
    """An object that a tool gives: a property that is not required is left out where it has no meaning."""
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(required),
    }


def nullable(schema: Schema) -> Schema:
    return _or_null(schema)


def _or_null(schema: Schema) -> Schema:
    if "type" not in schema:
        return schema
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **more}


AGENTS = integer("How many agents work at once.", minimum=1, maximum=MAX_AGENTS)

TASK = an_object(
    "One piece of work for one agent. Further fields (run, agent, verify, …): see get_plan_schema.",
    ["id", "description"],
    {
        "id": text("Its name, unique.", minLength=1, maxLength=MAX_ID_LENGTH, pattern=NOT_BLANK),
        "description": text("What is to be done, in full: its agent reads nothing else.", pattern=NOT_BLANK),
        "dependsOn": texts("Ids of the tasks that have to be done before it starts."),
        "estimatedMinutes": number(
            f"How long it takes; where absent, {DEFAULT_MINUTES:g}.", exclusiveMinimum=0, maximum=MAX_MINUTES
        ),
        "files": texts("Globs of what it writes; tasks whose files may overlap do not run at once."),
        "reads": texts("Globs of what it reads."),
        "context": {"description": "Any JSON for its agent."},
    },
    additionalProperties=True,
)


def task_list(description: str, least: int) -> Schema:
    return array(description, TASK, minItems=least, maxItems=MAX_TASKS)


_ENDS = {"from": text("Id of the dependency."), "to": text("Id of the task that waits for it.")}


def given_graph(description: str, *, may_be_empty: bool = False) -> Schema:
    """A graph as a tool takes it from another one."""
    least = {} if may_be_empty else {"minProperties": 1}
    edges = array("Dependencies.", an_object("`to` depends on `from`.", ["from", "to"], _ENDS))
    nodes = {"type": "object", "description": "By task id: {id, task}; `task`: the task or its description.", **least}
    return an_object(description, ["nodes"], {"nodes": nodes, "edges": edges})


FOUND_GRAPH = result(
    "The tasks and their dependencies; the next tools take it as it is.",
    ["nodes", "edges"],
    {
        "nodes": {
            "type": "object",
            "description": "By task id.",
            "additionalProperties": result(
                "A task.",
                ["id", "task"],
                {
                    "id": text("Its id."),
                    "task": {"type": "object", "description": "The whole task, as it was given."},
                    "level": integer("How many tasks are in the longest chain before it.", minimum=0),
                },
            ),
        },
        "edges": array(
            "Dependencies.",
            result(
                "`to` depends on `from`.",
                ["from", "to", "type"],
                {
                    **_ENDS,
                    "type": word("Whether it was declared or inferred from words.", ["explicit", "implicit"]),
                    "confidence": number("Of an inferred one.", minimum=0.6, maximum=1),
                },
            ),
        ),
    },
)


BATCH = result(
    "Tasks that can run at once.",
    ["id", "tasks", "estimatedMinutes", "dependsOnBatches"],
    {
        "id": text("Its name: batch-1, batch-2, …"),
        "tasks": texts("Ids of its tasks, at most as many as there are agents."),
        "estimatedMinutes": number("Of its longest task.", exclusiveMinimum=0),
        "dependsOnBatches": texts("Ids of earlier batches that hold dependencies of its tasks."),
    },
)
RISK = result(
    "Something that may go wrong.",
    ["description", "severity", "mitigation"],
    {
        "description": text("What it is."),
        "severity": word("How bad it is.", SEVERITIES),
        "mitigation": text("What to do about it."),
    },
)
BOTTLENECK = result(
    "A task or an agent that holds up others.",
    ["agentId", "taskId", "reason", "impact", "suggestion"],
    {
        "agentId": text("The agent."),
        "taskId": text("Its task; empty where it has none."),
        "reason": text("Why it holds up others."),
        "impact": word("How much.", IMPACTS),
        "suggestion": text("What to do."),
    },
)
_TIME = number("How long the execution takes then.", minimum=0)
PREDICTION = result(
    "The execution as a simulation has it, with what starts, merges and delivery take besides the agents' work.",
    [
        *("minutes", "costUSD", "tokens", "tasksWithCost", "succeeded", "stoppedBy", "heldUpBy", "byAgents"),
        *("enoughAgents", "byHosts", "measured"),
    ],
    {
        "minutes": number("From its start to its end, or until it stops.", minimum=0),
        "costUSD": nullable(number("What it spends on models; null where no task has an estimatedCostUSD.", minimum=0)),
        "tokens": nullable(number("What it uses of them; null where no task has estimatedTokens.", minimum=0)),
        "tasksWithCost": integer("How many tasks have an estimatedCostUSD.", minimum=0),
        "succeeded": integer("Tasks that are done by then.", minimum=0),
        "stoppedBy": nullable(word("Why it stops before its end; null: it does not.", [BUDGET, FAILURE, LABELS])),
        "heldUpBy": array(
            "What it would be sooner done without, first the agents; the chain, where nothing else holds it up.",
            result(
                "One of them.",
                ["by", "minutes"],
                {
                    "by": word("Its name.", HOLDS_UP),
                    "minutes": number("How much sooner; besides agents, with enough of these.", minimum=0),
                },
            ),
        ),
        "byAgents": array(
            "Times by the number of agents, fewest first.",
            result("One number.", ["agents", "minutes"], {"agents": integer("How many.", minimum=1), "minutes": _TIME}),
        ),
        "enoughAgents": nullable(integer("With more it takes as long; null where that was not looked for.", minimum=1)),
        "byHosts": array(
            "Times by the number of hosts, where these hold it up.",
            result("One number.", ["hosts", "minutes"], {"hosts": integer("How many.", minimum=1), "minutes": _TIME}),
        ),
        "measured": text("Where and when was measured what an execution takes besides its agents' work."),
    },
)
CONFLICT = result(
    "Results that do not fit together.",
    ["type", "severity", "agents", "description", "affectedResources", "detectionMethod", "resolutionOptions"],
    {
        "type": word("Its kind.", CONFLICT_TYPES),
        "severity": word("How bad it is.", SEVERITIES),
        "agents": texts("Whose results they are."),
        "description": text("What does not fit."),
        "affectedResources": texts("Paths."),
        "detectionMethod": text("How it was found."),
        "resolutionOptions": array(
            "What can be done, the best first.",
            result(
                "One way out.",
                ["strategy", "description", "automatic", "risk"],
                {
                    "strategy": word("Its name.", RESOLUTIONS),
                    "description": text("What it does."),
                    "automatic": truth("Whether it needs no decision."),
                    "risk": word("Of losing work.", IMPACTS),
                },
            ),
        ),
    },
)
