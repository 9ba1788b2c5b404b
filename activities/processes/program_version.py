"""Version of a program that is installed here, as it says itself."""

from __future__ import annotations

import re
import subprocess

_SECONDS = 20
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")


def program_version(path: str) -> str | None:
    """Version number that `--version` prints; None where the program does not say one in time."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout) if done.returncode == 0 else None
    return found[0] if found else None
