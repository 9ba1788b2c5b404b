"""Cost of limits and sandboxes: a command and an attempt's guard, at each level, beside a bare process.

`python -m benchmarks.isolation [--rounds N]`. Interleaved, medians in ms; `more`: than the bare process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from activities.processes.bounds import Bounds
from activities.processes.cgroup import probe
from activities.processes.host_monitor import HostMonitor
from activities.processes.output_log import OutputLog
from activities.processes.resource_guard import ResourceGuard
from activities.sandbox.levels import bubblewrap_argv, bubblewrap_problem
from activities.sandbox.network.policy import NetworkPolicy
from activities.sandbox.network.proxy import Network
from benchmarks.server import revision

_HOST = HostMonitor()
_BOUNDS = Bounds(512, 80, 512, 1024)
# More than the bare process, in ms, at the strongest level.
_MAX_A_COMMAND, _MAX_AN_ATTEMPT = 15, 50


def _nobody(progress: dict[str, Any]) -> None:
    pass


async def _run(argv: list[str], folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(*argv, cwd=folder, env={"PATH": os.environ["PATH"]})
    await process.wait()


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    clock = time.perf_counter()
    await work()
    return (time.perf_counter() - clock) * 1000


async def measure(rounds: int) -> dict[str, float]:
    argv, found = ["bash", "-c", ":"], dict[str, list[float]]()
    with tempfile.TemporaryDirectory(prefix="epw-bench-") as scratch:
        folder = Path(scratch)

        async def around() -> None:
            async with ResourceGuard.around(
                "benchmark/around", _BOUNDS, folder, OutputLog(folder / "log", None), _nobody, _HOST
            ):
                pass

        async def around_with_network() -> None:
            async with (
                ResourceGuard.around(
                    "benchmark/around", _BOUNDS, folder, OutputLog(folder / "log", None), _nobody, _HOST
                ) as guard,
                Network.around(NetworkPolicy(None), guard.on_denied),
            ):
                pass

        async with contextlib.AsyncExitStack() as opened:
            guard = await opened.enter_async_context(
                ResourceGuard.around(
                    "benchmark/commands", _BOUNDS, folder, OutputLog(folder / "log", None), _nobody, _HOST
                )
            )
            kinds: dict[str, Callable[[], Awaitable[None]]] = {
                "command, bare": lambda: _run(argv, folder),
                "command, group": lambda: _run(guard.wrap_argv(argv), folder),
                "attempt, group": around,
            }
            if bubblewrap_problem() is None:
                network = await opened.enter_async_context(Network.around(NetworkPolicy(None), guard.on_denied))
                sandboxed = partial(bubblewrap_argv, argv, own=[folder], readable=[], cwd=folder)
                without, with_proxy = sandboxed(namespace=None), sandboxed(namespace=network.namespace)
                kinds["command, group and bubblewrap"] = lambda: _run(guard.wrap_argv(without), folder)
                kinds["command, the same with the network"] = lambda: _run(guard.wrap_argv(with_proxy), folder)
                kinds["attempt, group and network"] = around_with_network
            for _ in range(rounds):
                for name, work in kinds.items():
                    found.setdefault(name, []).append(await _timed(work))
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    found = asyncio.run(measure(parser.parse_args().rounds))
    bare = found["command, bare"]
    place = probe()
    groups = f"cgroup version {place.version}" if place else "no control groups"
    table = Table(title=f"isolation, ms · {groups} · {bubblewrap_problem() or 'bubblewrap'} · {revision()}")
    for name in ("what", "median", "more", "at most"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, median in found.items():
        is_attempt = name.startswith("attempt")
        more, most = (median, _MAX_AN_ATTEMPT) if is_attempt else (median - bare, _MAX_A_COMMAND)
        table.add_row(name, f"{median:.1f}", f"{more:.1f}", str(most))
    Console().print(table)


if __name__ == "__main__":
    main()
