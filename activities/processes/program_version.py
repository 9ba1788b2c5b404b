"""Version of a program that is installed here, as its package or the program itself says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

_SECONDS = 10
_MAX_PACKAGE_BYTES = 1_000_000
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-+][\w.+-]*\w)?")


def program_version(path: str) -> str | None:
    """Version of its npm package, else what `--version` prints; None where it does not say one in time."""
    if packaged := _package_version(Path(os.path.realpath(path))):
        return packaged
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


def _package_version(real: Path) -> str | None:
    """Version in the `package.json` of a program from npm: some programs take half a minute to print it."""
    if "node_modules" not in real.parts:
        return None
    for folder in real.parents:
        try:
            with open(folder / "package.json", "rb") as file:
                found = json.loads(file.read(_MAX_PACKAGE_BYTES)).get("version")
        except (OSError, ValueError, AttributeError):
            found = None
        if isinstance(found, str):
            return found
        if folder.name == "node_modules":
            break
    return None
