"""`plan`: make a plan from a goal with Claude; it runs only after the user has agreed."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.git.workspace import Workspace
from activities.model_api.credentials import api_key
from activities.system.directories import walk
from activities.system.file_modes import user_modes
from epw.cli.analyze import show_analysis
from epw.cli.launch import run_to_end
from epw.cli.options import JSON_OPTION
from epw.cli.output import console_print, print_json
from epw.cli.plan_argument import print_notes
from epw.cli.plan_text import plan_text
from epw.cli.session import run_command
from epw.client.plan_file import Document, complete_plan
from epw.client.project import repository_of, workspace_at
from epw.client.start import check_runnable, start_execution
from epw.core.analysis.analysis import analyze
from epw.core.errors import InvalidRequest
from epw.settings import Settings


def plan(
    goal: Annotated[str, typer.Argument(help="What is wanted, in your words.")],
    workspace: Annotated[
        str | None, typer.Option(help="The project; default: this directory, where it is a git repository.")
    ] = None,
    agent: Annotated[str, typer.Option(help="Who does the tasks: claude or claude-code.")] = "claude",
    model: Annotated[
        str | None, typer.Option(help="Who plans, and does the tasks; default: the newest Sonnet.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="conservative or aggressive")] = "conservative",
    max_agents: Annotated[int, typer.Option(help="How many tasks run at once.")] = 5,
    output: Annotated[str | None, typer.Option(help="Write the plan to this file too.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Run it without asking.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Have a plan made for a goal, show its analysis, and run it after your look."""

    async def command(settings: Settings) -> int:
        api_key()
        if not goal.strip():
            raise InvalidRequest("the goal is empty")
        place = workspace or repository_of(Path.cwd())
        given: dict[str, Any] = {"agent": agent, "strategy": strategy, "maxAgents": max_agents}
        given |= {"model": model} if model else {}
        files: list[str] = []
        if place is not None:
            path = str(workspace_at(Path(place).expanduser()))
            given["workspace"] = path
            files = await asyncio.to_thread(_files, path)
        made = complete_plan(Document(await _planned(goal, files, given, model)), {})
        print_notes(made.notes)
        check_runnable(made.plan, here=True)
        if output is not None:
            with user_modes():
                Path(output).write_text(plan_text(made.document))
        if as_json and not yes:
            print_json({"plan": made.document, "analysis": analyze(made.plan)})
            return 0
        if not as_json:
            print(plan_text(made.document), flush=True)
            show_analysis(made.plan)
        if not yes and not await _agreed():
            console_print(f"not run; later: epw run {output or '(with --output FILE)'}")
            return 0
        return await run_to_end(settings, partial(start_execution, file=made, execution_id=None), as_json=as_json)

    run_command(command, as_json=as_json)


async def _planned(goal: str, files: list[str], given: dict[str, Any], model: str | None) -> dict[str, Any]:
    # Here: the SDK takes seconds to import.
    from activities.agents.claude.planner import Goal, plan_of
    from activities.model_api.api import Api
    from activities.model_api.models import newest_sonnet

    def notify(line: str) -> None:
        print(f"epw: {line}", file=sys.stderr, flush=True)

    return await plan_of(Goal(goal, files, given), model or newest_sonnet(), Api(), notify)


def _files(path: str) -> list[str]:
    """Names of a project's files, for the planner."""
    found = Workspace.read(path)
    if found.kind == "git":
        return found.file_names()
    names = (os.path.join(folder.path, name) for folder in walk(path) for name in folder.files)
    return sorted(name for name in names if ".git" not in name.split(os.sep))


async def _agreed() -> bool:
    """Whether the user agrees; False where nobody can be asked."""
    if not sys.stdin.isatty():
        return False
    return await asyncio.to_thread(typer.confirm, "Run it?", default=False)
