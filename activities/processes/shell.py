"""Shell commands of plans: `run`, `setup`, `verify`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from activities.processes.launcher import ProcessLauncher

_POLL_SECONDS = 0.2
_TAIL_BYTES = 600
_MAX_SECRET_LENGTH = 8192


async def run_shell(launcher: ProcessLauncher, command: str, while_running: Callable[[], object] | None = None) -> int:
    """Run shell text in the attempt's directory; returns its exit code, when none of its processes is left.

    `while_running` is called a few times a second.
    """
    # By a file: an argument of bash may have at most 128 KB.
    script = launcher.folder / "command.sh"
    script.write_text(command)
    tree = await launcher.start(["bash", "-euo", "pipefail", str(script)])
    waiting = asyncio.ensure_future(tree.wait())
    try:
        while not (await asyncio.wait([waiting], timeout=_POLL_SECONDS))[0]:
            if while_running is not None:
                while_running()
        return waiting.result()
    finally:
        # Also after a success: a background process would go on writing while its work is saved.
        await tree.end()


def describe_exit(code: int) -> str:
    """An exit code in words; a negative one is the number of a signal."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def last_output(log: Path, redact: Callable[[str], str]) -> str:
    """`: ` and the last 600 characters of a log without secrets, for an error message; empty where nothing is there."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            # More than is quoted: a secret at the cut must be found whole.
            file.seek(max(0, file.tell() - _TAIL_BYTES - _MAX_SECRET_LENGTH))
            tail = redact(file.read().decode("utf-8", "replace")).strip()[-_TAIL_BYTES:]
    except OSError:
        return ""
    printable = "".join(character if character.isprintable() or character == "\n" else "�" for character in tail)
    return f": {printable}" if printable else ""
