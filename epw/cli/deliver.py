"""`deliver`: push what an execution could not, to its git URL."""

from __future__ import annotations

import asyncio
import shlex
import sys
from typing import Annotated, Any

import typer

from activities.deliver import push
from activities.documents.late_delivery import note_late_delivery
from activities.git.url_git import UrlGit
from activities.state.plan_source import RunningPlan
from epw.cli.options import JSON_OPTION, ExecutionId
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.saved_changes import KnownExecution
from epw.client.started_plan import plan_of, with_added
from epw.core.errors import InvalidRequest
from epw.core.execution.delivery import DeliverRequest, Delivery
from epw.core.naming import branch_name
from epw.core.report.model import OPEN
from epw.service.connection import Connection
from epw.settings import Settings


def deliver(
    execution_id: ExecutionId,
    publish_secrets: Annotated[
        bool, typer.Option("--publish-secrets", help="Push it although it adds files that look like secrets.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Push the branch that could not be delivered to its git URL; one that is there already is found."""

    async def command(settings: Settings, connection: Connection) -> int:
        known = await KnownExecution.of(settings, connection, execution_id)
        plan = with_added(
            await plan_of(connection, connection.client.get_workflow_handle(execution_id)), known.document
        )
        running = RunningPlan.of(plan)
        done, is_new = await asyncio.to_thread(_pushed, known, running, publish_secrets=publish_secrets)
        url = known.workspace.url if known.workspace is not None else None
        document: dict[str, Any] = {
            "success": done.refused_because is None,
            "executionId": execution_id,
            "branch": done.branch,
            "url": url,
            "refusedBecause": done.refused_because,
        }
        if as_json:
            print_json(document)
        elif done.branch is not None:
            print(printable(f"pushed: {done.branch} to {url}" if is_new else f"{done.branch} is on {url} since before"))
        else:
            print(printable(f"epw: nothing is pushed: {done.refused_because}"), file=sys.stderr, flush=True)
        return 0 if done.refused_because is None else 1

    run_connected(command, as_json=as_json)


def _pushed(known: KnownExecution, running: RunningPlan, *, publish_secrets: bool) -> tuple[Delivery, bool]:
    """The delivery, and whether it was made now."""
    delivery, hub, workspace = known.document["delivery"], known.hub, known.workspace
    if known.document["status"] in OPEN:
        watch = shlex.join(["epw", "watch", known.id])
        raise InvalidRequest(f"execution {known.id!r} is still running, and delivers at its end: `{watch}`")
    if delivery is None or delivery["mode"] != "push" or hub is None or workspace is None:
        finish = [
            each
            for each in (delivery["finishWith"] if delivery is not None else [])
            if not each.startswith("epw deliver")
        ]
        gone = "; what it had saved is gone from this machine" if delivery is not None and hub is None else ""
        more = f"; finish with: {finish[0]}" if finish else gone
        raise InvalidRequest(f"execution {known.id!r} ({known.document['status']}) has nothing to push{more}")
    if not delivery["head"] or delivery["head"] == delivery["base"]:
        raise InvalidRequest(f"execution {known.id!r} ({known.document['status']}) has landed nothing")
    # A person may have built on a branch since: then it is not at the commit that was pushed.
    branch = delivery["branch"] if not delivery["refusedBecause"] else None
    if branch and workspace.url and UrlGit(hub.path, workspace.url).refs(f"refs/heads/{branch}"):
        return Delivery(mode="push", branch=branch), False
    request = DeliverRequest(
        hub=str(hub.path),
        base=known.store.base(),
        head=hub.resolve(known.store.head_ref) or delivery["head"],
        branch=branch_name(known.id),
        mode="push",
        commits=running.plan.commits,
    )
    done = push(known.store, hub, request, running, publish_secrets=publish_secrets)
    if done.branch is not None:
        note_late_delivery(known.store, known.document, done.branch)
    return done, True
