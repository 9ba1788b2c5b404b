"""`analyze`: a plan judged before anything runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.git.workspace import Workspace
from epw.cli.layout import table
from epw.cli.offline import run_offline
from epw.cli.options import JSON_OPTION, MaxAgents, PlanPath
from epw.cli.outlook_words import outlook_words
from epw.cli.output import console_print, print_json
from epw.cli.plan_argument import read_plan_argument
from epw.core.amounts import count
from epw.core.analysis import analysis
from epw.core.analysis.outlook import Circumstances, labels_of
from epw.core.errors import EpwError, InvalidRequest
from epw.core.plan.git_url import is_url
from epw.core.plan.graph import TaskGraph
from epw.core.plan.model import Plan
from epw.core.queues import LABEL
from epw.core.schedule.prediction import makespan, predict, predict_plan
from epw.core.schedule.scheduler import barriers, declared_files
from epw.core.simulation.costs import Costs
from epw.core.simulation.fleet import Host
from epw.core.simulation.measured import MEASURED
from epw.settings import Settings

_MAX_PATH = 20
_HOST = re.compile(f"(?P<slots>[1-9][0-9]{{0,4}})(:(?P<labels>({LABEL})(,({LABEL}))*))?")


def analyze(
    plan: PlanPath = None,
    max_agents: MaxAgents = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SLOTS[:LABEL,…]",
            help="A host that runs its attempts, as `epw worker --slots --label` there. Repeatable.",
        ),
    ] = None,
    failing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the attempts that fail, for the prediction.")
    ] = 0.0,
    costs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What epw itself takes here: written by benchmarks/costs.py --json."),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Score, schedule, critical path, risks and bottlenecks of a plan; how long it takes, and what holds it up.

    A cyclic plan: exit code 2.
    """

    async def command(settings: Settings) -> int:
        flags = {"maxAgents": max_agents} if max_agents is not None else None
        checked = read_plan_argument(plan, runnable=False, flags=flags).plan
        here = replace(circumstances(checked), failing=failing)
        if host:
            here = replace(here, hosts=[_host(each) for each in host])
        if costs is not None:
            here = replace(here, costs=_costs(costs))
        if as_json:
            document = analysis.analyze(checked, here)
            print_json(document)
        else:
            document = show_analysis(checked, here)
        return 2 if document.get("hasCycles") else 0

    run_offline(command, as_json=as_json)


def circumstances(plan: Plan) -> Circumstances:
    """The plan's execution on this machine."""
    hosts = (Host(cores=os.cpu_count() or 1, labels=labels_of(plan)),)
    return Circumstances(hosts, MEASURED, files=_files_in(plan.workspace))


def _files_in(workspace: str | None) -> int:
    """How many files a workspace has, as far as that is quickly known."""
    if workspace is None or is_url(workspace) or not Path(workspace).is_dir():
        return 0
    try:
        found = Workspace.read(workspace)
        return len(found.file_names()) if found.kind == "git" else 0
    except (EpwError, OSError):
        return 0


def _host(text: str) -> Host:
    found = _HOST.fullmatch(text)
    if found is None:
        raise InvalidRequest(f"--host {text!r}: how many attempts it runs at once, and its labels: 4 or 4:gpu,docker")
    labels = found["labels"].split(",") if found["labels"] else []
    return Host(cores=os.cpu_count() or 1, slots=int(found["slots"]), labels=tuple(labels))


def _costs(path: str) -> Costs:
    try:
        return Costs(**json.loads(Path(path).read_text()))
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"--costs {path}: not written by benchmarks/costs.py --json: {error}") from None


def show_analysis(plan: Plan, here: Circumstances | None = None) -> dict[str, Any]:
    """Print the analysis of a plan for a person, and return it; for a cyclic plan, the cycles alone."""
    document = analysis.analyze(plan, here or circumstances(plan))
    if document.get("hasCycles"):
        console_print(document["reasoning"])
        return document
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
    return document


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
    yield from outlook_words(plan, document)
    verdict, reason = document["reasoning"].split(": ", 1)
    all_the_same = "" if document["parallelizable"] else "; `run` runs it so all the same"
    yield f"by the rules of the planning tools {verdict.lower()}: {reason}{all_the_same}"
