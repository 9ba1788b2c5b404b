"""Worker process: by itself one that a command supervises; `epw worker` and `python worker.py` run it too."""

from __future__ import annotations

# First: until then every process of the user can read the variables of this one, its API key among them.
from epw.service import startup

if __name__ == "__main__":
    startup.prepare()

import asyncio
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from functools import partial

from activities.processes.children import adopt_orphans
from activities.system import failpoints
from activities.system.file_modes import restrict_umask
from activities.system.process_identity import SUPERVISED_BY, Process, worker_supervisor
from epw.core.errors import EpwError
from epw.service import deployment
from epw.service.connection import Connection, connected
from epw.service.log import log_to_stderr
from epw.service.telemetry.telemetry import telemetry
from epw.service.worker import work
from epw.service.worker_options import HELD, WorkerOptions
from epw.settings import Settings


def prepare_process() -> None:
    """Prepare the whole process for agents: it adopts their orphans, and its files are its user's alone."""
    log_to_stderr(logging.WARNING)
    adopt_orphans()
    restrict_umask()
    failpoints.arm(os.environ.get(failpoints.VARIABLE))
    # Attempts read thousands of files in threads; with the default interval (5 ms) other threads wait for them.
    sys.setswitchinterval(0.0005)


async def serve(
    settings: Settings,
    options: WorkerOptions,
    *,
    is_supervised: bool = False,
    supervisor: Process | None = None,
) -> None:
    """Work until SIGTERM, SIGINT, SIGHUP, or the end of the supervisor; a second signal ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop_or_quit() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()
        if not is_supervised:
            say_stopping(options)

    def supervisor_gone() -> None:
        loop.remove_reader(sys.stdin)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop_or_quit)
    if is_supervised:
        loop.add_reader(sys.stdin, supervisor_gone)
    async with AsyncExitStack() as running:
        observed = running.enter_context(telemetry())
        connection = await running.enter_async_context(connected(settings, runtime=observed.runtime))
        ready = None if is_supervised else partial(say_ready, connection, options)
        await work(connection.client, settings, stop, supervisor, observed.interceptors, options, ready)


def say_stopping(options: WorkerOptions) -> None:
    """Print what a signal to stop does, and a second one."""
    seconds = options.grace.total_seconds()
    print(f"worker stops: it takes nothing new, its agents have {seconds:g} s; again: at once", flush=True)


async def say_ready(connection: Connection, options: WorkerOptions, processes: int = 1) -> None:
    """Print that the worker polls, once the server knows its version."""
    more = [f"{processes} processes"] if processes > 1 else []
    more += [f"labels {', '.join(options.labels)}"] if options.labels else []
    if options.version is not None:
        found = await deployment.begin(connection.client, options.deployment, options.version)
        is_current = found.current == options.version
        more.append(f"version {options.version}{' (current)' if is_current else ''} of {found.name}")
        if not is_current:
            more.append(
                f"new executions begin on {found.current}: `epw workers --current {options.version}` has them here"
            )
    more += [f"Web UI {connection.web_ui}"] if connection.web_ui else []
    print(" · ".join(["worker ready", *more]), flush=True)


def _released() -> bool:
    """Load what a worker needs, then wait for its supervisor; false where that has ended."""
    # Not with the first execution, which would wait for it.
    import networkx  # noqa: F401

    return bool(os.read(sys.stdin.fileno(), 1))


def main() -> int:
    """A worker that a command supervises, which says so in an argument."""
    prepare_process()
    try:
        is_supervised = any(each.startswith(SUPERVISED_BY) for each in sys.argv[1:])
        supervisor = worker_supervisor(sys.argv[1:])
        if HELD in sys.argv[1:] and not _released():
            return 0
        startup.begin()
        settings = Settings.from_environment()
        options = WorkerOptions.of_arguments(sys.argv[1:])
        asyncio.run(serve(settings, options, is_supervised=is_supervised, supervisor=supervisor))
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
