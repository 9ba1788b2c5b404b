"""Which landing turned the head red: bisection over the heads since the last green one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def first_bad(count: int, is_green: Callable[[int], Awaitable[bool]]) -> int | None:
    """The first red of `count` states, of which the last is known to be red; None if the first is too."""
    if count < 2 or not await is_green(0):
        return None
    green, red = 0, count - 1
    while red - green > 1:
        middle = (green + red) // 2
        if await is_green(middle):
            green = middle
        else:
            red = middle
    return red
