"""`analyze`: a plan judged before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from epw.cli.layout import table
from epw.cli.offline import run_offline
from epw.cli.options import JSON_OPTION, PlanPath
from epw.cli.output import console_print, print_json
from epw.cli.plan_argument import read_plan_argument
from epw.core.amounts import count
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.schedule import analysis
from epw.core.schedule.prediction import makespan, predict, predict_plan
from epw.core.schedule.scheduler import barriers, declared_files
from epw.settings import Settings

_MAX_PATH = 20


def analyze(
    plan: PlanPath = None,
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
    if document.get("hasCycles"):
        console_print(document["reasoning"])
        return
    graph = TaskGraph.of_plan(plan)
    slots = predict_plan(plan, graph)
    rows = [[slot.task_id, f"agent-{slot.agent}", f"{slot.start:g}", f"{slot.end:g}"] for slot in slots]
    agents = len({slot.agent for slot in slots})
    title = f"schedule on {count(agents, 'agent')}, minutes"
    table(title, ["task", "agent", "start", "end"], rows)
    for line in _summary(plan, graph, document):
        console_print(line)
    for name, found in (("risk", document["risks"]), ("bottleneck", document["bottlenecks"])):
        for each in found:
            text = each.get("description") or f"{each['taskId']}: {each['reason']}"
            console_print(f"{name} [{each.get('severity') or each['impact']}]: {text}")


def _summary(plan: Plan, graph: TaskGraph, document: dict[str, Any]) -> Iterator[str]:
    """What the schedule gains, what bounds it, and whether the rules of the planning tools advise it."""
    planned, total = document["estimatedMinutes"], document["totalMinutes"]
    if planned < total:
        yield f"{planned:g} minutes; one after another it would be {total:g} ({document['estimatedSpeedup']:.2f} times)"
    else:
        yield f"{planned:g} minutes, as long as one after another: nothing can run at once"
    path = " → ".join(document["criticalPath"][:_MAX_PATH])
    more = len(document["criticalPath"]) - _MAX_PATH
    yield f"critical path {document['criticalPathMinutes']:g} minutes: {path}{f' → … {more} more' if more > 0 else ''}"
    files = declared_files(plan)
    if files and (apart := makespan(predict(graph, plan.max_agents, levels=barriers(plan, graph)))) < planned:
        yield f"{planned - apart:g} of {planned:g} minutes because tasks that declare the same files take turns"
    verdict, reason = document["reasoning"].split(": ", 1)
    all_the_same = "" if document["parallelizable"] else "; `run` runs it so all the same"
    yield f"by the rules of the planning tools {verdict.lower()}: {reason}{all_the_same}"
