"""`open`: an execution, or a list of them, in Temporal's Web UI."""

from __future__ import annotations

import sys
import webbrowser
from typing import Annotated

import typer

from epw.cli.launch import interruptible
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json
from epw.cli.session import run_connected
from epw.client.documents import describe
from epw.client.web_ui import list_page, page_of, query_of
from epw.core.errors import InvalidRequest
from epw.core.plan.wording import did_you_mean
from epw.core.report.model import STATUSES
from epw.service.connection import Connection
from epw.settings import Settings


def open_page(
    execution_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An execution (default: the list).")
    ] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Those that wait for a person.")] = False,
    status: Annotated[str | None, typer.Option("--status", help="Those with this status, as partial.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Open an execution in Temporal's Web UI; without a terminal its address is printed, and no browser started."""

    async def command(settings: Settings, connection: Connection) -> int:
        wanted = status.replace("-", "_").lower() if status is not None else None
        if wanted is not None and wanted not in STATUSES:
            known = f"there are {', '.join(STATUSES)}"
            raise InvalidRequest(f"no status {wanted!r}{did_you_mean(wanted, STATUSES)}; {known}")
        if execution_id is not None and (waiting or wanted is not None):
            raise InvalidRequest("give an ID, or --waiting and --status for a list")
        if execution_id is not None:
            url = page_of(connection, await describe(connection.client.get_workflow_handle(execution_id)))
        else:
            url = list_page(connection, query_of(waiting=waiting, status=wanted))
        print_json({"url": url}) if as_json else print(url, flush=True)
        if as_json or not sys.stdout.isatty():
            return 0
        webbrowser.open(url)
        if connection.is_embedded:
            async with interruptible() as interrupted:
                print("the Web UI is up until Ctrl-C, or as long as another epw needs it", file=sys.stderr, flush=True)
                await interrupted
        return 0

    run_connected(command, as_json=as_json)
