"""Preparation of an execution: its workspace is read on the host that has it, which it is bound to from then on."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from epw.core.errors import InvalidPlan
from epw.core.execution.state import ExecutionState
from epw.core.messages import HOST_MEMO, NOT_HERE, PREPARE, Prepared, PrepareRequest
from epw.core.plan.git_url import is_url
from epw.core.queues import host_queue, steps_queue
from workflows import dispatch

_ASKS_FOR = timedelta(seconds=20)
"""How long a host is waited for that may have the workspace; one that was named is waited for without end."""
_SUMMARY = "snapshot the workspace"


async def prepare(execution: ExecutionState) -> Prepared:
    """Snapshot the workspace; raises `ApplicationError` of type `InvalidPlan`, or `ActivityError`."""
    plan, queue = execution.plan, workflow.info().task_queue
    request = PrepareRequest(
        has_workspace=plan.workspace is not None,
        has_commands=bool(plan.relock) or plan.has_commands,
        has_models=plan.has_models,
        needs_sandbox=plan.demands_bubblewrap or plan.sandbox == "landlock",
        has_notices=any(rule.variables for rule in plan.notify),
    )
    needs_host = request.has_models or request.needs_sandbox or request.has_notices
    try:
        if not request.has_workspace and not needs_host:
            # Nothing to wait for: within this workflow task, without a round trip through the server.
            return await dispatch.prepare_locally(request, queue)
        if plan.workspace is None or is_url(plan.workspace):
            return await _step(execution, request, queue)
        if (host := _named_host()) is not None:
            return await _step(execution, request, steps_queue(host_queue(queue, host)))
        return await _find(execution, request.model_copy(update={"may_be_elsewhere": True}), queue)
    except ActivityError as error:
        if dispatch.failure_of(error)[0].type != InvalidPlan.__name__:
            raise
        raise _invalid(dispatch.message_of(error)) from None


def _named_host() -> str | None:
    """The host of the workspace, where whoever started the execution has said it."""
    named = workflow.memo_value(HOST_MEMO, None)
    return named if isinstance(named, str) else None


async def _find(execution: ExecutionState, request: PrepareRequest, queue: str) -> Prepared:
    """Prepare on any host, and where that one does not have the workspace, on one after the other that has a worker."""
    hosts, away = list[str](), list[str]()
    while True:
        host = next((each for each in hosts if each not in (*request.asked, *away)), None)
        try:
            if host is None:
                return await _step(execution, request, queue)
            return await _step(execution, request, steps_queue(host_queue(queue, host)), _ASKS_FOR)
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type == NOT_HERE:
                asked, others = cause.details
                hosts += others
                request = request.model_copy(update={"asked": [*request.asked, asked]})
            elif host is not None and dispatch.is_unstarted(error):
                away.append(host)
            else:
                raise
        if all(each in (*request.asked, *away) for each in hosts):
            absent = f", not there: {', '.join(away)}" if away else ""
            raise _invalid(
                f"workspace: {execution.plan.workspace} is on no host that has a worker (asked: "
                f"{', '.join(request.asked)}{absent}); start it on the machine that has it: `epw start PLAN` or "
                "`epw worker` there"
            )


async def _step(
    execution: ExecutionState, request: PrepareRequest, queue: str, starts_within: timedelta | None = None
) -> Prepared:
    prepared: Prepared = await dispatch.step(
        PREPARE, request, queue, execution.strategy, _SUMMARY, starts_within=starts_within
    )
    return prepared


def _invalid(message: str) -> ApplicationError:
    return ApplicationError(message, type=InvalidPlan.__name__, non_retryable=True)
