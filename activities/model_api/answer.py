"""One answer of the model, put together from its stream; whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


class BrokenAnswer(Exception):
    """The stream ended early, or made no sense: nothing of it is used, and it is asked for again."""


@dataclass
class ModelAnswer:
    content: list[dict[str, Any]] = field(default_factory=list)
    stop_reason: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """By call: why its input is no JSON object. The call must not be made."""

    @property
    def text(self) -> str:
        return "".join(block.get("text", "") for block in self.content if block.get("type") == "text")

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [block for block in self.content if block.get("type") == "tool_use"]


async def collected(events: AsyncIterator[Any], used: dict[str, int]) -> ModelAnswer:
    """The answer of a stream of the SDK's raw events; raises `BrokenAnswer`. `used` has its token counts as they come.

    By ourselves: the SDK completes cut JSON as best it can, and half a call is none.
    """
    answer, inputs, is_whole = ModelAnswer(usage=used), dict[int, str](), False
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
                # Until it is told: no token has less than a byte.
                used["output_tokens"] = used.get("output_tokens", 0) + sum(len(str(part)) for part in delta.values())
                _extend(answer.content[event.index], delta, inputs, event.index)
            elif kind == "message_delta":
                answer.stop_reason = event.delta.stop_reason or answer.stop_reason
                answer.usage |= counted(event.usage)
            elif kind == "message_stop":
                is_whole = True
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise BrokenAnswer(f"a malformed {kind}: {error}") from None
    if not is_whole or not answer.stop_reason:
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
            raise ValueError("it is no object")
        block["input"] = value
    except (ValueError, RecursionError) as error:
        block["input"] = {}
        answer.unreadable[block["id"]] = str(error)


def counted(usage: Any) -> dict[str, int]:
    """Token counts of a usage object, those that are there."""
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    found = {name: usage.get(name) if isinstance(usage, dict) else getattr(usage, name, None) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int)}
