"""Prefect: a flow on an ephemeral server on SQLite, tasks on a thread an agent, submitted as they become ready.

Submitted all at once, tasks that wait for others would hold threads.
"""

from __future__ import annotations

import os
import queue
import time
from pathlib import Path
from typing import Any

os.environ |= {"PREFECT_HOME": str(Path("home").absolute()), "PREFECT_LOGGING_LEVEL": "ERROR"}
os.environ |= {"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true", "DO_NOT_TRACK": "1"}

import prefect
from prefect.task_runners import ThreadPoolTaskRunner

from benchmarks.peers.protocol import Graph, ListSchedule, serve


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def run(graph: Graph) -> float:
    work = prefect.task(sleep)

    def tasks() -> None:
        schedule, ended, futures = ListSchedule(graph), queue.SimpleQueue[str](), dict[str, Any]()
        for _ in graph.dependencies:
            for task in schedule.starts():
                before = [futures[each] for each in graph.dependencies[task]]
                futures[task] = work.submit(graph.seconds[task], wait_for=before)
                futures[task].add_done_callback(lambda _, task=task: ended.put(task))
            schedule.ended(ended.get())

    flow = prefect.flow(tasks, task_runner=ThreadPoolTaskRunner(max_workers=graph.agents))
    began = time.perf_counter()
    flow()
    return time.perf_counter() - began


if __name__ == "__main__":
    serve(run, "prefect")
