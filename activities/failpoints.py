"""Named moments at which a crash must cost nothing: a test has the worker, the server or both killed there.

`$EPW_FAILPOINT` is a JSON object `{name, mark, kill: ["worker" or a file with a pid], run: argv}`: the first process at
the named moment makes the file `mark`, runs `run`, and sends SIGKILL to each of `kill`. Unset, nothing happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

_ASKED: dict[str, Any] = json.loads(os.environ.get("EPW_FAILPOINT", "{}"))


def failpoint(name: str) -> None:
    """Do here what a test asked for, once."""
    if _ASKED.get("name") != name:
        return
    try:
        Path(_ASKED["mark"]).touch(exist_ok=False)
    except FileExistsError:
        return
    if argv := _ASKED.get("run"):
        subprocess.run(argv, check=True)
    victims = _ASKED.get("kill", [])
    for victim in [each for each in victims if each != "worker"]:
        # The server's process id stands in a file: it was not known when the worker started.
        os.kill(json.loads(Path(victim).read_text())["pid"], signal.SIGKILL)
    if "worker" in victims:
        os.kill(os.getpid(), signal.SIGKILL)
