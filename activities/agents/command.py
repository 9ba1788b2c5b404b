"""The `command` agent: shell text, with events by a file and questions by exit code 75."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

from activities.agents.base import Completed, Work
from activities.agents.environment import environment, redacted
from activities.limits.processes import ProcessTree
from workflows.errors import TaskFailed
from workflows.messages import Question
from workflows.plan import Task

EX_TEMPFAIL = 75
_POLL_SECONDS = 0.2
_MOST_EVENT_BYTES = 1_000_000
_TAIL_BYTES = 600


class CommandAgent:
    """Runs `run` by `bash -euo pipefail`; success is its exit code, nobody's word."""

    simulated = False

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> Completed | Question:
        work.events.touch()
        events = Events(work)
        code = await run_shell(work, work.task.run or "", events.read)
        events.read()
        if code == EX_TEMPFAIL and events.question is not None:
            return events.question
        if code == EX_TEMPFAIL:
            raise TaskFailed("QuestionMissing", "ended with 75 (question) and wrote no question to $EPW_EVENTS")
        if code != 0:
            raise TaskFailed("CommandFailed", f"the command {ended(code)}{last_output(work)}")
        return Completed()


async def run_shell(work: Work, command: str, while_running: Any = None) -> int:
    """The exit code of a shell text in the attempt's directory; nothing of it is left running."""
    tree = await ProcessTree.start(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=work.tree,
        environment=environment(work),
        output=work.output,
        marker=work.marker,
    )
    waiting = asyncio.ensure_future(tree.wait())
    try:
        while not (await asyncio.wait([waiting], timeout=_POLL_SECONDS))[0]:
            if while_running is not None:
                while_running()
        return waiting.result()
    finally:
        # Also after a success: a background process would write on while its work is saved.
        await tree.end()


class Events:
    """Follows the file of JSON lines that an agent writes; a line that is none of ours is passed over."""

    def __init__(self, work: Work) -> None:
        self.question: Question | None = None
        self._work = work
        self._read = 0
        self._rest = b""

    def read(self) -> None:
        """Take in what was written since."""
        try:
            with open(self._work.events, "rb") as file:
                file.seek(self._read)
                new = file.read(_MOST_EVENT_BYTES)
        except OSError:
            return
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_MOST_EVENT_BYTES:]
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        if isinstance(event.get("progress"), dict):
            self._work.report(event["progress"])
        if "question" in event:
            options = event.get("options")
            texts = [str(option) for option in options] if isinstance(options, list) else []
            self.question = Question.cut(str(event["question"]), texts)


def ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def last_output(work: Work) -> str:
    """The end of what an attempt printed, for an error message; the whole stays in its log."""
    try:
        with open(work.output, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            tail = file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
    printable = "".join(character if character.isprintable() or character == "\n" else "�" for character in tail)
    return f": {redacted(printable, work)}" if printable else ""
