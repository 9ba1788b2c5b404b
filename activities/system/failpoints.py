"""Failpoints: named moments at which a test has the worker, the server or both killed, since a crash costs nothing.

`$EPW_FAILPOINT` is a JSON array of `{name, mark, kill: ["worker" or a file with a pid], run: argv}`: the first
process at a named moment makes the file `mark`, runs `run`, sends SIGKILL to each of `kill`. A worker process arms
them once, when it starts; elsewhere and without the variable nothing happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

VARIABLE = "EPW_FAILPOINT"
_armed: list[dict[str, Any]] = []


def arm(requested: str | None) -> None:
    """Set this process's failpoints from the variable's value; None or an empty text: none."""
    _armed[:] = json.loads(requested or "[]")


def failpoint(name: str) -> None:
    """Do what a test has requested for this moment, once."""
    for each in _armed:
        if each["name"] == name and _is_first(Path(each["mark"])):
            _act(each)


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(requested: dict[str, Any]) -> None:
    if argv := requested.get("run"):
        subprocess.run(argv, check=True)
    victims = requested.get("kill", [])
    for victim in victims:
        if victim != "worker":
            # A process id in a file: it was not known when the worker started.
            os.kill(json.loads(Path(victim).read_text())["pid"], signal.SIGKILL)
    if "worker" in victims:
        os.kill(os.getpid(), signal.SIGKILL)
