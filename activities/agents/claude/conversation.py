"""The conversation of a task with its model: every turn is on disk before anything is done about it.

One JSON line an entry: a message to the model, an answer of the model, the result of a tool call as soon as it is
known. So a worker that takes over knows which call was running, and no answer is paid for twice.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.agents.context import AgentContext
from activities.model_api.answer import ModelAnswer
from activities.system.file_modes import owner_only

Block = dict[str, Any]
Order = tuple[int, int, int]
"""Attempt, resumes and activity attempt; later runs of a task compare greater."""
_ORDER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Progress:
    """Progress of an attempt, over lost workers, questions and waits."""

    attempt: int
    turns: int = 0
    """Answers of the model."""
    seconds: float = 0.0
    """Time at work, waits not counted."""
    broken: int = 0
    """Invalid answers in a row."""


class Conversation:
    """Entries in order, in a file of one activity attempt: a worker that froze and wakes up writes to its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[dict[str, Any]] = []
        if path.is_file():
            self._read()

    @classmethod
    def resumed(cls, folder: Path, order: Order) -> Conversation:
        """Copy the newest earlier conversation of the task into the file of this activity attempt."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{'.'.join(map(str, order))}.jsonl"
        before = newest_before(folder, order, "jsonl")
        if before is not None and not path.exists():
            content = before.read_bytes()
            beside = path.with_suffix(".part")
            beside.write_bytes(content[: content.rfind(b"\n") + 1])
            beside.replace(path)
        return cls(path)

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def turns(self) -> int:
        """Number of answers of the model."""
        return sum(entry["kind"] == "answer" for entry in self._entries)

    @property
    def last_context(self) -> int:
        """Tokens of the last request and its answer: the next request has at least as many."""
        used = [entry["usage"] for entry in self._entries if entry["kind"] == "answer"]
        return used[-1]["inputTokens"] + used[-1]["outputTokens"] if used else 0

    def say(self, text: str, attempt: int | None = None) -> None:
        """Append a message to the model; `attempt`: the attempt that it opens."""
        self._append({"kind": "said", "content": [{"type": "text", "text": text}], "begins": attempt})

    def has_begun(self, attempt: int) -> bool:
        """Whether the conversation has the message that opens this attempt."""
        return any(entry.get("begins") == attempt for entry in self._entries)

    def answer(self, content: list[Block], stop_reason: str, usage: dict[str, int], progress: Progress) -> None:
        """Append an answer of the model."""
        entry = {"kind": "answer", "content": content, "stop": stop_reason, "usage": usage}
        self._append({**entry, "progress": asdict(progress)})

    def progress(self, attempt: int) -> Progress:
        """Progress of the attempt at its last answer."""
        found = [entry["progress"] for entry in self._entries if entry["kind"] == "answer"]
        last = Progress(**found[-1]) if found else Progress(attempt)
        return last if last.attempt == attempt else Progress(attempt)

    def result(self, call: str, content: str | list[Block], *, is_error: bool = False) -> None:
        """Append the result of a tool call."""
        self._append({"kind": "result", "call": call, "content": content, "isError": is_error})

    def pending(self) -> list[Block]:
        """Calls of the last answer that have no result."""
        calls: list[Block] = []
        for entry in self._entries:
            if entry["kind"] == "answer":
                calls = [block for block in entry["content"] if block.get("type") == "tool_use"]
            elif entry["kind"] == "result":
                calls = [block for block in calls if block["id"] != entry["call"]]
        return calls

    @property
    def last_answer(self) -> ModelAnswer | None:
        """The model's last answer; None where a message has followed it."""
        for entry in reversed(self._entries):
            if entry["kind"] == "said":
                return None
            if entry["kind"] == "answer":
                return ModelAnswer(entry["content"], entry["stop"])
        return None

    def was_done(self, call: str) -> bool:
        """Whether a call has a result that is not an error."""
        return any(entry.get("call") == call and not entry["isError"] for entry in self._entries)

    def reads(self) -> list[str]:
        """Files that the model has read, by the names that it used."""
        found: dict[str, None] = {}
        for entry in self._entries:
            for block in entry["content"] if entry["kind"] == "answer" else ():
                if block.get("type") == "tool_use" and block["name"] == "Read" and self.was_done(block["id"]):
                    found[str(block["input"].get("file_path"))] = None
        return list(found)

    def messages(self) -> list[dict[str, Any]]:
        """The conversation as the API takes it: user and assistant in turn, every call followed by its result."""
        found: list[dict[str, Any]] = []
        for entry in self._entries:
            role = "assistant" if entry["kind"] == "answer" else "user"
            if not found or found[-1]["role"] != role:
                found.append({"role": role, "content": []})
            found[-1]["content"] += _blocks(entry)
        return found

    def _append(self, entry: dict[str, Any]) -> None:
        # A file's name, or a model, may bring an unpaired surrogate: a request that has one cannot be sent.
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")
        self._entries.append(json.loads(line))
        with open(self._path, "ab", opener=owner_only) as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> None:
        """Read the entries; a last line that a crash has cut is removed."""
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self._path.write_bytes(whole)
        self._entries = [json.loads(line) for line in whole.split(b"\n") if line]


def _blocks(entry: dict[str, Any]) -> list[Block]:
    if entry["kind"] != "result":
        # The API refuses empty content and empty texts.
        full = [block for block in entry["content"] if block.get("type") != "text" or block["text"].strip()]
        return full or [{"type": "text", "text": "(nothing)"}]
    block = {"type": "tool_result", "tool_use_id": entry["call"], "content": entry["content"]}
    return [block | ({"is_error": True} if entry["isError"] else {})]


def order_of(context: AgentContext) -> Order:
    return context.attempt, context.resumes, context.activity_attempt


def newest_before(folder: Path, order: Order, suffix: str) -> Path | None:
    """The file of the task's newest run before this one; None: there is none."""
    runs = {_order(path): path for path in folder.glob(f"*.{suffix}") if _ORDER.fullmatch(path.stem)}
    newest = max((each for each in runs if each < order), default=None)
    return None if newest is None else runs[newest]


def _order(path: Path) -> Order:
    attempt, resumes, activity_attempt = map(int, path.stem.split("."))
    return attempt, resumes, activity_attempt
