"""History of an execution, with what is encrypted in it decrypted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionDescription, WorkflowHandle, WorkflowHistory


async def fetch_history(handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> WorkflowHistory:
    """The events of the run that was described, as if its payloads had never been encrypted."""
    history = await handle.fetch_history()
    if (codec := described.data_converter.payload_codec) is not None:
        for payload in (each for event in history.events for each in _payloads(event)):
            payload.CopyFrom((await codec.decode([payload]))[0])
    return history


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload in a message, at whatever depth."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = value.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            parts = value if field.is_repeated else (value,)
        for part in parts:
            yield from _payloads(part)
