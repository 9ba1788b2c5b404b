"""`import`: the plan of a foreign file of tasks, and the ticks that go back into it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.cli.plan_argument import print_notes
from epw.cli.plan_text import plan_text
from epw.client.foreign_file import import_foreign, read_foreign, unknown
from epw.client.plan_file import PlanFile
from epw.core.backends import BACKENDS, CLAUDE
from epw.core.errors import InvalidRequest
from epw.importers.formats import FORMATS, format_named, recognise
from epw.importers.model import Choices, Format, Order
from epw.settings import Settings

_AGENTS = ", ".join(
    f"{name} (default)" if each is CLAUDE else name for name, each in BACKENDS.items() if not each.required
)
"""Those that do a task with a description alone."""
_ORDER = (
    "How unmarked tasks follow: sequence (default for OpenSpec), groups, or none (default for a checklist, but for its"
    " numbered items)."
)


def import_file(
    file: Annotated[str, typer.Argument(help="A file or folder of tasks, docs/importing.md; - for standard input.")],
    form: Annotated[str | None, typer.Option("--from", help=f"Its format: {', '.join(FORMATS)}.")] = None,
    tag: Annotated[str | None, typer.Option(help="Which tag of a Task Master file.")] = None,
    order: Annotated[str | None, typer.Option(help=_ORDER)] = None,
    workspace: Annotated[str | None, typer.Option(help="The project; default: the repository of the file.")] = None,
    agent: Annotated[str | None, typer.Option(help=f"Who does the tasks: {_AGENTS}.")] = None,
    strategy: Annotated[str | None, typer.Option(help="conservative (default) or aggressive")] = None,
    max_agents: Annotated[int | None, typer.Option(help="How many tasks run at once (default: 5).")] = None,
    tick: Annotated[
        str | None, typer.Option("--tick", metavar="ID", help="Tick what this execution has done, instead.")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="With --tick: in the file, not on the delivered branch.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Print the plan that a foreign file of tasks becomes; or tick in it what an execution has done."""

    def choices() -> tuple[Format | None, Choices]:
        if order is not None and order not in [*Order]:
            raise InvalidRequest(f"--order must be one of: {', '.join(Order)}")
        return format_named(form) if form is not None else None, Choices(tag, Order(order) if order else None)

    if tick is not None:
        _tick(file, tick, choices, in_place=in_place, as_json=as_json)

    async def command(settings: Settings) -> int:
        if in_place:
            raise InvalidRequest("--in-place needs --tick")
        named, chosen = choices()
        found = read_foreign(file)
        known = named or recognise(found)
        if known is None:
            if isinstance(found.value, dict) and "tasks" in found.value:
                raise InvalidRequest(f"{found.path} is a plan already: `epw run {found.path}`")
            raise unknown(found)
        made = import_foreign(found, known, chosen, workspace)
        given: dict[str, Any] = {"agent": agent, "strategy": strategy, "maxAgents": max_agents}
        document = {**{name: value for name, value in given.items() if value is not None}, **made.document}
        print_notes(made.notes)
        PlanFile.of(document, runnable=False)
        if as_json:
            print_json(document)
        else:
            print(plan_text(document), end="", flush=True)
        return 0

    from epw.cli.offline import run_offline

    run_offline(command, as_json=as_json)


def _tick(file: str, execution_id: str, choices: Any, *, in_place: bool, as_json: bool) -> None:
    """Tick in the file what an execution has done."""
    # A plan is imported without a server.
    from epw.cli.session import run_connected
    from epw.cli.tick import tick_execution
    from epw.client.ticking import Ticking
    from epw.service.connection import Connection

    async def command(settings: Settings, connection: Connection) -> int:
        ticking = Ticking.of(file, *choices())
        handle = connection.client.get_workflow_handle(execution_id)
        lines = await tick_execution(settings, connection, handle, ticking, in_place=in_place)
        if as_json:
            print_json({"executionId": execution_id, "notes": lines})
        else:
            print(printable("\n".join(lines)), flush=True)
        return 0

    run_connected(command, as_json=as_json)
