"""Background process: the embedded server and a worker, for clients that come and go (MCP).

It ends when no execution runs any more. At most one works in a state directory; a client that has started something
calls `ensure_background`, as often as it likes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

from activities.processes import children
from activities.system.file_lock import FileLock
from activities.system.file_modes import owner_only, restrict_umask, user_umask
from epw.core.errors import EpwError
from epw.service import startup
from epw.service.connection import Connection, connected
from epw.service.log import log_to_stderr
from epw.service.worker_supervisor import supervised_worker
from epw.settings import Settings

_POLL_SECONDS = 2.0
_IDLE_SECONDS = 60.0
"""So long after the last execution it goes on: the next one starts at once."""


def ensure_background(settings: Settings) -> children.Child | None:
    """Start the process where none runs, for the caller to reap; raises `Unavailable` for a bad state directory."""
    settings.make_home()
    with FileLock.opened(settings.state.background_lock) as lock:
        if not lock.try_acquire():
            return None
        # The child inherits the lock: nobody else starts another one while it comes up.
        with open(settings.state.background_log, "ab", opener=owner_only) as log:
            return children.start(
                [sys.executable, "-m", "epw.service.background", str(settings.home), str(lock.descriptor)],
                is_tree=True,
                pass_fds=[lock.descriptor],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=user_umask(),
                env={**os.environ, "EPW_HOME": str(settings.home)},
                cwd=Path(__file__).parents[2],
            )


async def work_until_idle(settings: Settings, lock: FileLock) -> None:
    """Work until no execution has run for a minute; `lock` is held."""
    while True:
        async with connected(settings) as connection, supervised_worker(settings) as worker:
            await _idle(connection, worker)
            lock.release()
            # An execution that began meanwhile may have counted on this process.
            if not (await connection.has_running() and lock.try_acquire()):
                return


async def _idle(connection: Connection, worker: asyncio.Task[None]) -> None:
    """Wait until there has been nothing to do for a minute; raises `Unavailable` where the worker cannot start."""
    clock = asyncio.get_running_loop().time
    busy = clock()
    while clock() - busy < _IDLE_SECONDS:
        await asyncio.wait([worker], timeout=_POLL_SECONDS)
        if worker.done():
            worker.result()
        if await connection.has_running():
            busy = clock()


def main() -> int:
    log_to_stderr(logging.WARNING)
    restrict_umask()
    try:
        startup.begin()
        asyncio.run(work_until_idle(Settings.from_environment(), FileLock.inherited(int(sys.argv[2]))))
    except EpwError as error:
        print(f"background: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    startup.prepare()
    code = main()
    sys.stderr.flush()
    # The SDK's threads can abort an interpreter that is shutting down (sdk-python issue 300).
    os._exit(code)
