"""Containment of an attempt's processes while they run: limits, and the network of the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from activities.attempt.attempt import Attempt
from activities.processes.resource_guard import ResourceGuard
from activities.sandbox.network.policy import NetworkPolicy
from activities.sandbox.network.proxy import Network


@asynccontextmanager
async def contained(attempt: Attempt) -> AsyncIterator[Attempt]:
    """The attempt with a launcher that has limits and a network; at the end of the block no process of it is left."""
    launcher, plan, state = attempt.launcher, attempt.context.plan, attempt.directory.execution.state
    async with ResourceGuard.around(
        launcher.marker, attempt.bounds, launcher.folder, attempt.output, attempt.reporter.report, attempt.host
    ) as guard:
        needs_no_network = plan.network is False and not attempt.backend.calls_worker
        if launcher.sandbox != "bubblewrap" or needs_no_network:
            yield replace(attempt, launcher=replace(launcher, guard=guard))
            return
        ports = tuple(state.server.read_note().get("ports", ()))
        hosts = None if plan.network is True else tuple(plan.network or ())
        async with Network.around(NetworkPolicy(hosts, ports), guard.on_denied) as network:
            yield replace(attempt, launcher=replace(launcher, guard=guard, network=network))
