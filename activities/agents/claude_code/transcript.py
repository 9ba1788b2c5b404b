"""State of a task's Claude Code session: its id and usage, and what its transcript holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from activities.agents.claude.conversation import newest_before, order_of
from activities.agents.context import AgentContext
from activities.system.atomic_write import write_atomically
from activities.system.rooted_dir import RootedDir
from epw.core.messages import Usage

ASK = "AskUserQuestion"
_MAX_BYTES = 256 * 1024 * 1024


class Record(BaseModel):
    """State that a later attempt needs to go on with the session."""

    session: str | None = None
    usage: Usage = Usage()
    attempt: int = 0
    seconds: float = 0.0
    """Time at work in this attempt, waits not counted."""


class SessionRecord:
    """A record in a file of one activity attempt: a worker that froze and wakes up writes to its own."""

    def __init__(self, context: AgentContext) -> None:
        folder, order = context.state, order_of(context)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{'.'.join(map(str, order))}.json"
        found = newest_before(folder, order, "json")
        record = Record.model_validate_json(found.read_bytes()) if found is not None else Record()
        if record.attempt != context.attempt:
            record = record.model_copy(update={"attempt": context.attempt, "seconds": 0.0})
        self.current = record

    def update(self, **fields: object) -> None:
        self.current = self.current.model_copy(update=fields)
        write_atomically(self._path, self.current.model_dump_json().encode())

    def add_usage(self, tokens: dict[str, int], cost: float | None) -> None:
        """Count an answer: its tokens, by the API's names, and dollars (None: unknown price)."""
        before, output = self.current.usage, tokens.get("output_tokens", 0)
        known = (before.cost_usd is not None or not before.requests) and cost is not None
        usage = Usage(
            requests=before.requests + 1,
            input_tokens=before.input_tokens + sum(tokens.values()) - output,
            output_tokens=before.output_tokens + output,
            cost_usd=(before.cost_usd or 0.0) + (cost or 0.0) if known else None,
        )
        self.update(usage=usage)


def pending_question(transcript: Path) -> dict[str, Any] | None:
    """The input of a question of the session that has no answer yet; None: there is none."""
    asked: dict[str, Any] = {}
    for block in _blocks(transcript):
        if block.get("type") == "tool_use" and block.get("name") == ASK:
            asked[block["id"]] = block["input"]
        elif block.get("type") == "tool_result":
            asked.pop(block["tool_use_id"], None)
    return next(iter(asked.values()), None)


def reads(transcript: Path) -> list[str]:
    """Files that the session has read."""
    calls: dict[str, str] = {}
    found: dict[str, None] = {}
    for block in _blocks(transcript):
        if block.get("type") == "tool_use" and block.get("name") == "Read":
            calls[block["id"]] = str(block["input"].get("file_path"))
        elif block.get("type") == "tool_result" and not block.get("is_error") and block["tool_use_id"] in calls:
            found[calls[block["tool_use_id"]]] = None
    return list(found)


def _blocks(transcript: Path) -> Iterator[dict[str, Any]]:
    """Tool calls and results of the transcript; other lines are ignored, since the session's shell could write them."""
    for line in _content(transcript).splitlines():
        try:
            content = json.loads(line)["message"]["content"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        for block in content if isinstance(content, list) else []:
            kind = block.get("type") if isinstance(block, dict) else None
            if (kind == "tool_use" and isinstance(block.get("input"), dict) and isinstance(block.get("id"), str)) or (
                kind == "tool_result" and isinstance(block.get("tool_use_id"), str)
            ):
                yield block


def _content(transcript: Path) -> bytes:
    try:
        with RootedDir.opened(transcript.parent) as folder:
            return folder.read(transcript.name, _MAX_BYTES)
    except OSError:
        return b""
