"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.core.backends import BACKENDS

ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")]
NewId = Annotated[str | None, typer.Option("--id", help="The execution's id (default: made from the plan's name).")]
PlanPath = Annotated[str, typer.Argument(help="A plan file, or a file that can be imported; - for standard input.")]
PlanAgent = Annotated[
    str | None,
    typer.Option(
        "--agent", help=f"Who does the tasks that name no agent, in place of the plan's: {', '.join(BACKENDS)}."
    ),
]
JSON_OPTION: Any = typer.Option(False, "--json", help="One JSON document on standard output, nothing else.")
