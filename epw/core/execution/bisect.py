"""Bisection for the first landing after which a check of the head fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def first_bad(count: int, passes: Callable[[int], Awaitable[bool]], likely: int | None = None) -> int | None:
    """Index of the first failing one of `count` states, the last of which is known to fail.

    Returns None where the first state fails too. Assumes that every state after the first failing one fails.
    `likely`: where it most likely is, so that this one and the one before it are looked at first.
    """
    if count < 2 or not await passes(0):
        return None
    good, bad = 0, count - 1
    guesses = [] if likely is None else [likely, likely - 1]
    while bad - good > 1:
        guess = guesses.pop(0) if guesses else 0
        at = guess if good < guess < bad else (good + bad) // 2
        if await passes(at):
            good = at
        else:
            bad = at
    return bad
