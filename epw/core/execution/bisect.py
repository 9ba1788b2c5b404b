"""Bisection for the first landing after which `verify` fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def first_bad(count: int, passes: Callable[[int], Awaitable[bool]]) -> int | None:
    """Index of the first failing one of `count` states, the last of which is known to fail.

    Returns None where the first state fails too. Assumes that every state after the first failing one fails.
    """
    if count < 2 or not await passes(0):
        return None
    good, bad = 0, count - 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if await passes(middle):
            good = middle
        else:
            bad = middle
    return bad
