"""Transcript of a Claude Code session: what is still unanswered in it, and what was read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from activities.system.rooted_dir import RootedDir

ASK = "AskUserQuestion"
_MAX_BYTES = 256 * 1024 * 1024


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
