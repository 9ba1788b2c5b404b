"""`init`: a first plan for a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from activities.agents.registry import not_set_up, usable_agents
from activities.system.file_modes import user_modes
from epw.cli.offline import run_offline
from epw.cli.options import JSON_OPTION
from epw.cli.output import console_print, print_json
from epw.client.first_plan import first_plan
from epw.client.plan_file import read_plan_file
from epw.client.project import PLAN_NAMES, repository_of
from epw.client.project_tests import find_tests
from epw.core.amounts import count
from epw.core.backends import BACKENDS
from epw.core.errors import InvalidRequest
from epw.settings import Settings


def init(
    agent: Annotated[
        str | None, typer.Option(help="Who does its tasks: an agent, or command (default: one that is set up here).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an epw.yaml that is there.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Write epw.yaml: a plan that runs in this repository, each line explained.

    Finds the agents that are set up on this machine, and the command that runs the repository's tests; runs nothing.
    """

    async def command(settings: Settings) -> int:
        top = repository_of(Path.cwd())
        if top is None:
            raise InvalidRequest(f"{Path.cwd()} is in no git repository: `git init` makes it one")
        there = next((top / name for name in PLAN_NAMES if (top / name).exists()), None)
        if there is not None and not force:
            raise InvalidRequest(f"{there} is there already: `epw run` takes it; --force writes over it")
        chosen, tests = _agent(agent), find_tests(top)
        models = [each.name for each in BACKENDS.values() if each.driven_by_model]
        others = {name: why for name in models if (why := not_set_up(name)) is not None}
        path = there or top / PLAN_NAMES[0]
        with user_modes():
            path.write_text(first_plan(top.name, chosen, list(others), tests))
        plan = read_plan_file(str(path)).plan
        if as_json:
            found = None if tests is None else {"kind": tests.kind, "command": tests.command, "sign": tests.sign}
            print_json({"file": str(path), "agent": chosen, "verify": plan.verify, "tests": found, "missing": others})
            return 0
        doer = chosen or "commands (no agent is set up here)"
        console_print(f"wrote {path}: {count(len(plan.tasks), 'task')} by {doer}")
        for name, why in others.items() if chosen is None else ():
            console_print(f"  {name}: {why}")
        verified = plan.verify or f"nothing yet{'' if tests is None else f' ({tests.missing} is not on PATH)'}"
        console_print(f"tests: {verified}")
        console_print("next: look at it, commit it, then epw run")
        return 0

    run_offline(command, as_json=as_json)


def _agent(named: str | None) -> str | None:
    """The backend of the plan; None for commands. Raises `InvalidRequest`."""
    if named is None:
        return next(usable_agents(), None)
    if named == "command":
        return None
    if named not in BACKENDS or not BACKENDS[named].driven_by_model:
        models = [each.name for each in BACKENDS.values() if each.driven_by_model]
        raise InvalidRequest(f"no agent {named}; there are {', '.join(models)}, and command")
    return named
