"""`list`: list executions, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from epw.cli.layout import table
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.client.listing import listed
from epw.service.connection import Connection
from epw.settings import Settings


def list_executions(as_json: bool = JSON_OPTION) -> None:
    """All executions, newest first."""

    async def command(settings: Settings, connection: Connection) -> int:
        rows = await listed(connection)
        if as_json:
            print_json(rows)
            return 0
        columns = ["executionId", "status", "strategy", "startedAt", "waiting"]
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        table("executions", ["id", "status", "strategy", "started", "waits for"], cells)
        return 0

    run_connected(command, as_json=as_json)


def _cell(value: Any) -> Any:
    return f"{datetime.fromtimestamp(value / 1000):%Y-%m-%d %H:%M:%S}" if isinstance(value, int) else value
