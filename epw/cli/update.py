"""`answer`, `resolve`, `pause`, `resume`, `message` and `set`: updates of a running execution."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.requests import only_question, refuse_after_end, require_worker, send
from epw.service.connection import Connection
from epw.settings import Settings

_MAX_WORDS = 2


def answer(
    execution_id: ExecutionId,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[QUESTION] TEXT",
            help="The question's id, which is not needed where one is open; then an option of the question, or words.",
        ),
    ],
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer a question, or correct the answer until its task has gone on."""
    if len(words) > _MAX_WORDS:
        raise typer.BadParameter("an answer of several words needs quotes: epw answer ID QUESTION 'TEXT'")
    request = {"questionId": words[0] if len(words) == _MAX_WORDS else None, "text": words[-1]}
    _update(execution_id, {"answer": request}, as_json=as_json)


def resolve(
    execution_id: ExecutionId,
    conflict: Annotated[str, typer.Argument(help="The conflict's id.")],
    choice: Annotated[str, typer.Argument(help="One of the options of its question.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Choose what becomes of a conflict that waits for a person; the first choice wins."""
    _update(execution_id, {"resolve_conflict": {"conflictId": conflict, "choice": choice}}, as_json=as_json)


def pause(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Start nothing new; running tasks finish."""
    _update(execution_id, {"pause": {}}, as_json=as_json)


def resume(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Go on after `pause`."""
    _update(execution_id, {"resume": {}}, as_json=as_json)


def message(
    execution_id: ExecutionId,
    task: Annotated[str, typer.Argument(help="The task.")],
    text: Annotated[str, typer.Argument(help="What its agent is told.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Tell a task's agent something: at its next turn, or when its next attempt starts."""
    _update(execution_id, {"message": {"taskId": task, "text": text}}, as_json=as_json)


def set_limits(
    execution_id: ExecutionId,
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="The task of --priority.")] = None,
    max_agents: Annotated[int | None, typer.Option("--max-agents", help="How many tasks run at once.")] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="Dollars that the whole execution may cost.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Tokens that the whole execution may use.")] = None,
    priority: Annotated[int | None, typer.Option("--priority", help="Of TASK: higher starts first.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Change limits while it runs: agents at once, budget, a task's priority. A raised budget lets it go on."""
    if (task is None) != (priority is None):
        raise typer.BadParameter("a priority is that of a task: epw set ID TASK --priority N")
    amounts = {name: value for name, value in (("maxCostUSD", budget), ("maxTokens", tokens)) if value is not None}
    updates: dict[str, dict[str, Any]] = {
        **({"set_max_agents": {"maxAgents": max_agents}} if max_agents is not None else {}),
        **({"set_budget": amounts} if amounts else {}),
        **({"set_priority": {"taskId": task, "priority": priority}} if task is not None else {}),
    }
    if not updates:
        raise typer.BadParameter("nothing to change: --max-agents, --budget, --tokens, or TASK --priority")
    _update(execution_id, updates, as_json=as_json)


def _update(execution_id: str, updates: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    """Send updates, name and message, and print what the workflow answered."""

    async def command(settings: Settings, connection: Connection) -> int:
        answers: dict[str, Any] = {}
        handle = connection.client.get_workflow_handle(execution_id)
        described = await require_worker(connection, handle)
        for name, request in updates.items():
            if name == "answer":
                await refuse_after_end(settings, handle, described, request["questionId"])
                if request["questionId"] is None:
                    request = {**request, "questionId": await only_question(handle, request["text"])}
            answered = await send(handle, name, request)
            answers |= answered
            if not as_json:
                came = answered.get("outcome")
                print(f"{printable(execution_id)}: {name} accepted{f': {printable(came)}' if came else ''}", flush=True)
        if as_json:
            print_json(answers)
        return 0

    run_connected(command, as_json=as_json)
