"""Work that goes on to its end whoever cancels: nothing is written, and nothing stays, behind anybody's back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of blocking work in a thread; a cancellation waits for it."""
    return await uninterrupted(asyncio.to_thread(function, *arguments))


async def uninterrupted(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of the work; a cancellation waits for its end, however many there are."""
    working, cancelled = asyncio.ensure_future(work), None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # What it raised meanwhile is nobody's any more.
        _ = working.cancelled() or working.exception()
        raise cancelled
    return working.result()
