"""What no worker takes: when that is said, and of which tasks."""

from __future__ import annotations

import io
import time
from typing import Any, cast

from epw.cli.bell import Bell
from epw.cli.follow import _Lines
from epw.client.away import mark_rows, overdue, what_to_do
from epw.core.messages import LAND, RUN_TASK
from epw.core.queues import attempts_queue, host_queue
from epw.service.connection import Connection
from epw.service.pollers import Unstarted, is_left

_LONG_AGO = round(time.time() * 1000) - 60_000
_CONNECTION = Connection(cast("Any", None), None, is_embedded=False)


def test_what_the_commands_own_worker_takes_is_not_missing_while_that_starts() -> None:
    step = Unstarted("1", LAND, "epw", _LONG_AGO)
    labelled = Unstarted("task-g", RUN_TASK, attempts_queue("epw", ["gpu"]), _LONG_AGO)
    assert overdue([step, labelled], _CONNECTION, None) == [labelled]
    assert overdue([step, labelled], _CONNECTION, round(time.time() * 1000)) == [labelled]
    assert overdue([step, labelled], _CONNECTION, _LONG_AGO) == [step, labelled]
    assert overdue([step, labelled], _CONNECTION) == [step, labelled]


def test_a_task_that_no_worker_has_taken_is_not_said_to_run() -> None:
    out = io.StringIO()
    lines = _Lines("e", out, Bell([], out), own_worker=True)
    labelled = Unstarted("task-g", RUN_TASK, attempts_queue("epw", ["gpu"]), _LONG_AGO)

    def row() -> dict[str, Any]:
        return {"taskId": "g", "status": "running", "waitingFor": None, "agentId": "agent-2", "attempts": 1}

    lines.tasks({"tasks": [row()]}, ["g"])
    assert out.getvalue() == ""
    mark_rows([marked := row()], [labelled])
    lines.tasks({"tasks": [marked]}, ["g"])
    assert "g: waiting (host (needs gpu))" in out.getvalue()
    lines.tasks({"tasks": [row()]})
    assert "g: running · agent-2" in out.getvalue()


def test_an_attempt_that_goes_elsewhere_in_the_end_says_when() -> None:
    there = attempts_queue(host_queue("epw", "vm-1"))
    waiting = Unstarted("task-a", RUN_TASK, there, _LONG_AGO, patience_seconds=600)
    (said,) = what_to_do([waiting], _CONNECTION)
    assert said == (
        "a waiting: host; no worker of host vm-1 is free or there: `epw worker` there goes on with it, "
        "after 10 minutes any host does, in a new conversation"
    )


def test_what_a_worker_with_no_free_slot_leaves_waits_for_a_worker_too() -> None:
    assert is_left(since=5_000, asked=4_000, now=5_000)
    assert not is_left(since=5_000, asked=5_100, now=15_000)
    assert is_left(since=5_000, asked=5_100, now=15_100)
