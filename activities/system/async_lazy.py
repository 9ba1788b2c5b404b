"""What is made once, by whoever needs it first, for all that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class AsyncLazy(Generic[T]):
    """A failure is told to those who waited, and is not kept: the next one makes it again."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._making: asyncio.Future[T] | None = None

    def begin(self) -> asyncio.Future[T]:
        """Start to make it, unless that has begun."""
        making = self._making
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = self._making = asyncio.ensure_future(self._make())
        return making

    async def get(self) -> T:
        # Shielded: others wait for it too.
        return await asyncio.shield(self.begin())
