"""Prompts that a user picks in a client: plan work for parallel agents, review what they did."""

from __future__ import annotations

from collections.abc import Mapping

from mcp import types

from epw.core.errors import InvalidRequest

_TEXTS = {
    "plan_parallel_work": """\
Split this goal into tasks for coding agents that work in parallel on one repository, then judge the plan:

{goal}

1. Read the repository as far as you need. Make each task 10 to 60 minutes of work for one agent that has only its \
description and the files: say what to change, where, and how to see that it is done.
2. Give every task a short id, `estimatedMinutes`, `dependsOn` (only real dependencies) and `files` (globs of what it \
will write). Tasks whose files overlap do not run at once, so split by files.
3. Call analyze_task_parallelizability with them as `subtasks`. If it says that they are not worth running in \
parallel, say why and stop.
4. Show the plan to the user and ask whether to run it. If yes, call execute_parallel_workflow with the analysis as \
`analysisResult`, the repository as `workspace`, an `executionStrategy` and `maxParallelAgents`, then get_execution \
with wait: true until it has ended; pass questions and conflicts on to the user.""",
    "review_execution": """\
Review the execution {executionId}.

1. Call get_execution with it. If it still runs, say how far it is and stop.
2. For each task that succeeded read get_changes with its taskId. Look for mistakes, for work that was asked for and \
is missing, and for changes that nobody asked for.
3. Look at its conflicts: who decided each, and whether the merged result keeps both intents.
4. Report: what is done, what is wrong (file and line), what did not succeed and whether retry_execution would help.""",
}
PROMPTS = [
    types.Prompt(
        name="plan_parallel_work",
        title="Plan parallel work",
        description="Split a goal into tasks for parallel agents, judge the plan, and run it after your look.",
        arguments=[types.PromptArgument(name="goal", description="What is wanted.", required=True)],
    ),
    types.Prompt(
        name="review_execution",
        title="Review an execution",
        description="Read what the agents of an execution did, and report what is wrong or missing.",
        arguments=[types.PromptArgument(name="executionId", description="Id of the execution.", required=True)],
    ),
]


def rendered(name: str, arguments: Mapping[str, str]) -> tuple[str, str]:
    """Description and text of a prompt; raises `InvalidRequest` for an unknown one or a missing argument."""
    prompt = next((each for each in PROMPTS if each.name == name), None)
    if prompt is None:
        raise InvalidRequest(f"unknown prompt {name[:100]!r}; there are: {', '.join(_TEXTS)}")
    text = _TEXTS[name]
    for argument in prompt.arguments or []:
        if not arguments.get(argument.name, "").strip():
            raise InvalidRequest(f"prompt {name}: {argument.name} is required")
        text = text.replace(f"{{{argument.name}}}", arguments[argument.name])
    return prompt.description or "", text
