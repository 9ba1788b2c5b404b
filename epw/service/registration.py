"""Registration of a worker of this application: its workflows, activities and options."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner

from activities.agents.base import Agent
from activities.agents.registry import make_agents
from activities.check import MergeChecker
from activities.deliver import Deliverer
from activities.land import Lander
from activities.notify import Notifier
from activities.open_pull_request import PullRequestOpener
from activities.prepare import Preparer
from activities.processes.host_monitor import HostMonitor
from activities.processes.slots import Slots
from activities.roll_back import RollBacker
from activities.run_task import TaskRunner
from activities.state.exchange import PATIENCE_SECONDS, Exchange
from activities.state.heartbeat import telling_failures
from activities.state.host import host_name
from activities.state.plan_source import StartEvent
from activities.state.state_directory import StateDirectory
from activities.tell import Teller
from activities.verify import Verifier
from epw.core.plan.requests import IN_LINE, InLine
from epw.service.connection import SearchAttributes
from epw.service.limiter import limiter
from epw.service.pollers import polling_hosts
from epw.service.worker_options import WorkerOptions
from epw.settings import MAX_KEPT_BYTES
from workflows.execute_parallel import ExecuteParallelWorkflow
from workflows.rate_limit import RateLimitWorkflow, VersionedRateLimitWorkflow

_MAX_OPEN_FILES = 65_536
_SIGNAL_TIMEOUT = timedelta(seconds=10)
_HEARTBEAT_INTERVAL = timedelta(milliseconds=300)

WORKFLOWS: tuple[type, ...] = (ExecuteParallelWorkflow, RateLimitWorkflow)
VERSIONED_WORKFLOWS: tuple[type, ...] = (ExecuteParallelWorkflow, VersionedRateLimitWorkflow)
"""Those of a worker with a version."""

# Not the SDK's sandbox, on purpose (docs/adr/0004): it imports workflow code anew for each execution, which more than
# doubles the CPU time of a replay. Determinism is checked by tests instead: workflow code and the pure core import no
# clock, randomness or I/O (tests/whole/test_architecture.py), and histories replay in the sandbox
# (tests/workflows/test_replay.py).
WORKFLOW_RUNNER = UnsandboxedWorkflowRunner()

OPTIONS: dict[str, Any] = {
    "workflow_runner": WORKFLOW_RUNNER,
    "max_concurrent_activities": 1200,
    # All that start at once: each that is not handed over with the workflow task is a task of the server's, a poll of
    # ours and a transaction more.
    "max_eager_activity_reservations_per_workflow_task": 1000,
    # A busy worker takes its time; whoever follows a dead one resets the sticky queues (`epw.service.recovery`).
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=10),
    # Cancellations arrive with heartbeats: the default throttle would hold them back for 24 s.
    "max_heartbeat_throttle_interval": _HEARTBEAT_INTERVAL,
    "default_heartbeat_throttle_interval": _HEARTBEAT_INTERVAL,
}
"""Options of `temporalio.worker.Worker`."""


def activities(
    client: Client,
    state: StateDirectory,
    queue: str,
    *,
    agents: Mapping[str, Agent] | None = None,
    max_kept_bytes: int = MAX_KEPT_BYTES,
    host: HostMonitor | None = None,
    slots: int | None = None,
    url_patience: float = PATIENCE_SECONDS,
    host_patience: timedelta = WorkerOptions.host_patience,
) -> list[Callable[..., Any]]:
    """The activities of one worker process, which share what they know of this host.

    `agents`: backends by name, default all of them. `max_kept_bytes`: ignored results kept per execution. `slots`:
    how many attempts run at once, None for no limit. `url_patience`: seconds for which an activity waits for a git
    URL that does not answer; `host_patience`: an attempt for the host that has its conversation.
    """
    # Loaded now, not within the first workflow task, whose deadlock detection could break the import off half-way.
    import networkx  # noqa: F401

    plans, host = StartEvent(), host or HostMonitor()
    deliverer = Deliverer(state, plans)
    checker = MergeChecker(state, plans, host)
    agents = agents or make_agents(state, partial(limiter, client, queue))
    runner = TaskRunner(state, plans, agents, partial(_signal_in_line, client), max_kept_bytes, host, Slots(slots))
    made: list[Callable[..., Any]] = [
        Preparer(
            state,
            plans,
            queue,
            host_name(state),
            SearchAttributes(client).known,
            partial(polling_hosts, client, queue),
            host_patience,
        ).prepare,
        runner.run_task,
        Lander(state, plans).land,
        checker.check,
        checker.check_head,
        Verifier(state, plans, host).verify,
        Teller(state).tell,
        deliverer.deliver,
        deliverer.clean_up,
        PullRequestOpener(state, plans).open_pull_request,
        Notifier(state, plans, host).notify,
        RollBacker(state).roll_back,
    ]
    around = Exchange(state, plans, url_patience).around
    return [telling_failures(around(each)) if each == runner.run_task else around(each) for each in made]


async def _signal_in_line(client: Client, workflow_id: str, run_id: str, message: InLine) -> None:
    """Send one run of an execution its attempts that wait for admission; raises `RPCError`."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    await handle.signal(IN_LINE, message, rpc_timeout=_SIGNAL_TIMEOUT)


def raise_open_files() -> None:
    """Raise this process's limit of open files: git holds one open for each directory above the one it reads."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
