"""A development server and a worker process for measurements: as `up` runs them, on a database file."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from activities.state.state_directory import ServerFiles
from epw.client.documents import full_document
from epw.client.start import new_id
from epw.core.messages import TASK_QUEUE, WORKFLOW_TYPE
from epw.service.connection import Connection, connected
from epw.service.embedded import running_server
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings


@dataclass(frozen=True)
class Bench:
    connection: Connection
    settings: Settings

    async def run(self, plan: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """The document of an execution, and the seconds from asking for it to having its result."""
        handle, spent = await self.execute(plan)
        return {**await full_document(self.settings, handle)}, spent

    async def execute(self, plan: dict[str, Any]) -> tuple[WorkflowHandle[Any, Any], float]:
        """An execution that has ended, and the seconds from asking for it to its end."""
        began = time.perf_counter()
        handle = await self.connection.client.start_workflow(
            WORKFLOW_TYPE, plan, id=new_id("bench"), task_queue=TASK_QUEUE
        )
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
        return handle, time.perf_counter() - began


def _ended(files: ServerFiles) -> None:
    """A server ends with its last user, and writes to its directory until then."""
    while running_server(files) is not None:
        time.sleep(0.05)


@asynccontextmanager
async def server() -> AsyncIterator[tuple[Connection, Settings]]:
    """An embedded server of its own in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="epw-bench-", ignore_cleanup_errors=True) as folder:
        settings = replace(Settings.from_environment(), home=Path(folder))
        async with connected(settings) as connection:
            yield connection, settings
        await asyncio.to_thread(_ended, ServerFiles(Path(folder, "server")))


@asynccontextmanager
async def bench(processes: int = 1) -> AsyncIterator[Bench]:
    """A server and so many worker processes."""
    async with server() as (connection, settings), supervised_worker(settings, processes):
        found = Bench(connection, settings)
        # Warm: imports, pollers, caches.
        await found.run({"agent": "simulated", "tasks": [{"id": "w", "description": "w", "simulate": {}}]})
        yield found


def revision() -> str:
    """The commit that was measured."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"{done.stdout.strip() or 'unknown'} · Python {sys.version.split()[0]}"
