"""Connection of the MCP server to Temporal, made at the first call that needs it and kept until the server ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.processes.children import Child
from epw.core.errors import Unavailable
from epw.service.background import ensure_background
from epw.service.connection import Connection, connected
from epw.settings import Settings


class Host:
    """The embedded server with a background worker where no server is configured, else the configured server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._wanted = asyncio.Event()
        self._found: asyncio.Future[Connection] | None = None
        self._background: list[Child] = []
        """Background processes that this one has started."""

    @classmethod
    @asynccontextmanager
    async def running(cls, settings: Settings) -> AsyncIterator[Host]:
        """A host while the block runs; it connects at once where an earlier execution may wait for a worker."""
        host = cls(settings)
        holding = asyncio.create_task(host._hold())
        beginning = asyncio.create_task(host._resume()) if settings.state.server.database.exists() else None
        try:
            yield host
        finally:
            for task in filter(None, (holding, beginning)):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Unavailable):
                    await task

    async def connection(self) -> Connection:
        """The connection; raises `Unavailable` where there is no server, and tries again with the next call."""
        if self._found is None or (self._found.done() and self._found.exception() is not None):
            self._found = asyncio.get_running_loop().create_future()
            self._wanted.set()
        return await asyncio.shield(self._found)

    async def with_worker(self) -> Connection:
        """The connection, with a worker in the background where the server is the embedded one."""
        connection = await self.connection()
        if connection.is_embedded:
            started = await asyncio.to_thread(ensure_background, self.settings)
            # Those that have ended are reaped here.
            self._background = [child for child in self._background if child.poll() is None]
            self._background += [started] if started is not None else []
        return connection

    async def _hold(self) -> None:
        """Connect when that is wanted; a connection is used until this task is cancelled.

        One task enters and leaves it: calls come and go, and may be cancelled at any point.
        """
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            found = self._found
            assert found is not None
            try:
                async with connected(self.settings) as connection:
                    found.set_result(connection)
                    await asyncio.get_running_loop().create_future()
            except Exception as error:
                if found.done():
                    raise
                found.set_exception(error)
                # Nobody may wait for it any more.
                found.exception()

    async def _resume(self) -> None:
        """Start a worker where executions of an earlier time are still running."""
        with contextlib.suppress(Unavailable):
            if await (await self.connection()).has_running():
                await self.with_worker()
