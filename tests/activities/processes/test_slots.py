"""Slots of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from activities.processes.slots import Slots
from epw.core.messages import LAND, RUN_TASK
from epw.service.attempt_slots import AttemptSlots


async def test_no_more_than_the_slots_run_and_the_first_to_come_is_next() -> None:
    slots, running, order, peak = Slots(2), 0, list[int](), 0

    async def attempt(number: int) -> None:
        nonlocal running, peak
        async with slots.taken(nullcontext):
            running, peak = running + 1, max(peak, running + 1)
            order.append(number)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(attempt(number) for number in range(20)))
    assert (peak, order) == (2, list(range(20)))


async def test_only_an_attempt_that_waits_says_so() -> None:
    slots, waited = Slots(1), list[str]()

    @contextmanager
    def waiting(name: str) -> Iterator[None]:
        waited.append(name)
        yield

    async with slots.taken(lambda: waiting("first")):
        second = asyncio.create_task(_pass(slots, lambda: waiting("second")))
        await asyncio.sleep(0)
    await second
    assert waited == ["second"]


@pytest.mark.parametrize("is_handed_over", [False, True])
async def test_a_slot_is_not_lost_with_an_attempt_that_is_cancelled_while_it_waits(is_handed_over: bool) -> None:
    slots = Slots(1)
    async with slots.taken(nullcontext):
        waiting = asyncio.create_task(_pass(slots, nullcontext))
        await asyncio.sleep(0)
        if not is_handed_over:
            waiting.cancel()
            await asyncio.wait([waiting])
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.wait_for(_pass(slots, nullcontext), 5)


async def test_each_queue_is_asked_for_as_many_attempts_as_there_are_free_slots() -> None:
    supplier = AttemptSlots(2)
    first = _used(supplier, "epw", RUN_TASK)
    assert supplier.try_reserve_slot(_asks("epw")) is not None
    assert supplier.try_reserve_slot(_asks("epw")) is None, "one runs, one is asked for"
    assert supplier.try_reserve_slot(_asks("epw@host")) is not None
    second = _used(supplier, "epw+gpu", RUN_TASK)
    assert supplier.try_reserve_slot(_asks("epw+docker")) is None, "both are taken"
    reserving = asyncio.create_task(supplier.reserve_slot(_asks("epw+docker")))
    await asyncio.sleep(0)
    assert not reserving.done()
    supplier.release_slot(_context(first, RUN_TASK))
    await asyncio.wait_for(reserving, 5)
    supplier.release_slot(_context(second, RUN_TASK))


async def test_what_is_no_attempt_takes_no_slot() -> None:
    supplier = AttemptSlots(1)
    _used(supplier, "epw", LAND)
    assert supplier.try_reserve_slot(_asks("epw")) is not None


async def _pass(slots: Slots, waiting: Any) -> None:
    async with slots.taken(waiting):
        pass


def _asks(queue: str) -> Any:
    return SimpleNamespace(task_queue=queue)


def _context(permit: Any, activity: str | None) -> Any:
    return SimpleNamespace(permit=permit, slot_info=activity and SimpleNamespace(activity_type=activity))


def _used(supplier: AttemptSlots, queue: str, activity: str) -> Any:
    permit = supplier.try_reserve_slot(_asks(queue))
    supplier.mark_slot_used(_context(permit, activity))
    return permit
