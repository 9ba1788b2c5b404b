"""Files of lines that several processes append to: where making a file is slow, a line costs a hundredth of it.

A line follows its break, so one that a full disk or a kill has broken off ends where the next begins.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def append_line(path: Path, line: bytes, *, survives_power_loss: bool = True) -> None:
    """Append a line, which holds no line break; makes the file and missing parent directories. Raises `OSError`.

    `survives_power_loss` false: skip the sync for content that is of no use after the machine restarts.
    """
    try:
        file = os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, _FLAGS, 0o600)
    try:
        if os.write(file, b"\n" + line) <= len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if survives_power_loss:
            os.fsync(file)
    finally:
        os.close(file)


def lines_from(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """The lines after an offset, broken ones among them, and where the last of them begins: it may not be whole yet.

    None where there is no file.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    return content.split(b"\n"), offset + content.rfind(b"\n") + 1
