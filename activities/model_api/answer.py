"""One answer of the model, assembled from its stream: complete, or an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Used:
    """What a call has used, as far as the API has said; filled in while its answer arrives."""

    counts: dict[str, int] = field(default_factory=dict)
    """Token counts by the API's names."""
    is_whole: bool = False
    """Whether they are the last word: until then the answer may cost more."""


class BrokenAnswer(Exception):
    """The stream ended early or was malformed: nothing of it is used, and the call is repeated."""


@dataclass
class ModelAnswer:
    """A complete answer, as content blocks of the API."""

    content: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Tool calls, by id, whose input is not a JSON object, with the reason; they must not run."""

    @property
    def text(self) -> str:
        return "".join(block.get("text", "") for block in self.content if block.get("type") == "text")

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [block for block in self.content if block.get("type") == "tool_use"]


async def collected(events: AsyncIterator[Any], used: Used) -> ModelAnswer:
    """Assemble the SDK's raw events; raises `BrokenAnswer`. `used` gets the token counts as they arrive.

    Not by the SDK's own accumulator: it completes truncated JSON, and a truncated call must not run.
    """
    answer, inputs, is_complete = ModelAnswer(usage=used.counts), dict[int, str](), False
    async for event in events:
        kind = getattr(event, "type", None)
        try:
            if kind == "message_start":
                answer.usage |= counted(event.message.usage)
            elif kind == "content_block_start":
                answer.content.append(event.content_block.model_dump(exclude_none=True))
                if event.index != len(answer.content) - 1:
                    raise BrokenAnswer("its blocks are out of order")
            elif kind == "content_block_delta":
                delta = event.delta.model_dump(exclude_none=True)
                _extend(answer.content[event.index], delta, inputs, event.index)
            elif kind == "message_delta":
                answer.stop_reason = event.delta.stop_reason or answer.stop_reason
                answer.usage |= counted(event.usage)
                used.is_whole = True
            elif kind == "message_stop":
                is_complete = True
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise BrokenAnswer(f"a malformed {kind}: {error}") from None
    if not is_complete or not answer.stop_reason:
        raise BrokenAnswer("the stream ended before the answer did")
    for index, block in enumerate(answer.content):
        if block.get("type") == "tool_use":
            _read_input(answer, block, inputs.get(index, ""))
    return answer


def _extend(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    kind = delta.pop("type")
    if kind == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    elif kind == "signature_delta":
        block["signature"] = delta["signature"]
    elif kind == "citations_delta":
        block.setdefault("citations", []).append(delta["citation"])
    else:
        # text_delta and thinking_delta name the field that they extend.
        for name, value in delta.items():
            if isinstance(value, str):
                block[name] = block.get(name, "") + value


def _read_input(answer: ModelAnswer, block: dict[str, Any], text: str) -> None:
    try:
        value = json.loads(text) if text.strip() else {}
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        block["input"] = value
    except (ValueError, RecursionError) as error:
        block["input"] = {}
        answer.unreadable[block["id"]] = str(error)


def counted(usage: Any) -> dict[str, int]:
    """The token counts that a usage object has."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    found = {name: usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int)}
