"""Signal by which a worker tells one run of an execution which of its attempts wait for admission."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from epw.core.plan.requests import IN_LINE, InLine

_TIMEOUT = timedelta(seconds=10)


async def signal_in_line(client: Client, workflow_id: str, run_id: str, message: InLine) -> None:
    """Send the signal; raises `RPCError` where the server is unavailable or the run has ended."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    await handle.signal(IN_LINE, message, rpc_timeout=_TIMEOUT)
