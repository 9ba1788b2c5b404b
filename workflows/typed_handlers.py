"""Decorators that bind a handler of an update, signal or query to the model of its message.

Temporal hands over any JSON that a caller sent. An error raised by the handler of an update, past its validator, fails
the workflow task, which Temporal retries for ever; so the validator reads the message first and rejects what does not
fit as `InvalidRequest`. What is registered takes `Any`: with the model in its signature the payload converter would
check it, and report a failure of the workflow's own input. The decorated method gets the message as its model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError
from temporalio import workflow

from epw.core.errors import InvalidRequest
from epw.core.plan.parts import Message
from epw.core.plan.requests import read_message
from epw.core.plan.wording import problem_of


class Open(Protocol):
    def check_open(self) -> None:
        """Raise `InvalidRequest` where no update is accepted any more."""


M = TypeVar("M", bound=Message)
S = TypeVar("S")
O = TypeVar("O", bound=Open)  # noqa: E741
R = TypeVar("R")


def update(kind: type[M], *, check: Callable[[O, M], object] | None = None) -> Callable[[Callable[[O, M], R]], Any]:
    """Bind an update to its message; `check` raises `InvalidRequest` for a message that cannot be accepted now."""

    def bind(method: Callable[[O, M], R]) -> Any:
        def handler(self: O, request: Any = None) -> R:
            return method(self, read_message(kind, request))

        def validator(self: O, request: Any = None) -> None:
            self.check_open()
            message = _checked(kind, request)
            if check is not None:
                check(self, message)

        registered: Any = workflow.update(_named_as(method, handler))
        registered.validator(validator)
        return registered

    return bind


def signal(kind: type[M]) -> Callable[[Callable[[S, M], None]], Any]:
    """Bind a signal to its message. Nobody waits for a reply, so anything else is dropped."""

    def bind(method: Callable[[S, M], None]) -> Any:
        def handler(self: S, request: Any = None) -> None:
            with contextlib.suppress(ValidationError):
                method(self, read_message(kind, request))

        return workflow.signal(_named_as(method, handler))

    return bind


def query(kind: type[M]) -> Callable[[Callable[[S, M], R]], Any]:
    """Bind a query to its message; one that does not fit fails the query with `InvalidRequest`."""

    def bind(method: Callable[[S, M], R]) -> Any:
        def handler(self: S, request: Any = None) -> R:
            return method(self, _checked(kind, request))

        return workflow.query(_named_as(method, handler))

    return bind


def _checked(kind: type[M], request: Any) -> M:
    """The message of a caller; raises `InvalidRequest` with every problem found."""
    try:
        return read_message(kind, request)
    except ValidationError as error:
        document = request if isinstance(request, dict) else {}
        found = [problem_of(each, document) for each in error.errors()]
        raise InvalidRequest("; ".join(map(str, found))) from None


def _named_as(method: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """Name a handler after its method; unlike `functools.wraps` it keeps its own signature, which Temporal reads."""
    handler.__name__, handler.__qualname__, handler.__doc__ = method.__name__, method.__qualname__, method.__doc__
    return handler
