"""Slots of a worker process: so many attempts of tasks run in it at once, whichever queues they came from."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager


class Slots:
    """Gate of the attempts, first come, first served; `number`: None for no limit.

    The worker stops asking for attempts when all are taken (`epw.service.attempt_slots`), but what several queues had
    been asked for at that moment still arrives: it waits here.
    """

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self._taken = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def taken(self, waiting: Callable[[], AbstractContextManager[None]]) -> AsyncIterator[None]:
        """Run the block in a slot; `waiting` is entered while it has to wait for one."""
        if self.number is not None and self._taken >= self.number:
            with waiting():
                await self._wait()
        else:
            self._taken += 1
        try:
            yield
        finally:
            self._release()

    async def _wait(self) -> None:
        """Wait until a slot is handed over."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._release()
            else:
                self._queue.remove(place)
            raise

    def _release(self) -> None:
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._taken -= 1
