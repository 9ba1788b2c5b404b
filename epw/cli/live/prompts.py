"""What the view asks for in a line, and the update that it becomes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from epw.cli.live.snapshot import Snapshot
from epw.client.words_plan import identifier_of
from epw.core.errors import InvalidRequest
from epw.core.plan.wording import did_you_mean

_Update = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Prompt:
    """Question to the user; `{task}` stands for the selected task."""

    asks: str
    update: Callable[[Snapshot, str, str, str], _Update | None]
    """Name and message of the update for (snapshot, selected task, what was typed, and in the second line); None: none
    is wanted. Raises `InvalidRequest`.
    """
    then: str = ""
    """What is asked for in a second line."""


def _cancel(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    return ("cancel_task", {"taskId": task}) if typed.lower() in ("y", "yes") else None


def _rerun(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    return ("retry_task", {"taskId": task}) if typed.lower() in ("y", "yes") else None


def _task(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    after = [each for each in re.split(r"[,\s]+", second) if each]
    for each in after:
        if each not in snapshot.by_id:
            raise InvalidRequest(f"there is no task {each!r}{did_you_mean(each, list(snapshot.by_id))}")
    is_command, words = typed.startswith("$"), typed.removeprefix("$").strip()
    row: dict[str, Any] = {"id": identifier_of(words, set(snapshot.by_id)), "description": words}
    row |= {"agent": "command", "run": words} if is_command else {}
    row |= {"dependsOn": after} if after else {}
    return "add_tasks", {"tasks": [row]}


def _message(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    return ("message", {"taskId": task, "text": typed}) if typed else None


def _priority(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    if not typed:
        return None
    if not re.fullmatch(r"-?\d{1,9}", typed):
        raise InvalidRequest("a priority is a whole number: higher ones start first")
    return "set_priority", {"taskId": task, "priority": int(typed)}


def _budget(snapshot: Snapshot, task: str, typed: str, second: str) -> _Update | None:
    if not typed:
        return None
    amount = re.fullmatch(r"\$?(\d{1,9}(?:\.\d+)?)|(\d{1,15}) *tokens", typed)
    if amount is None:
        raise InvalidRequest("an amount in dollars (12.50), or of tokens (200000 tokens)")
    return "set_budget", {"maxCostUSD": float(amount[1])} if amount[1] else {"maxTokens": int(amount[2])}


PROMPTS = {
    "cancel": Prompt("cancel {task} and what depends on it? (y)", _cancel),
    "rerun": Prompt("run {task} and what depends on it again? (y)", _rerun),
    "task": Prompt("new task ($ … is a command)", _task, then="after which tasks? (Enter: none)"),
    "message": Prompt("to {task}", _message),
    "priority": Prompt("priority of {task}", _priority),
    "budget": Prompt("budget in dollars, or N tokens", _budget),
}
