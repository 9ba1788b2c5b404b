"""Shell commands of plans: `run`, `setup`, `verify`."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable

from activities.processes.launcher import ProcessLauncher

_POLL_SECONDS = 0.2
_TAIL_BYTES = 600
_MAX_SECRET_LENGTH = 8192
_SCRIPT = "command.sh"
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r(?=\n)")
"""Colours and movements of the cursor, and carriage returns at ends of lines."""


async def run_shell(launcher: ProcessLauncher, command: str, while_running: Callable[[], object] | None = None) -> int:
    """Run shell text in the attempt's directory; returns its exit code, when none of its processes is left.

    `while_running` is called a few times a second.
    """
    # By a file: an argument of bash may have at most 128 KB.
    script = launcher.folder / _SCRIPT
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


def printed_so_far(launcher: ProcessLauncher) -> int:
    """Bytes of the attempt's output."""
    return launcher.log.stat().st_size if launcher.log.exists() else 0


def last_output(launcher: ProcessLauncher, redact: Callable[[str], str], since: int = 0) -> str:
    """A colon and the last lines of an attempt's output without secrets, at most 600 characters, for an error message.

    Empty where nothing was printed. `since`: of its output after so many bytes.
    """
    try:
        with open(launcher.log, "rb") as file:
            file.seek(0, 2)
            # More than is quoted: a secret at the cut must be found whole.
            file.seek(max(since, file.tell() - _TAIL_BYTES - _MAX_SECRET_LENGTH))
            printed = redact(file.read().decode("utf-8", "replace")).replace(f"{launcher.folder / _SCRIPT}: ", "")
    except OSError:
        return ""
    tail = _last_lines(_TERMINAL_CODE.sub("", printed).strip())
    printable = "".join(character if character.isprintable() or character == "\n" else "�" for character in tail)
    if not printable:
        return ""
    return f":\n{printable}" if "\n" in printable else f": {printable}"


def _last_lines(text: str) -> str:
    """The last whole lines of a text that fit; of a last line that does not, its end."""
    if len(text) <= _TAIL_BYTES:
        return text
    tail = text[-_TAIL_BYTES:]
    return tail.partition("\n")[2] or tail
