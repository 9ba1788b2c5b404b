"""A worker process: `python worker.py`. Any number of them may run."""

from __future__ import annotations

# First: until then every process of the user's can read what this one was started with, its key for one.
from epw.service import startup

if __name__ == "__main__":
    startup.prepare()

import asyncio
import logging
import os
import signal
import sys

import networkx  # noqa: F401 (loaded now, not within the first workflow task, where it would take a third of a second)

from activities.processes.children import adopt_orphans
from activities.system.process_identity import KEPT, Process, keeper
from epw.core.errors import EpwError
from epw.service.connection import connected
from epw.service.log import log_to_stderr
from epw.service.worker import work
from epw.settings import Settings


async def serve(settings: Settings, *, kept: bool, by: Process | None) -> None:
    """Work until SIGTERM, SIGINT, or the end of the keeper; a second signal ends at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop_or_quit() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    def keeper_gone() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop_or_quit)
    if kept:
        loop.add_reader(sys.stdin, keeper_gone)
    async with connected(settings) as connection:
        if not kept:
            print(f"worker ready{f' · Web UI {connection.web_ui}' if connection.web_ui else ''}", flush=True)
        await work(connection.client, settings, stop, by)


def main() -> int:
    log_to_stderr(logging.WARNING)
    adopt_orphans()
    # What is written into the state directory is its owner's alone; agents and git get the user's mask back.
    os.umask(0o077)
    # Attempts look at thousands of files in threads; at the default each call of git by another one waits for them.
    sys.setswitchinterval(0.0005)
    try:
        kept = any(each.startswith(KEPT) for each in sys.argv[1:])
        asyncio.run(serve(Settings.from_environment(), kept=kept, by=keeper(sys.argv[1:])))
    except EpwError as error:
        print(f"worker: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The SDK's threads can abort an interpreter that is shutting down (sdk-python issue 300).
    os._exit(code)
