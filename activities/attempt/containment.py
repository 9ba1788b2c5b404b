"""What stands around an attempt's processes while they run: limits, sandbox, network; for agents and checks alike."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from activities.agents.base import Work
from activities.agents.environment import redact_log
from activities.processes.bounds import Bounds
from activities.processes.resource_guard import ResourceGuard
from activities.sandbox.network.policy import NetworkPolicy
from activities.sandbox.network.proxy import Network
from activities.system.concurrency import in_thread


@asynccontextmanager
async def contained(work: Work) -> AsyncIterator[Work]:
    """The work within its limits, and with the network that its sandbox allows; at the end nothing of it runs."""
    try:
        async with _limited(work) as work:
            yield work
    finally:
        await in_thread(redact_log, work)


@asynccontextmanager
async def _limited(work: Work) -> AsyncIterator[Work]:
    bounds = Bounds.of(work.plan, work.task, work.disk)
    async with ResourceGuard.around(work.marker, bounds, work.home.parent, work.output, work.report) as guard:
        allowed = work.plan.network
        # Claude Code, in a sandbox without network, still speaks to this worker.
        if work.sandbox != "bubblewrap" or (allowed is False and work.plan.agent_of(work.task) != "claude-code"):
            yield replace(work, guard=guard)
            return
        policy = NetworkPolicy(None if allowed is True else tuple(allowed or ()), _own_ports(work))
        async with Network.around(policy, guard.refused) as network:
            yield replace(work, guard=guard, network=network)


def _own_ports(work: Work) -> tuple[int, ...]:
    """Where the embedded server of this state directory listens."""
    try:
        note = json.loads(((work.state_directory or Path()) / "server/server.json").read_bytes())
        return tuple(note["ports"])
    except (OSError, ValueError, KeyError):
        return ()
