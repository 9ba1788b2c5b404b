"""Names what the tests need of the machine and do not find: `python -m tests.requirements`."""

from __future__ import annotations

import shutil
import sys

from activities.git.command import MIN_VERSION, version


def missing() -> list[str]:
    """One line a missing tool, with the package that has it."""
    lines = []
    found = version()
    if found is None or found < MIN_VERSION:
        lines.append(f"git {'.'.join(map(str, MIN_VERSION))} or newer (Debian: apt-get install git)")
    lines += [
        f"{tool} (Debian: apt-get install {package})" for tool, package in _TOOLS.items() if not shutil.which(tool)
    ]
    return lines


_TOOLS = {"bash": "bash", "sed": "sed", "setsid": "util-linux", "ps": "procps"}

if __name__ == "__main__":
    if lines := missing():
        sys.exit("the tests need:\n  " + "\n  ".join(lines))
