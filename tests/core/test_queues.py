"""Names of task queues."""

from __future__ import annotations

import pytest

from epw.core.errors import InvalidPlan
from epw.core.plan.validate import read_plan
from epw.core.queues import attempts_queue, attempts_queues, host_of, host_queue, is_for_steps, needs_of, steps_queue
from tests.support import tasks


def test_the_order_of_needs_does_not_matter() -> None:
    assert attempts_queue("epw", ["gpu", "docker", "gpu"]) == attempts_queue("epw", ["docker", "gpu"])


def test_a_worker_polls_whatever_tasks_its_labels_satisfy() -> None:
    queues = list(attempts_queues("epw", ["gpu", "docker", "arm"]))
    assert len(queues) == len(set(queues)) == 2**3
    for needs in ([], ["arm"], ["gpu", "docker"], ["arm", "gpu", "docker"]):
        assert attempts_queue("epw", needs) in queues
    assert attempts_queue("epw", ["gpu", "tpu"]) not in queues


def test_a_queue_tells_its_host_and_labels() -> None:
    own = host_queue("epw", "vm-1")
    assert (host_of(own), host_of(attempts_queue(own, ["gpu"])), host_of(steps_queue(own))) == ("vm-1",) * 3
    assert host_of(attempts_queue("epw", ["gpu"])) is None
    assert needs_of(attempts_queue(own, ["gpu", "arm"])) == ["arm", "gpu"]
    assert is_for_steps(steps_queue(own))
    assert not is_for_steps(own)


@pytest.mark.parametrize("needs", [["GPU"], ["a b"], ["a+b"], ["a@b"], [""], ["-x"], ["a", "b", "c", "d", "e", "f"]])
def test_a_label_that_cannot_be_part_of_a_queue_is_refused(needs: list[str]) -> None:
    with pytest.raises(InvalidPlan, match="needs"):
        read_plan({"tasks": tasks({"id": "a", "needs": needs})})
