"""`status`: show an execution as it stands."""

from __future__ import annotations

import sys

from rich.text import Text

from activities.state.execution_store import ExecutionStore
from epw.cli.layout import console
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.cli.show import show_result
from epw.cli.show_next import show_next
from epw.cli.show_running import show_running
from epw.client.away import mark_away, waits_for_host, what_to_do
from epw.client.documents import describe, document_of, progress_of
from epw.client.pollers import has_worker, is_to_be_cancelled, without_worker
from epw.client.saved_changes import KnownExecution
from epw.client.so_far import so_far
from epw.client.started_plan import plan_of, with_added
from epw.core.report.model import OPEN
from epw.service.connection import Connection
from epw.settings import Settings


def status(execution_id: ExecutionId, as_json: bool = JSON_OPTION) -> None:
    """An execution as it stands: tasks, questions, conflicts, metrics, live progress."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        is_cancelled = is_to_be_cancelled(described)
        is_run = described.close_time is not None or await has_worker(connection)
        if not is_run:
            said = without_worker(execution_id, is_cancelled=is_cancelled)
            print(f"epw: {printable(said)}", file=sys.stderr, flush=True)
        document = await document_of(settings, handle, described)
        waiting = await waits_for_host(connection, described)
        mark_away(document, waiting)
        for line in what_to_do(waiting, connection) if is_run else ():
            print(f"epw: {printable(line)}", file=sys.stderr, flush=True)
        # Without a worker nothing runs: what was last said of it holds no longer, nor does when it would end.
        live = await progress_of(connection, described) if is_run else {}
        if document["status"] in OPEN:
            plan = with_added(await plan_of(connection, handle), document)
            document["soFar"] = so_far(document, described, live, plan)
            if not is_run or waiting:
                document["soFar"].pop("eta", None)
        if as_json:
            print_json({**document, "progress": [each.model_dump(by_alias=True) for each in live.values()]})
            return 0
        if "soFar" in document:
            show_running(document, document["soFar"], live, has_worker=is_run, is_cancelled=is_cancelled)
        show_result(document)
        for warning in (f"warning: {p.task_id}: {each}" for p in live.values() for each in p.warnings):
            console().print(Text(printable(warning)))
        known = KnownExecution(document, ExecutionStore.of(settings.state, described))
        if known.lost is not None:
            console().print(Text(printable(f"warning: {known.lost}")))
        show_next(known)
        return 0

    run_connected(command, as_json=as_json)
