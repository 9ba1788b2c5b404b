"""`doctor`: checks of this machine, of a workspace, of an execution."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from activities.git.hub import Hub
from activities.git.traits import traits
from activities.git.url_git import UrlGit
from activities.git.url_traits import url_traits
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from epw.cli.invariants import of_document, of_history, of_hub, of_machine
from epw.cli.layout import Column, prose, table
from epw.cli.machine_checks import local_checks, server_checks
from epw.cli.options import JSON_OPTION
from epw.cli.output import console_print, print_json, printable
from epw.cli.session import run_command, run_connected
from epw.client.documents import describe, full_document
from epw.client.project import workspace_at
from epw.client.started_plan import plan_of, with_added
from epw.core.amounts import count
from epw.core.errors import InvalidPlan, InvalidRequest
from epw.core.plan.git_url import check_form, is_url
from epw.core.plan.validate import read_plan
from epw.service.connection import Connection
from epw.service.history import fetch_history
from epw.service.replay import replay
from epw.settings import Settings


def doctor(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKSPACE|ID",
            help="A directory (./NAME where an execution has its name), a git URL, or an execution that has ended.",
        ),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Check this machine, a workspace, or an execution that has ended.

    Exit code 3 where this machine lacks what every plan needs, 1 where an execution violates an invariant
    (docs/invariants.md).
    """
    if what is not None and is_url(what):
        _check_url(what, as_json)
    if what is not None and (os.sep in what or (os.path.isdir(what) and not _is_known(what))):
        _check_workspace(what, as_json)
    if what is not None:
        _check_execution(what, as_json)

    async def command(settings: Settings) -> int:
        checks = [*await asyncio.to_thread(lambda: list(local_checks(settings))), *await server_checks(settings)]
        sound = all(check.ok or not check.required for check in checks)
        if as_json:
            print_json({"success": sound, "checks": [check.document() for check in checks]})
        else:
            rows = [[check.name, check.state, check.found] for check in checks]
            table("doctor", ["check", "", Column("found", rank=1)], rows)
            for check in (check for check in checks if check.missing):
                said = check.missing or ""
                named = said if said.startswith(check.name) else f"{check.name}: {said}"
                prose(named, "    ", first="! " if check.required else "→ ")
        return 0 if sound else 3

    run_command(command, as_json=as_json)


def _is_known(execution_id: str) -> bool:
    """Whether this machine has something of an execution of this id."""
    known = ExecutionStore.all(Settings.from_environment().state)
    return any(each.workflow_id == execution_id for each in known)


def _check_workspace(path: str, as_json: bool) -> NoReturn:
    async def command(settings: Settings) -> int:
        workspace = Workspace.read(str(workspace_at(Path(path))))
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


def _check_url(url: str, as_json: bool) -> NoReturn:
    async def command(settings: Settings) -> int:
        if problems := list(check_form(url)):
            raise InvalidPlan([replace(each, path="") for each in problems])
        settings.make_home()
        hub = Hub.created(settings.state.hub(url))
        found = await asyncio.to_thread(lambda: list(url_traits(hub, UrlGit(hub.path, url))))
        sound = all(each.ok for each in found)
        if as_json:
            print_json({"success": sound, "traits": [vars(each) for each in found]})
        else:
            rows = [[each.name, printable(each.found)] for each in found]
            table(f"git URL {printable(url)}", ["", "found"], rows)
            for each in found:
                prose(printable(f"{each.name}: {each.means}"), "    ", first="→ " if each.ok else "! ")
        return 0 if sound else 3

    run_command(command, as_json=as_json)


def _check_execution(execution_id: str, as_json: bool) -> NoReturn:
    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        if described.close_time is None:
            raise InvalidRequest(f"execution {execution_id!r} is still running; its end is what is examined")
        document = await full_document(settings, handle)
        plan = read_plan(with_added(await plan_of(connection, handle), document))
        execution, history = ExecutionStore.of(settings.state, described), await fetch_history(handle, described)
        found = [*of_document(plan, document), *of_history(plan, document, history.events)]
        found += [*of_hub(document, execution.hub()), *of_machine(execution, document)]
        failure = await replay(history)
        found += [f"I10: the history does not replay: {failure}"] if failure else []
        if as_json:
            print_json({"success": not found, "executionId": execution_id, "violations": found})
        else:
            for line in found:
                console_print(line)
            seen = f"{count(len(history.events), 'event')}, {count(len(document['results']), 'task')}"
            print(f"{seen}: {count(len(found), 'violation')}")
        return 1 if found else 0

    # Not tidied: what the execution has left is part of what is checked.
    run_connected(command, as_json=as_json, tidy=False)
