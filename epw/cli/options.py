"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from epw.core.backends import BACKENDS

ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")]
NewId = Annotated[str | None, typer.Option("--id", help="The execution's id (default: made from the plan's name).")]
PlanPath = Annotated[
    str | None,
    typer.Argument(help="A plan file, or a file that can be imported; - for standard input (default: epw.yaml)."),
]
PlanOrTasks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PLAN | TASK...]",
        help="A plan file, a file that can be imported, or - for standard input; or tasks in words (default: epw.yaml)",
    ),
]
PlanFileOption = Annotated[str | None, typer.Option("--file", "-f", metavar="PLAN", help="As the argument PLAN.")]
After = Annotated[
    list[str] | None,
    typer.Option("--after", metavar="N", help="Behind a task in words: it follows the N-th. Repeatable, or 1,2."),
]
PlanModel = Annotated[str | None, typer.Option("--model", help="Their model, in place of the plan's.")]
PlanSandbox = Annotated[str | None, typer.Option("--sandbox", help="How agents are confined, in place of the plan's.")]
PlanDeliver = Annotated[str | None, typer.Option("--deliver", help="branch, apply or none, in place of the plan's.")]
MaxAgents = Annotated[int | None, typer.Option("--max-agents", help="How many tasks run at once.")]
PlanAgent = Annotated[
    str | None,
    typer.Option(
        "--agent", help=f"Who does the tasks that name no agent, in place of the plan's: {', '.join(BACKENDS)}."
    ),
]
JSON_OPTION: Any = typer.Option(False, "--json", help="One JSON document on standard output, nothing else.")
PLAIN_OPTION: Any = typer.Option(False, "--plain", help="Plain lines, in a terminal too.")
