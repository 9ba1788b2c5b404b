"""What the last heartbeat of an attempt tells whoever takes it over: how long its agent worked, and whether it did."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.state.cancellation import outcome_without_worker
from activities.state.heartbeat import Heartbeat, LastBeat, last_beat, lost_runs_before, telling_failures
from activities.system.process_identity import CURRENT_PROCESS
from epw.core.messages import AgentProgress


def _told(work: Any) -> LastBeat:
    """The last heartbeat of a run that has had one run lost before it, and in which this happens."""
    beats: list[tuple[Any, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    heartbeat = Heartbeat(AgentProgress(task_id="a", agent_id="agent-1"), lost_runs=1)

    async def run() -> None:
        async with heartbeat.beating():
            await work(heartbeat, lambda: bool(beats))

    asyncio.run(environment.run(run))
    found = last_beat(beats[-1])
    assert found is not None
    return found


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 (a beat is only asked)
            await asyncio.sleep(0.01)


def test_an_agent_that_its_worker_takes_along_is_a_lost_run() -> None:
    async def is_cancelled(has_beaten: Any) -> None:
        await _until(has_beaten)
        raise asyncio.CancelledError

    async def taken_along(heartbeat: Heartbeat, has_beaten: Any) -> None:
        with pytest.raises(asyncio.CancelledError), heartbeat.agent_running():
            await is_cancelled(has_beaten)

    assert _told(taken_along).lost_with_this == 2


def _run_after(*details: Any, run: int) -> int:
    """What a run of an attempt knows of lost ones before it, with the details of the last heartbeat."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=run, heartbeat_details=list(details))
    return environment.run(lost_runs_before)


def test_runs_of_which_nothing_came_are_lost_too_on_whichever_host_they_were() -> None:
    first_agent = {"run": 1, "agent_runs": True}
    found = [_run_after(run=1), _run_after(run=3), _run_after({}, 5, first_agent, run=2)]
    assert [*found, _run_after({}, 5, first_agent, run=4)] == [0, 2, 1, 3]
    assert _run_after({}, 5, {"agent_runs": True}, run=4) == 1, "an earlier version does not tell which it was"


@pytest.mark.parametrize(("agent_began", "lost"), [(False, 1), (True, 2)])
def test_a_run_that_fails_tells_whether_its_agent_was_lost_and_keeps_the_count_of_those_before(
    agent_began: bool, lost: int
) -> None:
    beats: list[tuple[Any, ...]] = []
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=2, heartbeat_details=[{}, 5, {"run": 1, "agent_runs": True}])
    environment.on_heartbeat = lambda *details: beats.append(details)

    async def is_stopped(request: Any) -> None:
        at_work = Heartbeat(AgentProgress(task_id="a", agent_id="agent-1")).agent_running()
        with at_work if agent_began else nullcontext():
            raise asyncio.CancelledError

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await telling_failures(is_stopped)(None)

    asyncio.run(environment.run(run))
    assert _run_after(*beats[-1], run=3) == lost


def test_an_activity_that_fails_or_waits_with_no_agent_at_work_is_no_lost_run() -> None:
    async def is_away(has_beaten: Any) -> None:
        await _until(has_beaten)
        raise ConnectionError("the URL is away")

    async def fails(heartbeat: Heartbeat, has_beaten: Any) -> None:
        with pytest.raises(ConnectionError), heartbeat.agent_running():
            await is_away(has_beaten)

    async def waits(heartbeat: Heartbeat, has_beaten: Any) -> None:
        await _until(has_beaten)

    assert [_told(each).lost_with_this for each in (fails, waits)] == [1, 1]


def test_a_heartbeat_tells_how_long_the_agent_has_worked_without_its_waits() -> None:
    async def works(heartbeat: Heartbeat, has_beaten: Any) -> None:
        heartbeat._began -= 10
        heartbeat.waited = lambda: 4.0
        await _until(has_beaten)

    beat = _told(works)
    assert 6_000 <= beat.worked_ms < 10_000
    assert beat.started_at <= time.time() * 1000 - 10_000


def test_a_cancelled_attempt_without_a_worker_has_the_time_its_last_heartbeat_tells_and_the_stretch_after_it() -> None:
    here = round(CURRENT_PROCESS[1] * 1000)
    beat = {"started_at": here - 40_000, "worked_ms": 11_400, "agent_runs": True, "lost_runs": 1}
    found = outcome_without_worker([{}, here - 28_000, beat], here - 41_000)
    assert (found.started_at, found.duration_ms, found.lost_runs) == (here - 40_000, 11_400, 1)
    assert (found.away_from, found.away_until) == (here - 28_000, here)
    assert found.failure is not None
    assert found.failure.type == "Cancelled"


def test_a_heartbeat_of_an_earlier_version_tells_its_time_alone() -> None:
    assert last_beat([{}, 5]) == LastBeat(at=5)
    assert last_beat([{}, 5, {"worked_ms": "long"}]) == LastBeat(at=5)
    assert last_beat([]) is None
