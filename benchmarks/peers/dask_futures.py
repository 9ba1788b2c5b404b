"""Dask distributed: a scheduler and one worker process with a thread an agent."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from distributed import Client, LocalCluster, wait

from benchmarks.peers.protocol import Graph, serve

AGENTS = 10


def work(seconds: float, *_: Any) -> None:
    time.sleep(seconds)


def main() -> None:
    runs = count()
    with (
        LocalCluster(n_workers=1, threads_per_worker=AGENTS, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):

        def run(graph: Graph) -> float:
            assert graph.agents <= AGENTS
            name, order, futures = next(runs), graph.in_order, dict[str, Any]()
            began = time.perf_counter()
            for task in order:
                futures[task] = client.submit(
                    work,
                    graph.seconds[task],
                    *(futures[before] for before in graph.dependencies[task]),
                    key=f"{task}-{name}",
                    priority=graph.ranks[task],
                    pure=False,
                )
            wait(list(futures.values()))
            return time.perf_counter() - began

        serve(run, "distributed")


if __name__ == "__main__":
    main()
