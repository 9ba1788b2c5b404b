"""What of an execution no worker takes, in its document and in words."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from typing import Any

from temporalio.client import WorkflowExecutionDescription
from temporalio.service import RPCError

from activities.state.host import host_name
from activities.system.server_time import server_ms
from epw.core.amounts import count, few
from epw.core.report.model import OPEN, ExecutionResult
from epw.core.report.waits import worker_in_words
from epw.service.connection import Connection
from epw.service.pollers import Unstarted, unstarted

_PATIENCE_MS = 3000
_MAX_NAMED = 3


async def not_taken(connection: Connection, described: WorkflowExecutionDescription) -> list[Unstarted]:
    """The activities that nobody has taken; none where the server cannot say it now."""
    if described.close_time is None:
        with contextlib.suppress(RPCError):
            return await unstarted(connection.client, described)
    return []


def overdue(untaken: Iterable[Unstarted], connection: Connection, own_since: int | None = 0) -> list[Unstarted]:
    """Those that nobody has taken for some seconds.

    `own_since`: since when a worker that the command has started takes what this host can (epoch milliseconds);
    None: it is just starting.
    """
    now, own = server_ms(), _own_host(connection)
    found = []
    for each in untaken:
        # A worker of a command has no labels.
        is_own = not each.needs and each.version is None and each.host in (None, own)
        since = each.since if not is_own else None if own_since is None else max(each.since, own_since)
        if since is not None and now - since >= _PATIENCE_MS:
            found.append(each)
    return found


async def waits_for_host(connection: Connection, described: WorkflowExecutionDescription) -> list[Unstarted]:
    """The activities that nobody has taken for some seconds; none where the server cannot say it now."""
    return overdue(await not_taken(connection, described), connection)


def mark_away(document: ExecutionResult, waiting: Iterable[Unstarted]) -> None:
    """Show tasks whose attempts nobody takes as waiting, also where no worker is left to tell their workflow."""
    if document["status"] in OPEN:
        mark_rows(document["results"], waiting)


def mark_rows(rows: Iterable[Any], waiting: Iterable[Unstarted]) -> None:
    """The same for rows of tasks."""
    by_task = {each.task_id: each for each in waiting if each.task_id is not None}
    for row in rows:
        if row["status"] == "running" and (found := by_task.get(row["taskId"])) is not None:
            row["status"], row["waitingFor"], row["agentId"] = "waiting", "host", None
            if words := worker_in_words(found.host, found.needs):
                row["waitingHost"] = words


def what_to_do(waiting: Iterable[Unstarted], connection: Connection) -> list[str]:
    """For each worker that is lacking, what waits for it and how to start it."""
    own = _own_host(connection)
    groups: dict[tuple[str | None, tuple[str, ...], str | None, float], list[str]] = {}
    for each in waiting:
        key = (each.host, tuple(each.needs), each.version, each.patience_seconds)
        groups.setdefault(key, []).append(each.task_id or each.type)
    return [_sentence(*key, names, own) for key, names in groups.items()]


def _own_host(connection: Connection) -> str | None:
    return host_name(connection.state) if connection.state is not None else None


def _sentence(
    host: str | None, needs: tuple[str, ...], version: str | None, patience: float, names: list[str], own: str | None
) -> str:
    named = few(names, _MAX_NAMED)
    here = host is not None and host == own
    where = "" if host is None else " of this host" if here else f" of host {host}"
    wanted = [f"labels {', '.join(needs)}"] if needs else []
    wanted += [f"version {version}"] if version is not None else []
    kind = f" with {' and '.join(wanted)}" if wanted else ""
    options = [f"--label {shlex.quote(label)}" for label in needs]
    options += [f"--version {shlex.quote(version)}"] if version is not None else []
    command = " ".join(["epw worker", *options])
    there = "" if host is None or here else " there"
    minutes = count(max(1, round(patience / 60)), "minute")
    later = f", after {minutes} any host does, in a new conversation" if patience else ""
    return f"{named} waiting: host; no worker{where}{kind} is free or there: `{command}`{there} goes on with it{later}"
