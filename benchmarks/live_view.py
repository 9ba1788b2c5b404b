"""CPU of `watch` while it shows agents at work, every one of which reports each second.

`python -m benchmarks.live_view [--seconds N]`: in a terminal of 200 × 50, in a state directory of its own.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

from benchmarks.server import revision

ROOT = Path(__file__).parent.parent
_AGENTS = (1, 10, 100)
_WARM_SECONDS = 15.0


def measured(agents: int, seconds: float, folder: Path) -> tuple[float, float, int]:
    """Percent of a core, KB written a second, MB of memory."""
    rows = [{"id": f"task-{n}", "description": "d", "simulate": {"seconds": 3600}} for n in range(agents)]
    plan = folder / f"plan-{agents}.json"
    plan.write_text(json.dumps({"agent": "simulated", "maxAgents": agents, "tasks": rows}))
    env = {**os.environ, "EPW_HOME": str(folder / "home"), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    argv, name = [sys.executable, str(ROOT / "starter.py")], f"agents-{agents}"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([*argv, "run", str(plan), "--id", name], env=env, **quiet)  # type: ignore[call-overload]
    try:
        while subprocess.run([*argv, "status", name], env=env, **quiet).returncode:  # type: ignore[call-overload]
            time.sleep(1)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        watching = subprocess.Popen([*argv, "watch", name], env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        _read(ours, _WARM_SECONDS)
        process, began = psutil.Process(watching.pid), time.monotonic()
        before = sum(process.cpu_times()[:2])
        written = _read(ours, seconds)
        spent = time.monotonic() - began
        used, memory = sum(process.cpu_times()[:2]) - before, process.memory_info().rss >> 20
        os.write(ours, b"\x03\x03")
        _read(ours, 3)
        watching.wait(30)
        os.close(ours)
        return 100 * used / spent, written / 1024 / spent, memory
    finally:
        running.terminate()
        running.wait(60)


def _read(terminal: int, seconds: float) -> int:
    """Bytes that were written to the terminal within a time."""
    end, count = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                count += len(os.read(terminal, 65_536))
            except OSError:
                break
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    print(revision())
    print("| agents | CPU, % of a core | written, KB/s | memory, MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="epw-bench-") as folder:
        for agents in _AGENTS:
            share, written, memory = measured(agents, seconds, Path(folder))
            print(f"| {agents} | {share:.1f} | {written:.1f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
