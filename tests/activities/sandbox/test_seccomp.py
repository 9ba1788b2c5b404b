"""Each system call that the filter names is refused, by the filter and nothing else."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from activities.sandbox import landlock, seccomp
from activities.sandbox.levels import bubblewrap_problem
from tests.command_line import ROOT
from tests.support import Harness, make_repository, sh, tasks

if seccomp.filter_program("bubblewrap") is None or sys.platform != "linux":
    pytest.skip("the filter knows no calls of this machine", allow_module_level=True)

NUMBERS = {**seccomp._COMMON, **seccomp._MACHINES[platform.machine()][1]}
REFUSED = {name: NUMBERS[name] for name in seccomp._DENIED}
# No number, pointer or flag is valid: a call that is not refused does nothing.
CALL = "ctypes.set_errno(0) or (libc.syscall(number, *[ctypes.c_long(-1)] * 6), ctypes.get_errno())[1]"
CALLS = (
    "import ctypes, json; libc = ctypes.CDLL(None, use_errno=True); "
    f"print(json.dumps({{name: {CALL} for name, number in {REFUSED}.items()}}))"
)


def called(level: str | None) -> dict[str, int]:
    """Result of each system call in a process of this user's, under the filter of a level."""
    enter = f"from activities.sandbox import seccomp; seccomp.restrict({level!r}); " if level else ""
    done = subprocess.run([sys.executable, "-c", enter + CALLS], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_each_call_is_refused_by_the_filter_and_no_call_without_it() -> None:
    assert len(REFUSED) >= 32, "none goes unseen"
    without, at_process = called(None), called("process")
    assert at_process == without
    # An ordinary user may not make some of them anyway.
    told_apart = {name for name, error in without.items() if error != errno.EPERM}
    assert len(told_apart) == len(REFUSED) if os.geteuid() == 0 else len(told_apart) > len(REFUSED) / 2, without
    for level in ("landlock", "bubblewrap"):
        assert called(level) == dict.fromkeys(REFUSED, errno.EPERM)


@pytest.mark.parametrize("level", ["landlock", "bubblewrap"])
async def test_each_call_of_an_agent_is_refused(harness: Harness, tmp_path: Path, level: str) -> None:
    if level == "bubblewrap" and (missing := bubblewrap_problem()):
        pytest.skip(missing)
    if level == "landlock" and not landlock.abi():
        pytest.skip("this kernel has no Landlock")
    path = make_repository(tmp_path / "work", {"calls.py": CALLS})
    plan = {"workspace": str(path), "sandbox": level, "tasks": tasks({"id": "a", "run": "python3 calls.py > said"})}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"]
    said = json.loads(sh(path, "git", "show", f"{document['delivery']['branch']}:said"))
    assert said == dict.fromkeys(REFUSED, errno.EPERM)
