"""Clean-up, by the next worker or command, after executions that were terminated or timed out."""

from __future__ import annotations

import asyncio

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from activities.apply.tree_delivery import TreeDelivery
from activities.attempt.unsaved import remove_attempts
from activities.git.hub import Hub
from activities.processes.process_tree import end_marked
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.state.worker_records import has_live_worker
from activities.system.directories import Trash
from epw.core.errors import UndoBlocked

_DELIVERED = (WorkflowExecutionStatus.COMPLETED,)


async def tidy(client: Client, state: StateDirectory) -> list[str]:
    """End processes, remove directories and undo half deliveries of executions that have ended; one line for each.

    Executions with an attempt of a live worker, and those that this server does not know, are left alone.
    """
    done = await asyncio.to_thread(Trash(state.trash).empty)
    for execution in ExecutionStore.with_remains(state):
        status = await _close_status(client, execution)
        if status is not None and not has_live_worker(state, execution.key):
            done += await asyncio.to_thread(_tidy, execution, status)
    return done


async def described_run(client: Client, execution: ExecutionStore) -> WorkflowExecutionDescription:
    """The server's description of an execution's newest run; raises `RPCError`."""
    described = await client.get_workflow_handle(execution.workflow_id).describe()
    if ExecutionStore.of(execution.state, described).run_id != execution.run_id:
        # The id belongs to a later execution by now.
        described = await client.get_workflow_handle(execution.workflow_id, run_id=execution.run_id).describe()
    return described


async def _close_status(client: Client, execution: ExecutionStore) -> WorkflowExecutionStatus | None:
    """Status with which an execution has ended; None while it runs, or where the server does not know it."""
    try:
        described = await described_run(client, execution)
    except RPCError:
        return None
    return described.status if described.close_time is not None else None


def _tidy(execution: ExecutionStore, status: WorkflowExecutionStatus) -> list[str]:
    done = []
    processes = end_marked(execution.key, forget=True)
    if processes:
        done.append(f"{processes} processes ended")
    if execution.has_half_delivery():
        hub = Hub(execution.state.hub(execution.workspace().place))
        with hub.locked():
            delivery = TreeDelivery.of(execution, hub)
            if status in _DELIVERED:
                delivery.clean_up()
                done.append("its delivery cleaned up")
            else:
                try:
                    delivery.undo()
                    done.append("its half delivery undone")
                except UndoBlocked as blocked:
                    execution.keep_blocked()
                    done.append(f"its half delivery could not be undone: {blocked}; by hand: {blocked.commands}")
                except OSError as error:
                    # The next worker or command tries again.
                    by_hand = "; ".join(delivery.commands()[:3])
                    done.append(f"its half delivery could not be undone yet: {error}; by hand: {by_hand} …")
    if (execution.path / "attempts").is_dir():
        remains = remove_attempts(execution)
        done += remains.sentences(execution) if remains.saved or remains.kept else ["directories removed"]
    return [f"cleaned up after {execution.workflow_id} ({status.name.lower()}): {', '.join(done)}"] if done else []
