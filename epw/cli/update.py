"""Updates of a running execution, as commands send them."""

from __future__ import annotations

from typing import Any

from epw.cli.output import print_json, printable
from epw.cli.requests import send
from epw.cli.session import run_connected
from epw.service.connection import Connection
from epw.settings import Settings


def update(execution_id: str, name: str, request: dict[str, Any], *, as_json: bool) -> None:
    """Send an update and print what the workflow answered."""

    async def command(settings: Settings, connection: Connection) -> int:
        answered = await send(connection.client.get_workflow_handle(execution_id), name, request)
        print_json(answered) if as_json else print(f"{printable(execution_id)}: {name} accepted")
        return 0

    run_connected(command, as_json=as_json)
