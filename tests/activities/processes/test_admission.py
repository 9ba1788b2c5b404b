"""As many attempts at once as a machine's memory holds, in order, and always one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from activities.processes.admission import Admission, Capacity
from epw.core.plan.parts import ResourceLimits
from epw.core.plan.validate import read_plan
from tests.support import Harness, check_invariants, ended, eventually, tasks, until


class Machine:
    """Memory that attempts take while they run."""

    def __init__(self, free_mb: float) -> None:
        self.free_mb = free_mb
        self.running = self.most = 0
        self.order: list[int] = []
        self.waited: list[int] = []
        self.most_mb = 512.0

    async def attempt(self, admission: Admission, number: int, declared: int, seconds: float = 0.02) -> None:
        @contextmanager
        def waiting() -> Iterator[None]:
            self.waited.append(number)
            yield

        async with admission.admitted(self.limits(declared), self.most_mb, waiting):
            self.order.append(number)
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(seconds)
            self.running -= 1

    def limits(self, declared: int) -> ResourceLimits:
        return ResourceLimits(max_memory_mb=declared or None)

    def left(self) -> Capacity:
        return Capacity(self.free_mb, 0)


class Disk(Machine):
    def limits(self, declared: int) -> ResourceLimits:
        return ResourceLimits(max_disk_mb=declared)

    def left(self) -> Capacity:
        return Capacity(1e6, self.free_mb)


def admission(machine: Machine) -> Admission:
    return Admission(machine.left)


@pytest.mark.parametrize("kind", [Machine, Disk])
async def test_never_more_than_fit_and_all_get_their_turn_in_order(kind: type[Machine]) -> None:
    machine = kind(1_100)
    door = admission(machine)
    await asyncio.gather(*(machine.attempt(door, number, 500) for number in range(7)))
    assert machine.most == 2
    assert machine.order == list(range(7))
    assert machine.waited == list(range(2, 7))


@pytest.mark.parametrize(("most_mb", "at_once"), [(10_000, 2), (300, 3)])
async def test_of_what_is_not_declared_half_a_gigabyte_is_set_aside_at_first(most_mb: float, at_once: int) -> None:
    machine = Machine(1_100)
    machine.most_mb = most_mb
    door = admission(machine)
    await asyncio.gather(*(machine.attempt(door, number, 0) for number in range(6)))
    assert machine.most == at_once


async def test_what_was_only_guessed_holds_up_others_for_a_while() -> None:
    now, machine = [0.0], Machine(1_100)
    door = Admission(machine.left, lambda: now[0])
    running = [asyncio.create_task(machine.attempt(door, number, 0, seconds=3)) for number in range(4)]
    await asyncio.sleep(0)
    assert machine.running == 2
    now[0] = 60.0
    await eventually(lambda: machine.running == 4)
    for each in running:
        each.cancel()


async def test_one_always_runs_however_much_it_wants() -> None:
    machine = Machine(100)
    door = admission(machine)
    await asyncio.gather(*(machine.attempt(door, number, 5_000) for number in range(2)))
    assert machine.most == 1


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    machine = Machine(100)
    door = admission(machine)
    first = asyncio.create_task(machine.attempt(door, 0, 100, seconds=0.3))
    await asyncio.sleep(0)
    second = asyncio.create_task(machine.attempt(door, 1, 100))
    third = asyncio.create_task(machine.attempt(door, 2, 100))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    assert machine.order == [0, 2]


async def test_an_execution_shows_who_waits_for_room(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.run_task.capacity_left", lambda home: Capacity(700, 1e6))
    limits = {"resourceLimits": {"maxMemoryMB": 500}}
    rows = tasks(
        *({"id": f"t{n}", "run": f"test -e {harness.home}/go || sleep 2.5; touch {harness.home}/go"} for n in range(3))
    )
    async with harness.working():
        handle = await harness.start({"tasks": rows, "constraints": limits})
        shown = await until(handle, lambda progress: progress["counts"].get("waiting") == 2)
        assert sorted(task["waitingFor"] or "" for task in shown["tasks"]) == ["", "resources", "resources"]
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan({"tasks": rows, "constraints": limits}), document, handle, harness.home)
    assert document["status"] == "succeeded"
    assert [row["waitedMs"]["resources"] > 1000 for row in document["results"]] == [False, True, True]
    assert document["results"][1]["duration"] < 2000
