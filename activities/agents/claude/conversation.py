"""The conversation of a task with its model: every turn on disk before anything is done about it.

One JSON line an entry: what the user's side said, what the model answered, the result of each call of a tool as soon
as it is there. So whoever takes over knows which call was running, and no answer is paid for twice.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.model_api.answer import ModelAnswer
from activities.system.process_identity import private
from epw.core.messages import Usage

Block = dict[str, Any]
Order = tuple[int, int, int]
_ORDER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Progress:
    """Of an attempt, over lost workers, questions and waits: answers, seconds of work, broken answers in a row."""

    attempt: int
    turns: int = 0
    seconds: float = 0.0
    broken: int = 0


class Conversation:
    """Entries in order; `path` is this try's alone, so that a frozen worker's entries stay its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[dict[str, Any]] = []
        if path.is_file():
            self._read()

    @classmethod
    def resumed(cls, folder: Path, order: Order) -> Conversation:
        """The conversation so far, in a file of this try (attempt, round, try)."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{'.'.join(map(str, order))}.jsonl"
        before = earlier(folder, order, "jsonl")
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
        """Answers of the model so far."""
        return sum(entry["kind"] == "answer" for entry in self._entries)

    @property
    def usage(self) -> Usage:
        """What all answers used."""
        used = [entry["usage"] for entry in self._entries if entry["kind"] == "answer"]
        costs = [each.get("costUSD") for each in used]
        return Usage(
            requests=len(used),
            input_tokens=sum(each["inputTokens"] for each in used),
            output_tokens=sum(each["outputTokens"] for each in used),
            cost_usd=None if None in costs else sum(costs),
        )

    @property
    def last_context(self) -> int:
        """Tokens of the last request and its answer: the least that the next one holds."""
        used = [entry["usage"] for entry in self._entries if entry["kind"] == "answer"]
        return used[-1]["inputTokens"] + used[-1]["outputTokens"] if used else 0

    def say(self, text: str, attempt: int | None = None) -> None:
        """Words of ours; with `attempt` those that begin it."""
        self._append({"kind": "said", "content": [{"type": "text", "text": text}], "begins": attempt})

    def has_begun(self, attempt: int) -> bool:
        """Whether the model was told of this attempt."""
        return any(entry.get("begins") == attempt for entry in self._entries)

    def answer(self, content: list[Block], stop_reason: str, usage: dict[str, Any], progress: Progress) -> None:
        """What the model answered, as it came."""
        entry = {"kind": "answer", "content": content, "stop": stop_reason, "usage": usage}
        self._append({**entry, "progress": asdict(progress)})

    def progress(self, attempt: int) -> Progress:
        """How far an attempt had come with its last answer."""
        found = [entry["progress"] for entry in self._entries if entry["kind"] == "answer"]
        last = Progress(**found[-1]) if found else Progress(attempt)
        return last if last.attempt == attempt else Progress(attempt)

    def result(self, call: str, content: str | list[Block], *, is_error: bool = False) -> None:
        """What became of a call of a tool."""
        self._append({"kind": "result", "call": call, "content": content, "isError": is_error})

    def pending(self) -> list[Block]:
        """Calls of the last answer without a result."""
        calls: list[Block] = []
        for entry in self._entries:
            if entry["kind"] == "answer":
                calls = [block for block in entry["content"] if block.get("type") == "tool_use"]
            elif entry["kind"] == "result":
                calls = [block for block in calls if block["id"] != entry["call"]]
        return calls

    @property
    def last_answer(self) -> ModelAnswer | None:
        """The model's last answer, where nothing but results of its calls has followed it."""
        for entry in reversed(self._entries):
            if entry["kind"] == "said":
                return None
            if entry["kind"] == "answer":
                return ModelAnswer(entry["content"], entry["stop"])
        return None

    def was_done(self, call: str) -> bool:
        """Whether a call has brought a result that is no error."""
        return any(entry.get("call") == call and not entry["isError"] for entry in self._entries)

    def reads(self) -> list[str]:
        """Files that the model has looked into, by the names that it used."""
        found: dict[str, None] = {}
        for entry in self._entries:
            for block in entry["content"] if entry["kind"] == "answer" else ():
                if block.get("type") == "tool_use" and block["name"] == "Read" and self.was_done(block["id"]):
                    found[str(block["input"].get("file_path"))] = None
        return list(found)

    def messages(self) -> list[dict[str, Any]]:
        """As the API wants it: user and assistant in turn, every call followed by its result."""
        found: list[dict[str, Any]] = []
        for entry in self._entries:
            role = "assistant" if entry["kind"] == "answer" else "user"
            if not found or found[-1]["role"] != role:
                found.append({"role": role, "content": []})
            found[-1]["content"] += _blocks(entry)
        return found

    def _append(self, entry: dict[str, Any]) -> None:
        # A file's name, and a model, may hold half of a surrogate pair: no request could ever be sent with it.
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")
        self._entries.append(json.loads(line))
        with open(self._path, "ab", opener=private) as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> None:
        """A last line that a crash has cut is as if it had not been begun."""
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self._path.write_bytes(whole)
        self._entries = [json.loads(line) for line in whole.split(b"\n") if line]


def _blocks(entry: dict[str, Any]) -> list[Block]:
    if entry["kind"] != "result":
        # The API takes no empty content and no empty text back.
        full = [block for block in entry["content"] if block.get("type") != "text" or block["text"].strip()]
        return full or [{"type": "text", "text": "(nothing)"}]
    block = {"type": "tool_result", "tool_use_id": entry["call"], "content": entry["content"]}
    return [block | ({"is_error": True} if entry["isError"] else {})]


def earlier(folder: Path, order: Order, kind: str) -> Path | None:
    """The file of the newest try before this one (attempt, round, try); None: there is none."""
    tries = {_order(path): path for path in folder.glob(f"*.{kind}") if _ORDER.fullmatch(path.stem)}
    newest = max((each for each in tries if each < order), default=None)
    return None if newest is None else tries[newest]


def _order(path: Path) -> Order:
    attempt, waits, tries = map(int, path.stem.split("."))
    return attempt, waits, tries
