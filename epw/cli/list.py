"""`list`: list executions, newest first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.layout import Column, ago, table
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.cli.show_running import NO_WORKER
from epw.client.listing import listed
from epw.client.pollers import has_worker
from epw.core.errors import InvalidRequest
from epw.core.plan.wording import did_you_mean
from epw.core.report.model import OPEN, STATUSES
from epw.service.connection import Connection
from epw.settings import Settings

_COLUMNS = (
    # Whole, to be typed in other commands.
    Column("id"),
    Column("status"),
    Column("waits for", rank=1),
    Column("started", rank=2),
    Column("strategy", rank=3),
)


def list_executions(
    status: Annotated[
        list[str] | None, typer.Option("--status", metavar="STATUS", help="Only these; may be given several times.")
    ] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those in which something waits.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """All executions, newest first."""

    async def command(settings: Settings, connection: Connection) -> int:
        wanted = [each.replace("-", "_").lower() for each in status or []]
        for each in wanted:
            if each not in STATUSES:
                known = ", ".join(STATUSES)
                raise InvalidRequest(f"no status {each!r}{did_you_mean(each, STATUSES)}; there are {known}")
        found = await listed(connection)
        rows = [row for row in found if (not wanted or row["status"] in wanted) and (row["waiting"] or not waiting)]
        rows = rows[:limit]
        if as_json:
            print_json(rows)
            return 0
        is_run = not any(row["status"] in OPEN for row in rows) or await has_worker(connection)
        table("executions", _COLUMNS, [_cells(row, is_run=is_run) for row in rows])
        if not rows:
            print("none of these" if found else "none yet: `epw run PLAN` starts one")
        return 0

    run_connected(command, as_json=as_json)


def _cells(row: dict[str, Any], *, is_run: bool) -> list[Any]:
    status = row["status"] if is_run or row["status"] not in OPEN else f"{row['status']} ({NO_WORKER})"
    return [row["executionId"], status, row["waiting"], ago(row["startedAt"]), row["strategy"]]
