"""`answer`, `resolve`, `pause` and `resume`: updates of a running execution."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.requests import send
from epw.service.connection import Connection
from epw.settings import Settings


def answer(
    execution_id: ExecutionId,
    question: Annotated[str, typer.Argument(help="The question's id.")],
    text: str,
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer a question; the first answer wins."""
    _update(execution_id, "answer", {"questionId": question, "text": text}, as_json=as_json)


def resolve(
    execution_id: ExecutionId,
    conflict: Annotated[str, typer.Argument(help="The conflict's id.")],
    choice: Annotated[str, typer.Argument(help="One of the options of its question.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Choose what becomes of a conflict that waits for a person; the first choice wins."""
    _update(execution_id, "resolve_conflict", {"conflictId": conflict, "choice": choice}, as_json=as_json)


def pause(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Start nothing new; running tasks finish."""
    _update(execution_id, "pause", {}, as_json=as_json)


def resume(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """Go on after `pause`."""
    _update(execution_id, "resume", {}, as_json=as_json)


def _update(execution_id: str, name: str, request: dict[str, Any], *, as_json: bool) -> None:
    """Send an update and print what the workflow answered."""

    async def command(settings: Settings, connection: Connection) -> int:
        answered = await send(connection.client.get_workflow_handle(execution_id), name, request)
        print_json(answered) if as_json else print(f"{printable(execution_id)}: {name} accepted")
        return 0

    run_connected(command, as_json=as_json)
