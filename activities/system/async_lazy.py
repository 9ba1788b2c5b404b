"""Lazy value computed by a coroutine, once, for all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class AsyncLazy(Generic[T]):
    """A value computed on first use. Exceptions propagate to the current waiters and are not cached."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._making: asyncio.Future[T] | None = None

    def begin(self) -> asyncio.Future[T]:
        """Start computing the value unless that has begun."""
        making = self._making
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = self._making = asyncio.ensure_future(self._make())
        return making

    async def get(self) -> T:
        """The value, computed now if necessary."""
        # Shielded, since others wait for it too.
        return await asyncio.shield(self.begin())
