"""Work that a cancellation waits for, so that nothing is written after its caller has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run blocking work in a thread and return its result; a cancellation waits for its end."""
    return await uninterrupted(asyncio.to_thread(function, *arguments))


async def uninterrupted(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine and return its result; any number of cancellations wait for its end."""
    working, cancelled = asyncio.ensure_future(work), None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # Retrieve its exception, which nobody is interested in any more.
        _ = working.cancelled() or working.exception()
        raise cancelled
    return working.result()
