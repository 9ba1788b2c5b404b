"""Slots of a worker process: so many attempts of tasks run in it at once, whichever queues they came from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext


class Slots:
    """Gate of the attempts, first come, first served; `number`: None for no limit.

    The worker stops asking for attempts when all are taken (`epw.service.attempt_slots`), but what several queues had
    been asked for at that moment still arrives: it waits here.
    """

    def __init__(self, number: int | None = None) -> None:
        self._free = asyncio.Semaphore(number) if number is not None else None

    @asynccontextmanager
    async def taken(self, waiting: Callable[[], AbstractContextManager[None]]) -> AsyncIterator[None]:
        """Run the block in a slot; `waiting` is entered while it has to wait for one."""
        if self._free is None:
            yield
            return
        with waiting() if self._free.locked() else nullcontext():
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()
