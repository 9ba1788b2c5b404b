"""The `command` backend: shell text, with events in a file and questions by exit code 75."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections import deque
from pathlib import Path
from typing import Any

from activities.agents.agent_log import AgentLog
from activities.agents.base import BudgetReached, Completed
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.agents.spending import Reported, spent_by_commands
from activities.git.command import display_path
from activities.processes.launcher import ProcessLauncher
from activities.processes.shell import describe_exit, last_output, run_shell
from activities.system.concurrency import in_thread
from activities.system.directories import remove
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import Task

EX_TEMPFAIL = 75
_MAX_EVENT_BYTES = 1_000_000
_MAX_READS = 100
_MAX_REPORTS = 10
_MAX_PATHS = 1000
_MAX_NOTED = 3
_MAX_NOTED_LENGTH = 200
_MAX_PATH_LENGTH = 1000


class CommandAgent:
    """Agent that runs `run` by `bash -euo pipefail`; the exit code alone decides on success."""

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(
        self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter
    ) -> Completed | Question | BudgetReached:
        if spent := await in_thread(spent_by_commands, context):
            return BudgetReached(spent)
        events = Events(context, reporter, counts_spending=True)
        code = await run_shell(launcher, context.task.run or "", events.read)
        events.read_to_end()
        for each in events.not_understood:
            AgentLog(launcher.log, reporter.redact).noted(each)
        reporter.remarks += events.not_understood
        if code == EX_TEMPFAIL and events.question is not None:
            return events.question
        if code == EX_TEMPFAIL:
            raise TaskFailed(failures.QUESTION_MISSING, "ended with 75 (question) and wrote no question to $EPW_EVENTS")
        if code != 0:
            message = f"the command {describe_exit(code)}{last_output(launcher, reporter.redact)}"
            raise TaskFailed(failures.COMMAND_FAILED, message, command=context.task.run)
        return Completed(reads=list(events.reads))


def _append(path: Path, line: dict[str, Any]) -> None:
    """Append a JSON line to a file beside the agent's directory, whatever the agent has made of it."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.suppress(OSError), open(path, "a", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
        file.write(json.dumps(line) + "\n")


class Events:
    """Reader of the JSON lines that a command appends to `$EPW_EVENTS`; lines that are not events are quoted.

    The file is hostile: it may be replaced by a pipe or a link, truncated, or never end a line.
    """

    def __init__(self, context: AgentContext, reporter: Reporter, *, counts_spending: bool = False) -> None:
        """`counts_spending`: what it says of tokens and dollars is all that is known of them."""
        self.question: Question | None = None
        self.reads: dict[str, None] = {}
        """Files that the command says it has read."""
        self.not_understood: list[str] = []
        """Lines that are no JSON objects, the first few, in words."""
        self._progress: deque[dict[str, Any]] = deque(maxlen=_MAX_REPORTS)
        self._path = context.events
        self._warnings_file = context.warnings_file
        self._messages_file = context.messages_file
        self._reporter = reporter
        self._spending = Reported(context, reporter) if counts_spending else None
        self._offset = 0
        self._rest = b""
        if self._path.is_dir() and not self._path.is_symlink():
            remove(self._path)
        self._path.unlink(missing_ok=True)
        self._path.touch(mode=0o600)

    def read(self) -> bool:
        """Take in the new lines, up to a limit; False where nothing was new."""
        new = self._new_bytes()
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_MAX_EVENT_BYTES:]
        for line in lines:
            self._take(line)
        self._report()
        self._warn()
        self._tell()
        return bool(new)

    def read_to_end(self) -> None:
        """Take in the remaining lines, also a last one without a line end."""
        for _ in range(_MAX_READS):
            if not self.read():
                break
        self._take(self._rest)
        self._report()

    def _new_bytes(self) -> bytes:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                return b""
            if status.st_size < self._offset:
                self._offset, self._rest = 0, b""
            new = os.pread(file, _MAX_EVENT_BYTES, self._offset)
        finally:
            os.close(file)
        self._offset += len(new)
        return new

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._note(line, str(error))
            return
        if not isinstance(event, dict):
            self._note(line, "an object is expected")
            return
        progress, options, reads = (event.get(name) for name in ("progress", "options", "reads"))
        self._reporter.propose(event.get("propose"))
        if isinstance(progress, dict):
            self._progress.append(progress)
        if isinstance(reads, list) and len(self.reads) < _MAX_PATHS:
            known = (path for path in reads[:_MAX_PATHS] if isinstance(path, str) and len(path) <= _MAX_PATH_LENGTH)
            self.reads |= dict.fromkeys(map(self._clean, known))
        if "question" in event:
            texts = [self._clean(option) for option in options] if isinstance(options, list) else []
            free = event.get("freeText") is True
            self.question = Question.cut(self._clean(event["question"]), texts, free_text=free)

    def _note(self, line: bytes, why: str) -> None:
        if len(self.not_understood) < _MAX_NOTED:
            text = self._clean(line[:_MAX_NOTED_LENGTH].decode("utf-8", "replace"))
            self.not_understood.append(f"a line in $EPW_EVENTS is no JSON ({why}): {text}")

    def _report(self) -> None:
        """Report the newest progress; several, since the last one may have fields that are none."""
        while self._progress:
            progress = self._progress.popleft()
            if isinstance(progress.get("operation"), str):
                progress["operation"] = self._clean(progress["operation"])
            if isinstance(progress.get("files"), list):
                progress["files"] = [self._clean(each) for each in progress["files"][:_MAX_PATHS]]
            self._reporter.report(progress)
            if self._spending is not None:
                self._spending.take(progress)

    def _warn(self) -> None:
        """Append a line for each newly predicted conflict to `$EPW_WARNINGS`."""
        for predicted in self._reporter.warnings.take_new():
            paths = [display_path(path) for path in predicted.paths]
            line = {
                "tasks": predicted.tasks,
                "paths": paths,
                "kind": predicted.kind,
                "hasLanded": predicted.has_landed,
                **({"message": predicted.message} if predicted.message else {}),
            }
            _append(self._warnings_file, line)

    def _tell(self) -> None:
        """Append a line for each new message of a person to `$EPW_MESSAGES`."""
        for text in self._reporter.new_notes():
            _append(self._messages_file, {"message": text})

    def _clean(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        # An unpaired surrogate is invalid Unicode, and could not be sent to the server.
        return self._reporter.redact(text).encode("utf-8", "replace").decode()
