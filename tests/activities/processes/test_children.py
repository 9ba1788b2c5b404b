"""Child processes: none is taken for a stranger while it starts, and strangers end, whatever they have given up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from activities.processes import children
from activities.processes.process_tree import ProcessTree, marked
from activities.system.process_identity import is_alive
from tests.command_line import ROOT, wait_for

_STORM = """
import asyncio, threading
from activities.processes import children

assert children.adopt_orphans()
over = threading.Event()

def sweep():
    while not over.is_set():
        children.end_orphans()
        children.has_only_known_children("EPW_ATTEMPT_KEY")

async def agent():
    codes = []
    for _ in range(60):
        child = children.start(["true"], is_tree=True)
        codes.append(await child.wait())
        child.reap()
    return codes

async def main():
    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    [sweeper.start() for sweeper in sweepers]
    codes = sum(await asyncio.gather(*(agent() for _ in range(4))), [])
    over.set()
    print(len(codes), sum(code != 0 for code in codes))

asyncio.run(main())
"""
_ORPHAN = """
import subprocess, sys
from activities.processes import children

children.adopt_orphans()
# Its own session, no environment, and a parent that ends before it.
subprocess.run(["sh", "-c", "setsid env -i sleep 1000 & setsid env -i sh -c 'setsid sleep 1000 & sleep 1000' &"])
while len(psutil_children := __import__("psutil").Process().children(recursive=True)) < 3:
    pass
pids = [child.pid for child in psutil_children]
guard = children.start(["sleep", "1000"], is_tree=True)
assert children.end_orphans(when_idle=True) == 0
print(children.end_orphans(), guard.poll(), *pids)
guard.signal_group(9)
guard.reap()
"""

_PROGRAM = """
import pathlib, sys, threading
from activities.git.user_git import captured
from activities.processes import children

assert children.adopt_orphans()
over = threading.Event()

def sweep():
    while not over.is_set():
        children.end_orphans()

sweeper = threading.Thread(target=sweep)
sweeper.start()
found = [captured(["sh", "-c", "sleep 0.1; echo done"], pathlib.Path.cwd(), lambda: False) for _ in range(5)]
over.set()
sweeper.join()
print(*[f"{code}{said.strip()}" for code, said, _ in found])
"""


def _run(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_no_process_that_is_being_started_is_taken_for_a_stranger() -> None:
    """Searches for strangers beside 240 starts; each start must end by itself."""
    assert _run(_STORM) == ["240", "0"]


def test_strangers_end_with_all_that_they_leave_and_what_was_started_here_stays() -> None:
    ended, own, *pids = _run(_ORPHAN)
    assert (int(ended) >= 3, own) == (True, "None")
    assert not [pid for pid in map(int, pids) if psutil.pid_exists(pid)]


async def test_an_id_stays_taken_until_its_process_is_reaped() -> None:
    """So a signal to its group reaches nobody else."""
    child = children.start(["sh", "-c", "exit 3"], is_tree=True)
    assert await child.wait() == 3
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    child.signal_group(signal.SIGKILL)
    child.reap()
    assert not psutil.pid_exists(child.pid)


async def test_a_signal_that_ended_a_process_is_told() -> None:
    child = children.start(["sh", "-c", "kill -TERM $$"], is_tree=True)
    assert await child.wait() == -signal.SIGTERM
    child.reap()


async def test_a_tree_ends_whoever_cancels_meanwhile_and_however_often(tmp_path: Path) -> None:
    """Else it would stay in the table, and what it leaves would never be told from what still runs."""
    marker = uuid.uuid4().hex
    stubborn = ["bash", "-c", "trap '' TERM; echo up; while true; do sleep 1; done"]
    tree = await ProcessTree.start(
        stubborn, cwd=tmp_path, environment=dict(os.environ), output=tmp_path / "out", marker=marker
    )
    await asyncio.to_thread(wait_for, lambda: (tmp_path / "out").read_bytes())
    (process,) = [each for each in marked(marker) if each.ppid() == os.getpid()]
    ending = asyncio.create_task(tree.end())
    for _ in range(3):
        await asyncio.sleep(0.01)
        ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert not process.is_running()
    assert process.pid not in children._own


def test_a_zombie_does_not_live(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        found = psutil.Process(process.pid)
        identity = (process.pid, found.create_time())
        assert is_alive(identity)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: found.status() == psutil.STATUS_ZOMBIE)
        assert not is_alive(identity)


async def test_a_signal_to_a_process_that_has_ended_does_not_hide_its_end() -> None:
    child = children.start(["true"], is_tree=False)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 (`true` ends by itself)
    child.signal(signal.SIGTERM)
    assert await asyncio.wait_for(child.wait(), 20) == 0
    child.reap()


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux")
def test_a_program_of_the_users_is_not_ended_as_an_orphan() -> None:
    assert _run(_PROGRAM) == ["0done"] * 5
