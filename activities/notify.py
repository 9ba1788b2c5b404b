"""Notify: send one notice by one of the plan's rules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.agents.environment import secrets_of
from activities.agents.secrets import Secrets
from activities.notices import command, desktop, webhook
from activities.notices.channel import NotSent, Send, Sending
from activities.processes.host_monitor import HostMonitor
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from epw.core.messages import NOTIFY, AgentProgress
from epw.core.notice import NoticeRequest
from epw.core.plan.model import Plan

SENDERS: Mapping[str, Send] = {"command": command.run, "webhook": webhook.post, "desktop": desktop.show}
"""What sends by each channel of `epw.core.plan.outgoing` that is the worker's."""


class Notifier:
    """The activity `notify`."""

    def __init__(self, state: StateDirectory, plans: PlanSource, host: HostMonitor) -> None:
        self._state = state
        self._plans = plans
        self._host = host

    @activity.defn(name=NOTIFY)
    async def notify(self, request: NoticeRequest) -> None:
        """Send the notice once; another try has the same id. Raises `NotSent`, retried unless that is of no use."""
        execution, running = current_execution(self._state, request), await self._plans.of_current_execution()
        rule = running.plan.notify[request.rule]
        secrets = await in_thread(_secrets, running.plan)
        shown = await in_thread(_redacted, request.notice.document(), secrets)
        heartbeat = Heartbeat(AgentProgress(task_id=NOTIFY, agent_id="epw", operation=request.notice.title[:200]))
        attempt = activity.info().attempt
        sending = Sending(rule, shown, execution, running, self._host, heartbeat, attempt)
        async with activity_scope(self._state, f"{execution.key}/notify", heartbeat):
            try:
                await SENDERS[rule.channels[0]](sending)
            except NotSent as error:
                message, type_name = secrets.redact_text(str(error)), error.type
                raise ApplicationError(
                    message, type=type_name, non_retryable=error.final, category=ApplicationErrorCategory.BENIGN
                ) from None


def _redacted(value: Any, secrets: Secrets) -> Any:
    """A JSON value with the name of each secret in its place."""
    if isinstance(value, dict):
        return {name: _redacted(each, secrets) for name, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each, secrets) for each in value]
    return secrets.redact_text(value) if isinstance(value, str) else value


def _secrets(plan: Plan) -> Secrets:
    """What no notice may have in it: the execution's secrets, and those of its own rules."""
    names = dict.fromkeys(name for rule in plan.notify for name in rule.variables)
    own = Secrets.of({name: os.environ.get(name, "") for name in names})
    return secrets_of(plan).joined(own)
