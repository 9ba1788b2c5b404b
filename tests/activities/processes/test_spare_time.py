"""Work that nobody waits for runs while a core is idle, one piece at a time, and gives way to what is waited for."""

from __future__ import annotations

import asyncio

import pytest

from activities.processes.spare_time import SpareTime


async def test_it_runs_only_while_a_core_is_idle() -> None:
    idle = 0.5
    spare = SpareTime(lambda: idle, lambda: 0.0)

    async def work() -> str:
        return "done"

    assert await spare.use(work) is None
    idle = 1.0
    assert await spare.use(work) == "done"


async def test_one_piece_runs_at_a_time_and_gives_way() -> None:
    spare, begun, ended = SpareTime(lambda: 8.0, lambda: 0.0), asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "done"

    async def other() -> str:
        return "other"

    running = asyncio.create_task(spare.use(work))
    await begun.wait()
    assert await spare.use(other) is None
    with spare.kept_for_others():
        assert await running is None
        assert ended.is_set()
        assert await spare.use(other) is None
    assert await spare.use(other) == "other"


async def test_who_is_cancelled_is_cancelled() -> None:
    spare, begun = SpareTime(lambda: 8.0, lambda: 0.0), asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(spare.use(work))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_rests_nine_times_as_long_as_it_worked() -> None:
    now = 0.0
    spare = SpareTime(lambda: 8.0, lambda: now)

    async def work() -> str:
        nonlocal now
        now += 2.0
        return "done"

    assert await spare.use(work) == "done"
    now = 19.9
    assert await spare.use(work) is None
    now = 20.1
    assert await spare.use(work) == "done"
