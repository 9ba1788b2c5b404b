"""`doctor`: what this machine offers, and what is missing."""

from __future__ import annotations

import os
import shutil
import stat
from importlib.metadata import version as package_version
from typing import Any

from activities.agents.backends import BACKENDS
from activities.git.command import MIN_VERSION, version
from commands.session import JSON_OPTION, print_json, run_command
from commands.show import table
from service.connection import SearchAttributes, connected
from settings import Settings
from workflows.errors import EpwError

_LEAST_FREE_MB = 500


def doctor(as_json: bool = JSON_OPTION) -> None:
    """Check git, disk, the state directory, the Temporal server; exit code 3 where something is missing."""

    async def command(settings: Settings) -> int:
        checks = [*_local_checks(settings), *await _server_checks(settings)]
        sound = all(check["ok"] for check in checks)
        if as_json:
            print_json({"success": sound, "checks": checks})
        else:
            rows = [[check["name"], "ok" if check["ok"] else "MISSING", check["found"]] for check in checks]
            table("doctor", ["check", "", "found"], rows)
        return 0 if sound else 3

    run_command(command, as_json=as_json)


def _local_checks(settings: Settings) -> list[dict[str, Any]]:
    home = settings.make_home()
    git, wanted = version(), ".".join(map(str, MIN_VERSION))
    free = shutil.disk_usage(home).free // 2**20
    mode = stat.S_IMODE(home.stat().st_mode)
    binary = settings.temporal_binary()
    return [
        _check("git", git is not None and git >= MIN_VERSION, f"{_dotted(git)} (needs {wanted})"),
        _check("bash", shutil.which("bash") is not None, shutil.which("bash")),
        _check("temporal binary", binary is not None or "TEMPORAL_ADDRESS" in os.environ, binary),
        _check("state directory", mode == 0o700 and os.access(home, os.W_OK), f"{home} ({mode:o})"),
        _check("free disk", free >= _LEAST_FREE_MB, f"{free} MB"),
        _check("temporalio", True, package_version("temporalio")),
        _check("agents", True, ", ".join(BACKENDS)),
        _check("sandbox in force", True, "process: own HOME and TMPDIR, allow-listed environment"),
        _check("limits in force", True, "none yet: constraints are checked and handed to the agent"),
    ]


async def _server_checks(settings: Settings) -> list[dict[str, Any]]:
    try:
        async with connected(settings) as connection:
            kind = f"embedded, Web UI {connection.web_ui}" if connection.is_embedded else "configured"
            known = await SearchAttributes(connection.client).known()
            return [
                _check("Temporal server", True, kind),
                _check("search attributes", True, "registered" if known else "not allowed here: done without"),
            ]
    except EpwError as error:
        return [_check("Temporal server", False, str(error))]


def _check(name: str, ok: bool, found: object) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": None if found is None else str(found)}


def _dotted(numbers: tuple[int, ...] | None) -> str:
    return ".".join(map(str, numbers)) if numbers else "none"
