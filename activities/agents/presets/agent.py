"""An agent that is a program of the user's: one start of it an attempt, its output read while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from activities.agents import login_files
from activities.agents.base import AgentOutcome, BudgetReached, Completed, UsageLimit
from activities.agents.claude.loop_guard import LoopGuard
from activities.agents.claude.prompt import from_a_person, try_again, whole_prompt
from activities.agents.command import Events
from activities.agents.context import AgentContext
from activities.agents.presets.output import Output
from activities.agents.presets.programs import path_of
from activities.agents.presets.reset_time import reset_time
from activities.agents.reporter import Reporter
from activities.agents.session_record import SessionRecord
from activities.agents.spending import Spending
from activities.processes.launcher import ProcessLauncher
from activities.processes.shell import describe_exit
from activities.sandbox.program import folders_of
from activities.system.atomic_write import write_atomically
from activities.system.concurrency import in_thread
from activities.system.directories import remove
from activities.system.server_time import server_time
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.plan.model import Task
from epw.core.presets.events import Doing, Limited, Rejected, Said, Session, Used
from epw.core.presets.preset import Preset, Start

_POLL_SECONDS = 0.2
_CHECKPOINT_SECONDS = 5.0
_PATIENCE_SECONDS = 300.0
"""A usage limit that ends sooner is left to the program, and so is one without a time that says more by then."""
_UNKNOWN_LIMIT_SECONDS = 3600.0
"""Wait for the end of a usage limit that does not say when it ends."""
_MAX_READS = 1000
_MAX_OPERATION = 200
_MAX_TEXT = 20_000
_AGAIN = (
    "You were interrupted. A command that was running then may have had effects, in part or in full: look at the "
    "state of things before you do it again. Go on with the task."
)


class PresetAgent:
    """Agent that runs the program of a preset."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        """Raises `TaskFailed`: `AgentUnavailable`, `TimeLimit`, `DiskLimit` or `AgentError`."""
        return await _Run(self._preset, context, launcher, reporter).run()


class _Run:
    """One start of the program, and what its output says."""

    def __init__(self, preset: Preset, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> None:
        self._preset = preset
        self._context = context
        self._reporter = reporter
        self._record = SessionRecord(context)
        self._spending = Spending(context, reporter)
        self._loop_guard = LoopGuard(context, reporter, self._record.current.seconds)
        self._launcher = _with_program(preset, context, launcher)
        self._events = Events(context, reporter)
        self._output = Output(
            preset, launcher.log.with_name(f"{launcher.log.name}.stream"), launcher.log, reporter, context.tree
        )
        self._text = ""
        self._limit: Limited | None = None
        self._failure: str | None = None
        self._rejection: str | None = None
        self._has_begun = False
        """Whether the model has said or done something."""
        self._heard = time.monotonic()
        self._reads: dict[str, None] = {}
        self._saved = time.monotonic()

    async def run(self) -> AgentOutcome:
        if spent := self._spending.over_budget():
            return BudgetReached(spent)
        try:
            code = await self._execute()
            if code and not self._has_begun and self._record.current.session is not None:
                # The session may be gone, with the machine or the home that it was kept in.
                self._record.update(session=None)
                self._failure = None
                code = await self._execute()
        finally:
            self._output.remove()
            await in_thread(_tidy, self._preset, self._context.tree)
        return self._outcome(code)

    async def _execute(self) -> int | None:
        """Run the program to its end; None: ended before that, since it could not go on."""
        self._output.begin()
        tree = await self._launcher.start(self._argv(), output=self._output.path)
        waiting = asyncio.ensure_future(tree.wait())
        try:
            while not (await asyncio.wait([waiting], timeout=_POLL_SECONDS))[0]:
                await self._look()
                if self._is_stuck or self._spending.over_budget():
                    return None
                if self._loop_guard.seconds_left() < 0:
                    raise self._context.out_of_time()
            return waiting.result()
        finally:
            await tree.end()
            await self._look(is_over=True)
            self._record.update(seconds=self._loop_guard.seconds_worked())

    def _argv(self) -> list[str]:
        """The command: without a way to ask a person, and with the prompt in a file, where no other user sees it."""
        preset, context, session = self._preset, self._context, self._record.current.session
        session = session if preset.resumes and context.home.is_dir() else None
        prompt = self._launcher.folder / "prompt.md"
        write_atomically(prompt, self._prompt(is_resumed=session is not None).encode("utf-8", "replace"))
        start = Start(str(prompt), str(context.state), context.plan.model_of(context.task), session)
        argv = [path_of(preset), *preset.arguments(start)]
        return argv if preset.prompt == "file" else ["sh", "-c", 'exec "$@" < "$0"', str(prompt), *argv]

    def _prompt(self, *, is_resumed: bool) -> str:
        context, failure = self._context, self._context.previous_failure
        parts = [] if is_resumed else [whole_prompt(context)]
        says_all = not is_resumed and context.moved is not None
        if context.answer is not None and not says_all:
            parts.append(f"The answer to your question: {context.answer}\nGo on with the task.")
        elif failure is not None and not says_all:
            parts.append(try_again(failure))
        elif is_resumed or context.resumes or context.activity_attempt > 1:
            parts.append(_AGAIN)
        parts += map(from_a_person, self._reporter.new_notes())
        return "\n\n".join(parts)

    @property
    def _is_stuck(self) -> bool:
        """Whether waiting for the program's own end would be in vain: some try again for hours."""
        if self._limit is None:
            return self._rejection is not None
        until, silence = self._until, time.monotonic() - self._heard
        return silence > _PATIENCE_SECONDS if until is None else until > server_time() + _PATIENCE_SECONDS

    @property
    def _until(self) -> float | None:
        """End of the usage limit, epoch seconds; None: there is none, or it does not say when it ends."""
        if self._limit is None:
            return None
        found = self._limit.until or reset_time(self._limit.message, datetime.now().astimezone())
        return found if found is not None and found > server_time() else None

    async def _look(self, *, is_over: bool = False) -> None:
        """Take in what the program has written since the last time."""
        has_acted = False
        for event in await asyncio.to_thread(list, self._output.events(is_over=is_over)):
            self._heard = time.monotonic()
            self._has_begun = self._has_begun or isinstance(event, Said | Doing | Limited | Rejected)
            if isinstance(event, Session):
                if event.id and event.id != self._record.current.session:
                    self._record.update(session=event.id)
            elif isinstance(event, Said):
                self._limit = self._failure = None
                self._text = f"{self._text}{event.text}"[:_MAX_TEXT] if event.is_part else event.text[:_MAX_TEXT]
            elif isinstance(event, Doing):
                # What it does after that shows that it could go on.
                self._limit = self._failure = None
                self._text, has_acted = "", True
                self._reads |= dict.fromkeys(event.reads) if len(self._reads) < _MAX_READS else {}
                files = {"files": [self._output.relative(path) for path in event.files]} if event.files else {}
                self._reporter.report({"operation": self._output.relative(event.operation)[:_MAX_OPERATION], **files})
            elif isinstance(event, Used):
                self._failure = None
                self._spending.count(event)
            elif isinstance(event, Limited):
                self._limit = self._limit or event
            elif isinstance(event, Rejected):
                self._rejection = event.message
            else:
                self._failure = event.message or self._failure or "it says no reason"
        self._events.read()
        if has_acted and not is_over and time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            self._saved = time.monotonic()
            await self._reporter.checkpoint()

    def _outcome(self, code: int | None) -> AgentOutcome:
        preset, said = self._preset, self._failure or (self._output.last_text if code else None)
        message = self._reporter.redact(said or "")[:500]
        if self._limit is None and said and preset.is_limit(said):
            self._limit = Limited(said)
        if self._limit is not None and (code != 0 or self._failure):
            limit = self._reporter.redact(self._limit.message)[:500]
            return UsageLimit(self._until or server_time() + _UNKNOWN_LIMIT_SECONDS, f"{preset.title}: {limit}")
        if spent := self._spending.over_budget():
            return BudgetReached(spent)
        if self._rejection is not None or (said and preset.is_rejection(said)):
            reason = self._reporter.redact(self._rejection or "")[:500] or message
            hint = (
                f"{preset.title}: {reason} ({preset.login.how}; a login in `logins`, a key in the worker's variables)"
            )
            raise TaskFailed(failures.AGENT_UNAVAILABLE, hint, final=True)
        if code != 0 or self._failure:
            meaning = preset.exits.get(code or 0, "")
            ended = f"{preset.program} {describe_exit(code or 0)}{f' ({meaning})' if meaning else ''}"
            ended += f": {message}" if message else ""
            # Some fail without a word about it.
            hint = "" if login_files.found(preset.login) else f" (no login was found: {preset.login.how})"
            raise TaskFailed(failures.AGENT_ERROR, f"{ended}{hint}")
        if self._events.question is not None:
            return self._events.question
        reads = [*self._reads, *self._events.reads]
        return Completed(self._reporter.redact(self._text.strip()) or None, reads)


def _with_program(preset: Preset, context: AgentContext, launcher: ProcessLauncher) -> ProcessLauncher:
    """The launcher with the program's variables and folders, and a home that its next attempt finds again."""
    own = {"HOME": str(context.home)} if launcher.has_private_home else {}
    if own:
        context.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    readable = [*launcher.readable, *map(Path, folders_of(path_of(preset)))]
    return replace(launcher, variables={**own, **preset.variables, **launcher.variables}, readable=readable)


def _tidy(preset: Preset, tree: Path) -> None:
    for glob in preset.leaves:
        for path in tree.glob(glob):
            with contextlib.suppress(OSError):
                remove(path)
