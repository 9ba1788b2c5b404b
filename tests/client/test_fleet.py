"""The workers that a server knows, from what they tell of themselves and from their polls."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat

from epw.cli.workers import attempts_of
from epw.client.fleet import workers_of, workers_that_poll
from epw.service.identity import WorkerIdentity
from epw.service.pollers import pollers, polling_hosts
from epw.service.polling import make_workers, polled_queues, polling
from epw.service.registration import WORKFLOWS, activities
from epw.service.worker_options import WorkerOptions
from tests.support import Harness

NOW = 1_000_000_000


def beat(queue: str, identity: str = "7@vm-1/a1/4", age: int = 0, used: int = 0, **more: Any) -> WorkerHeartbeat:
    found = WorkerHeartbeat(
        worker_identity=identity, task_queue=queue, status=WorkerStatus.WORKER_STATUS_RUNNING, **more
    )
    found.heartbeat_time.FromMilliseconds(NOW - age)
    found.activity_task_slots_info.current_used_slots = used
    return found


def test_a_process_is_one_worker_with_the_labels_and_attempts_of_all_its_queues() -> None:
    beats = [
        beat("epw", used=1),
        beat("epw/steps", used=5),
        beat("epw@vm-1", used=2),
        beat("epw+arm"),
        beat("epw@vm-1+arm+gpu", used=1),
        beat("epw+gpu"),
        beat("epw", "8@vm-1/b2"),
    ]
    first, second = workers_of(beats, NOW)
    assert (first.host, first.labels, first.slots, first.used, first.free) == ("vm-1", ["arm", "gpu"], 4, 4, 0)
    assert (second.slots, second.used, second.free) == (None, 0, None)


def test_attempts_beyond_the_slots_of_a_worker_are_shown_as_waiting_for_one() -> None:
    (worker,) = workers_of([beat("epw", "7@vm-1/a1/2", used=2), beat("epw@vm-1", "7@vm-1/a1/2", used=1)], NOW)
    assert (worker.used, worker.waiting, worker.free) == (2, 1, 0)
    assert attempts_of(worker) == "2 of 2, 1 waiting"
    assert worker.document()["slotsWaitedFor"] == 1


@pytest.mark.parametrize(
    "gone",
    [
        beat("epw", age=60_000),
        beat("other"),
        WorkerHeartbeat(worker_identity="7@vm-1/a1", task_queue="epw", status=WorkerStatus.WORKER_STATUS_SHUTDOWN),
    ],
    ids=["silent", "of another application", "ended"],
)
def test_who_is_not_there_is_not_listed(gone: WorkerHeartbeat) -> None:
    assert workers_of([gone], NOW) == []


@pytest.mark.parametrize("text", ["7@vm-1/a1", "7@vm-1/a1/12"])
def test_an_identity_is_read_as_it_was_written(text: str) -> None:
    assert str(WorkerIdentity.read(text)) == text


@pytest.mark.parametrize("text", ["7@vm", "worker", "x@vm-1/a1", "7@vm-1/a1/many", ""])
def test_an_identity_of_the_sdk_or_a_user_is_none_of_ours(text: str) -> None:
    assert WorkerIdentity.read(text) is None


async def test_where_a_server_lists_no_workers_those_that_poll_are_known(harness: Harness) -> None:
    identity = WorkerIdentity(7, "vm-1", "a1", 3)
    registered = activities(harness.client, harness.state, harness.queue)
    queues = list(polled_queues(harness.queue, "vm-1"))
    made = make_workers(harness.client, queues, registered, WORKFLOWS, WorkerOptions(slots=3), identity=str(identity))
    async with polling(made):
        while not await polling_hosts(harness.client, harness.queue):
            pass
        found = await pollers(harness.client, harness.queue, of_workflows=True)
    (worker,) = workers_that_poll(found, found[0].last_access_time.ToMilliseconds())
    assert (worker.host, worker.process, worker.slots, worker.used) == ("vm-1", 7, 3, None)
    assert worker.document()["slotsFree"] is None
