"""Named moments at which a crash must cost nothing: a test has the worker, the server or both killed there.

`$EPW_FAILPOINT` is a JSON array of `{name, mark, kill: ["worker" or a file with a pid], run: argv}`: the first
process at a named moment makes the file `mark`, runs `run`, sends SIGKILL to each of `kill`. Unset, nothing happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

_ASKED: list[dict[str, Any]] = json.loads(os.environ.get("EPW_FAILPOINT", "[]"))


def failpoint(name: str) -> None:
    """Do here what a test asked for, once."""
    for asked in _ASKED:
        if asked["name"] == name and _is_first(Path(asked["mark"])):
            _act(asked)


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(asked: dict[str, Any]) -> None:
    if argv := asked.get("run"):
        subprocess.run(argv, check=True)
    victims = asked.get("kill", [])
    for victim in victims:
        if victim != "worker":
            # A process id in a file: it was not known when the worker started.
            os.kill(json.loads(Path(victim).read_text())["pid"], signal.SIGKILL)
    if "worker" in victims:
        os.kill(os.getpid(), signal.SIGKILL)
