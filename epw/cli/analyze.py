"""`analyze`: a plan judged before anything runs."""

from __future__ import annotations

from typing import Annotated

import typer

from epw.cli.layout import table
from epw.cli.offline import run_offline
from epw.cli.options import JSON_OPTION
from epw.cli.output import console_print, print_json
from epw.cli.plan_argument import read_plan_argument
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule import analysis
from epw.core.schedule.scheduler import predict
from epw.settings import Settings


def analyze(
    plan: Annotated[str, typer.Argument(help="A plan file, or a file that can be imported; - for standard input.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Score, schedule, critical path, risks and bottlenecks of a plan. A cyclic plan: exit code 2."""

    async def command(settings: Settings) -> int:
        checked = read_plan_argument(plan, runnable=False).plan
        document = analysis.analyze(checked)
        code = 2 if document.get("hasCycles") else 0
        if as_json:
            print_json(document)
        else:
            show_analysis(checked)
        return code

    run_offline(command, as_json=as_json)


def show_analysis(plan: Plan) -> None:
    """Print the analysis of a plan for a person; for a cyclic plan, the cycles alone."""
    document = analysis.analyze(plan)
    console_print(document["reasoning"])
    if document.get("hasCycles"):
        return
    slots = predict(TaskGraph.of_plan(plan), plan.max_agents)
    rows = [[slot.task_id, f"agent-{slot.agent}", f"{slot.start:g}", f"{slot.end:g}"] for slot in slots]
    table(f"schedule on {plan.max_agents} agents, minutes", ["task", "agent", "start", "end"], rows)
    console_print(
        f"{document['estimatedMinutes']:g} minutes instead of {document['totalMinutes']:g}:"
        f" speedup {document['estimatedSpeedup']:.2f}; critical path {document['criticalPathMinutes']:g} minutes:"
        f" {' → '.join(document['criticalPath'][:20])}"
    )
    for name, found in (("risk", document["risks"]), ("bottleneck", document["bottlenecks"])):
        for each in found:
            text = each.get("description") or f"{each['taskId']}: {each['reason']}"
            console_print(f"{name} [{each.get('severity') or each['impact']}]: {text}")
