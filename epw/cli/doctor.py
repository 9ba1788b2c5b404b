"""`doctor`: checks of this machine, of a workspace, of an execution."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as package_version
from typing import Annotated, Any, NoReturn

import typer

from activities.agents.presets.programs import described
from activities.agents.registry import missing_for
from activities.git.command import MIN_VERSION, dotted, version
from activities.git.traits import traits
from activities.git.workspace import Workspace
from activities.processes.cgroup import probe
from activities.sandbox import landlock
from activities.sandbox.levels import bubblewrap_problem, strongest
from activities.state.execution_store import ExecutionStore
from epw.cli.invariants import of_document, of_history, of_hub, of_machine
from epw.cli.layout import table
from epw.cli.options import JSON_OPTION
from epw.cli.output import console_print, print_json, printable
from epw.cli.session import run_command, run_connected
from epw.client.documents import describe, full_document
from epw.client.redrive import plan_of
from epw.core.backends import BACKENDS
from epw.core.errors import EpwError, InvalidRequest
from epw.core.plan.validate import read_plan
from epw.core.presets.registry import PRESETS
from epw.service.connection import Connection, SearchAttributes, connected
from epw.service.replay import replay
from epw.settings import Settings

_MIN_FREE_MB = 500


def doctor(
    what: Annotated[
        str | None, typer.Argument(metavar="WORKSPACE|ID", help="A directory, or an execution that has ended.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Check this machine, a workspace, or an execution that has ended.

    Exit code 3 where this machine lacks something, 1 where an execution violates an invariant (docs/invariants.md).
    """
    if what is not None and (os.sep in what or os.path.isdir(what)):
        _check_workspace(what, as_json)
    if what is not None:
        _check_execution(what, as_json)

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


def _check_workspace(path: str, as_json: bool) -> NoReturn:
    async def command(settings: Settings) -> int:
        workspace = Workspace.read(os.path.abspath(path))
        found = await asyncio.to_thread(lambda: list(traits(workspace)))
        # Imported here: it takes the grammars of all languages.
        from activities.checkers.doctor import checker_traits

        found += await asyncio.to_thread(lambda: list(checker_traits(workspace)))
        if as_json:
            print_json({"success": True, "traits": [vars(each) for each in found]})
        else:
            rows = [[each.name, printable(each.found), ("" if each.ok else "NOTE: ") + each.means] for each in found]
            table(f"workspace {printable(path)}", ["", "found", "means here"], rows)
        return 0

    run_command(command, as_json=as_json)


def _check_execution(execution_id: str, as_json: bool) -> NoReturn:
    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        if described.close_time is None:
            raise InvalidRequest(f"execution {execution_id!r} is still running; its end is what is examined")
        plan, document = read_plan(await plan_of(connection, handle)), await full_document(settings, handle)
        execution, history = ExecutionStore.of(settings.state, described), await handle.fetch_history()
        found = [*of_document(plan, document), *of_history(plan, document, history.events)]
        found += [*of_hub(document, execution.hub()), *of_machine(execution, document)]
        failure = await replay(history)
        found += [f"I10: the history does not replay: {failure}"] if failure else []
        if as_json:
            print_json({"success": not found, "executionId": execution_id, "violations": found})
        else:
            for line in found:
                console_print(line)
            print(f"{len(history.events)} events, {len(document['results'])} tasks: {len(found)} violations")
        return 1 if found else 0

    # Not tidied: what the execution has left is part of what is checked.
    run_connected(command, as_json=as_json, tidy=False)


def _local_checks(settings: Settings) -> list[dict[str, Any]]:
    home = settings.make_home()
    git, wanted = version(), dotted(MIN_VERSION)
    free = shutil.disk_usage(home).free // 2**20
    mode = stat.S_IMODE(home.stat().st_mode)
    binary = settings.temporal_binary()
    models = [each.name for each in BACKENDS.values() if each.driven_by_model]
    return [
        _check("git", git is not None and git >= MIN_VERSION, f"{dotted(git)} (needs {wanted})"),
        _check("bash", shutil.which("bash") is not None, shutil.which("bash")),
        _check("temporal binary", binary is not None or "TEMPORAL_ADDRESS" in os.environ, binary),
        _check("state directory", mode == 0o700 and os.access(home, os.W_OK), f"{home} ({mode:o})"),
        _check("free disk", free >= _MIN_FREE_MB, f"{free} MB"),
        _check("temporalio", True, package_version("temporalio")),
        _check(f"agent {', '.join(name for name in BACKENDS if name not in models)}", True, "here"),
        *(_check(f"agent {name}", True, missing_for(name) or "here") for name in models if name not in PRESETS),
        *_preset_checks(),
        _check("sandbox in force", True, sandbox_in_force(bubblewrap_problem(), landlock.abi())),
        _check("limits in force", True, _limits()),
    ]


def _preset_checks() -> list[dict[str, Any]]:
    # Each is asked for its version, which takes seconds: all at once.
    with ThreadPoolExecutor(len(PRESETS)) as asking:
        found = asking.map(described, PRESETS.values())
    return [_check(f"agent {name}", True, text) for name, text in zip(PRESETS, found, strict=True)]


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


def sandbox_in_force(bubblewrap_problem: str | None, abi: int) -> str:
    """Levels that a machine offers, in words; `abi`: version of its Landlock, 0 for none."""
    level = strongest(bubblewrap_problem, abi)
    strong = level if level != "process" else "none that is enough"
    why = f" ({bubblewrap_problem})" if bubblewrap_problem else ""
    return f"process for commands, {strong} for models{why}; {_landlock(abi)}"


def _landlock(abi: int) -> str:
    """Its version, and what a command at `process` can do to other programs without a newer one."""
    if not abi:
        return "no Landlock: a command can read other programs' variables and signal them"
    return f"Landlock {abi}{'' if abi >= landlock.ABI_OF_SCOPES else ': a command can signal other programs'}"


def _limits() -> str:
    place = probe()
    if place is None:
        return "time; memory, CPU, processes and disk by looking (no control groups here)"
    return f"time, disk by looking; memory, CPU and processes by control groups (version {place.version})"


def _check(name: str, ok: bool, found: object) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": None if found is None else str(found)}
