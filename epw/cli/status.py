"""`status`: show an execution as it stands."""

from __future__ import annotations

from rich.text import Text

from epw.cli.layout import console, table
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.cli.show import show_result
from epw.client.documents import describe, full_document, progress_of
from epw.service.connection import Connection
from epw.settings import Settings


def status(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """An execution as it stands: tasks, questions, conflicts, metrics, live progress."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        document = await full_document(settings, handle)
        live = await progress_of(connection, await describe(handle))
        if as_json:
            print_json({**document, "progress": [each.model_dump(by_alias=True) for each in live.values()]})
            return 0
        show_result(document)
        rows = [[p.task_id, p.agent_id, p.percent and f"{p.percent:.0f} %", p.operation] for p in live.values()]
        if rows:
            table("running", ["task", "agent", "done", "operation"], rows)
        for warning in (f"warning: {p.task_id}: {each}" for p in live.values() for each in p.warnings):
            console().print(Text(printable(warning)))
        return 0

    run_connected(command, as_json=as_json)
