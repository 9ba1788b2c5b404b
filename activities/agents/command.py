"""The `command` agent: shell text, with events by a file and questions by exit code 75."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
from collections import deque
from typing import IO, Any

from activities.agents.base import Completed, Work
from activities.agents.environment import environment, redacted
from activities.git.command import display_path
from activities.processes.process_tree import ProcessTree
from activities.system.directories import remove
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import Task

EX_TEMPFAIL = 75
_POLL_SECONDS = 0.2
_MAX_EVENT_BYTES = 1_000_000
_MAX_READS = 100
_MAX_REPORTS = 10
_MAX_PATHS = 1000
_MAX_PATH_LENGTH = 1000
_TAIL_BYTES = 600
_MAX_SECRET_LENGTH = 8192


class CommandAgent:
    """Runs `run` by `bash -euo pipefail`; success is its exit code, nobody's word."""

    simulated = False
    keeps_state = False

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> Completed | Question:
        events = Events(work)
        code = await run_shell(work, work.task.run or "", events.read)
        events.read_to_end()
        if code == EX_TEMPFAIL and events.question is not None:
            return events.question
        if code == EX_TEMPFAIL:
            raise TaskFailed(failures.QUESTION_MISSING, "ended with 75 (question) and wrote no question to $EPW_EVENTS")
        if code != 0:
            raise TaskFailed(failures.COMMAND_FAILED, f"the command {ended(code)}{last_output(work)}")
        return Completed(reads=list(events.reads))


async def run_shell(work: Work, command: str, while_running: Any = None) -> int:
    """The exit code of a shell text in the attempt's directory; nothing of it is left running."""
    # By a file: an argument of bash has an end at 128 KB.
    script = work.home.parent / "command.sh"
    script.write_text(command)
    tree = await ProcessTree.start(
        work.entering(["bash", "-euo", "pipefail", str(script)]),
        cwd=work.tree,
        environment=environment(work),
        output=work.output,
        marker=work.marker,
        before=work.before_start,
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
    """Follows the file of JSON lines that an agent writes; a line that is none of ours is passed over.

    The file is the agent's to spoil: it may be replaced by a pipe or a link, truncated, or never end a line.
    """

    def __init__(self, work: Work) -> None:
        self.question: Question | None = None
        self.reads: dict[str, None] = {}
        """What it says that it has looked into."""
        self._progress: deque[dict[str, Any]] = deque(maxlen=_MAX_REPORTS)
        self._work = work
        self._offset = 0
        self._rest = b""
        if work.events.is_dir() and not work.events.is_symlink():
            remove(work.events)
        work.events.unlink(missing_ok=True)
        work.events.touch(mode=0o600)

    def read(self) -> bool:
        """Take in what was written since, up to a limit; whether there was anything."""
        new = self._new_bytes()
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_MAX_EVENT_BYTES:]
        for line in lines:
            self._take(line)
        self._report()
        self._warn()
        return bool(new)

    def read_to_end(self) -> None:
        """Take in all that is left, a last line without an end too."""
        for _ in range(_MAX_READS):
            if not self.read():
                break
        self._take(self._rest)
        self._report()

    def _new_bytes(self) -> bytes:
        try:
            file = os.open(self._work.events, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        progress, options, reads = (event.get(name) for name in ("progress", "options", "reads"))
        if isinstance(progress, dict):
            self._progress.append(progress)
        if isinstance(reads, list) and len(self.reads) < _MAX_PATHS:
            known = (path for path in reads[:_MAX_PATHS] if isinstance(path, str) and len(path) <= _MAX_PATH_LENGTH)
            self.reads |= dict.fromkeys(map(self._clean, known))
        if "question" in event:
            texts = [self._clean(option) for option in options] if isinstance(options, list) else []
            self.question = Question.cut(self._clean(event["question"]), texts)

    def _report(self) -> None:
        """Only the newest count, however many were written; more than one, since the last may be no progress."""
        while self._progress:
            progress = self._progress.popleft()
            if isinstance(progress.get("operation"), str):
                progress["operation"] = self._clean(progress["operation"])
            if isinstance(progress.get("files"), list):
                progress["files"] = [self._clean(each) for each in progress["files"][:_MAX_PATHS]]
            self._work.report(progress)

    def _warn(self) -> None:
        """A line a conflict that is coming, for who reads it."""
        for coming in self._work.warnings.untold():
            paths = [display_path(path) for path in coming.paths]
            line = {"tasks": coming.tasks, "paths": paths, "kind": coming.kind, "hasLanded": coming.has_landed}
            with contextlib.suppress(OSError), self._opened_warnings() as file:
                file.write(json.dumps(line) + "\n")

    def _opened_warnings(self) -> IO[str]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return open(self._work.warnings_file, "a", opener=lambda path, _: os.open(path, flags, 0o600))

    def _clean(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        # Half of a surrogate pair is no text, and would not leave this process.
        return redacted(text, self._work).encode("utf-8", "replace").decode()


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
            # More than is shown: a secret that the cut would halve is found whole.
            file.seek(max(0, file.tell() - _TAIL_BYTES - _MAX_SECRET_LENGTH))
            tail = redacted(file.read().decode("utf-8", "replace"), work).strip()[-_TAIL_BYTES:]
    except OSError:
        return ""
    printable = "".join(character if character.isprintable() or character == "\n" else "�" for character in tail)
    return f": {printable}" if printable else ""
