"""Requests to a running execution, patient with a server that is away."""

from __future__ import annotations

import asyncio
import getpass
import shlex
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from epw.client.documents import describe, document_of, unknown
from epw.client.pollers import WORKER_SECONDS, has_worker, is_to_be_cancelled, without_worker
from epw.core.amounts import count
from epw.core.decisions.questions import placeholder
from epw.core.errors import EpwError, InvalidRequest, Unavailable
from epw.service.connection import Connection
from epw.service.server_errors import cause
from epw.settings import Settings

_MESSAGE_TIMEOUT = timedelta(seconds=8)
_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_MAX_AWAY_SECONDS = 120.0
_RETRY_SECONDS = 0.5
_Read = TypeVar("_Read")


async def retry_while_unavailable(read: Callable[[], Awaitable[_Read]]) -> _Read:
    """Call `read` until it answers; a server that is away is waited for, up to two minutes."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _MAX_AWAY_SECONDS
    while True:
        try:
            return await read()
        except RPCError as error:
            if error.status not in _AWAY or clock() > deadline:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


def this_user() -> str:
    """Who sends the updates of a command: `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:200]


async def send(
    handle: WorkflowHandle[Any, Any], update: str, request: dict[str, Any], by: str | None = None
) -> dict[str, Any]:
    """Send an update; raises `InvalidRequest` where it is refused, `Unavailable` where no worker takes it.

    `by`: who sends it (default: the user of this process).
    """
    request = {**request, "by": by or this_user()}
    try:
        # Not the call's own time-out: an update that no worker has taken yet stays pending without one.
        answer: dict[str, Any] = await asyncio.wait_for(
            handle.execute_update(update, request), _MESSAGE_TIMEOUT.total_seconds()
        )
    except WorkflowUpdateFailedError as error:
        raise InvalidRequest(str(getattr(error.cause, "message", None) or error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise no_worker(handle.id) from None
    except RPCError as error:
        raise from_rpc(error, handle.id) from None
    return answer


async def require_worker(connection: Connection, handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionDescription:
    """The execution's description; raises `Unavailable` where it has not ended and no worker takes a request.

    Raises `InvalidRequest` where it is to be cancelled: then it takes none any more.
    """
    described = await describe(handle)
    if is_to_be_cancelled(described):
        name = shlex.quote(handle.id)
        raise InvalidRequest(f"execution {handle.id!r} is being cancelled, and takes no changes: `epw status {name}`")
    if described.close_time is None and not await has_worker(connection, WORKER_SECONDS):
        raise no_worker(handle.id)
    return described


async def refuse_after_end(
    settings: Settings,
    handle: WorkflowHandle[Any, Any],
    described: WorkflowExecutionDescription,
    question_id: str | None,
) -> None:
    """Raise `InvalidRequest` for an answer to an execution that has ended; it names the answers that counted."""
    if described.close_time is None:
        return
    asked = (await document_of(settings, handle, described))["questions"]
    known = [each for each in asked if question_id in (None, each["id"])]
    counted = [f"; {each['id']} was answered: {each['answer'][:200]!r}" for each in known if each["answer"] is not None]
    raise InvalidRequest(f"execution {handle.id!r} has ended{''.join(counted)}" if counted else has_ended(handle.id))


async def only_question(handle: WorkflowHandle[Any, Any], text: str) -> str:
    """The id of the one open question, which `text` answers; raises `InvalidRequest` where it is not one."""
    try:
        asked: list[dict[str, Any]] = await handle.query("questions", rpc_timeout=_MESSAGE_TIMEOUT)
    except RPCError as error:
        raise from_rpc(error, handle.id) from None
    return choose_question(handle.id, asked, text)


def choose_question(execution_id: str, asked: list[dict[str, Any]], text: str) -> str:
    """The id of the one question of these that is open.

    Raises `InvalidRequest`, which lists them, where it is not one, and where `text` is a question's id: then the
    answer itself was left out.
    """
    found, name = [each for each in asked if each["answer"] is None], shlex.quote(execution_id)
    lines = [f"  epw answer {name} {each['id']} {placeholder(each['options'])}   ({_asked(each)})" for each in found]
    named = text in (each["id"] for each in asked)
    if named and not any(text in each["options"] for each in found):
        raise InvalidRequest("\n".join([f"{text} is the id of a question; the answer to it is missing:", *lines]))
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise InvalidRequest(f"no question of {execution_id!r} is open: `epw status {name}`")
    raise InvalidRequest("\n".join([f"{count(len(found), 'question')} are open; say which:", *lines]))


def _asked(question: dict[str, Any]) -> str:
    options = f" [{' | '.join(question['options'])}]" if question["options"] else ""
    return f"{question['taskId']}: {' '.join(question['text'].split())[:100]}{options}"


def has_ended(execution_id: str) -> str:
    """What a user is told who would change an execution that goes on no more."""
    name = shlex.quote(execution_id)
    return (
        f"execution {execution_id!r} has ended: `epw status {name}` shows it, `epw retry {name}` runs what is not done"
    )


def no_worker(execution_id: str) -> Unavailable:
    """No worker takes a request to an execution, and what starts one."""
    return Unavailable(f"{without_worker(execution_id)}; then this again")


def from_rpc(error: RPCError, execution_id: str) -> EpwError:
    """Error for a user, made of a refusal by the server."""
    if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
        ended = "already completed" in error.message
        return InvalidRequest(has_ended(execution_id) if ended else unknown(execution_id))
    if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
        return no_worker(execution_id)
    return Unavailable(f"the Temporal server went away or refused: {cause(error.message)}")
