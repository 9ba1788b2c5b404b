"""The `claude-code` backend: a Claude Code session, started by the SDK and resumed by later attempts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk

from activities.agents.agent_log import AgentLog
from activities.agents.base import AgentOutcome, BudgetReached, Completed, UsageLimit, model_caller
from activities.agents.claude.loop_guard import MAX_BROKEN, MAX_TURNS, LoopGuard
from activities.agents.claude.prompt import appended_prompt, first_message, try_again
from activities.agents.claude_code.hooks import Hooks
from activities.agents.claude_code.proxy import Proxy, ProxySession
from activities.agents.claude_code.transcript import ASK, pending_question, reads
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.agents.session_record import SessionRecord
from activities.model_api.account import ApiAccount
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.rate_client import AccountBlocked
from activities.processes.launcher import ProcessLauncher
from activities.processes.process_tree import ProcessTree
from activities.system.concurrency import in_thread
from epw.core import failures
from epw.core.backends import DEFAULT_TOOLS
from epw.core.errors import TaskFailed
from epw.core.extras import install_command
from epw.core.messages import Question
from epw.core.plan.model import Task

_RESUMED = (
    "You were interrupted. A command that was running then may have had effects, in part or in full: look at the "
    "state of things before you do it again. Go on with the task."
)
_EMPTY = "Your answer was empty. Go on with the task, or say what you did when it is done."
_MAX_OUTPUT_TOKENS = 16_000
_MAX_INSTRUCTIONS = 40_000
_INTERRUPT_SECONDS = 2.0
_POLL_SECONDS = 0.5
_VARIABLES = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(_MAX_OUTPUT_TOKENS),
    "DISABLE_AUTOUPDATER": "1",
    # The proxy holds a call back as long as the account's limits demand.
    "API_TIMEOUT_MS": "86400000",
}


class ClaudeCodeAgent:
    """Agent that runs the Claude Code that `claude-agent-sdk` brings, else the one on PATH."""

    def __init__(self, account: ApiAccount) -> None:
        self._account = account
        self._proxy = Proxy(account.api)

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        """Raises `TaskFailed`: `Refusal`, `TurnLimit`, `TimeLimit`, `SpendLimit`, `RepeatedCall`, `InvalidResponse`,
        `ApiError`, `ApiUnavailable` or `AgentError`."""
        return await _Session(context, launcher, reporter, self._account, self._proxy).run()


class _Session:
    """One attempt's part of a task's session."""

    def __init__(
        self,
        context: AgentContext,
        launcher: ProcessLauncher,
        reporter: Reporter,
        account: ApiAccount,
        proxy: Proxy,
    ) -> None:
        self._context = context
        self._launcher = launcher
        self._reporter = reporter
        self._proxy = proxy
        self._record = SessionRecord(context)
        self._log = AgentLog(launcher.log, reporter.redact)
        self._calls = account.calls(model_caller(context, reporter))
        ended = asyncio.get_running_loop().create_future()
        self._proxy_session = ProxySession(self._calls, launcher.marker, self._check_turns, reporter.redact, ended)
        self._transcript = self._find_transcript()
        pending = pending_question(self._transcript) if self._transcript is not None else None
        self._hooks = Hooks(context, reporter, pending)
        self._loop_guard = LoopGuard(context, reporter, self._record.current.seconds)

    async def run(self) -> AgentOutcome:
        if self._hooks.pending is not None and self._context.answer is None:
            # The worker died before the question reached the workflow.
            return self._hooks.pending
        network = self._launcher.network
        listener: socket.socket | None = network.listener if network is not None else None
        try:
            async with (
                ProcessTree.around_library(self._launcher.marker),
                self._proxy.opened(self._proxy_session, listener) as (url, key),
            ):
                return await self._converse(await in_thread(self._options, url, key))
        except AccountBlocked as limit:
            return UsageLimit(limit.until, str(limit))
        except BudgetSpent as spent:
            return BudgetReached(str(spent))
        except sdk.ClaudeSDKError as error:
            raise TaskFailed(failures.AGENT_ERROR, f"{type(error).__name__}: {error}"[:500]) from None

    async def _converse(self, options: sdk.ClaudeAgentOptions) -> AgentOutcome:
        # Before the client connects: from then on the pending question may be answered.
        prompt = self._prompt(resumed=options.resume is not None)
        async with sdk.ClaudeSDKClient(options) as client:
            for _ in range(1 + MAX_BROKEN):
                if prompt is not None:
                    await client.query(prompt)
                outcome = self._outcome(await self._finish_turn(client))
                if outcome is not None:
                    return outcome
                prompt = _EMPTY
        message = f"model kept sending invalid calls after {MAX_BROKEN} corrections: {_EMPTY}"
        raise TaskFailed(failures.INVALID_RESPONSE, message)

    def _prompt(self, *, resumed: bool) -> str | None:
        """The first message of the attempt; None: the session goes on with the answer to its question."""
        if not resumed:
            return first_message(self._context)
        if self._hooks.pending is not None:
            return None
        failure = self._context.previous_failure
        return _RESUMED if failure is None else try_again(failure)

    async def _finish_turn(self, client: sdk.ClaudeSDKClient) -> sdk.ResultMessage:
        """Wait for the end of a turn; raises what ended the attempt before that."""
        receiving = asyncio.ensure_future(self._receive(client))
        either: list[asyncio.Future[Any]] = [receiving, self._proxy_session.ended]
        try:
            while not (await asyncio.wait(either, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0]:
                if self._loop_guard.seconds_left() < 0:
                    raise self._context.out_of_time()
            if self._proxy_session.ended.done():
                raise self._proxy_session.ended.result()
            return receiving.result()
        finally:
            if not receiving.done():
                # Cancelled, or at a limit: Claude Code may be in the middle of a call.
                with contextlib.suppress(Exception):
                    await asyncio.shield(asyncio.wait_for(client.interrupt(), _INTERRUPT_SECONDS))
                receiving.cancel()

    async def _receive(self, client: sdk.ClaudeSDKClient) -> sdk.ResultMessage:
        async for message in client.receive_response():
            session = getattr(message, "session_id", None) or getattr(message, "data", {}).get("session_id")
            if session and session != self._record.current.session:
                self._record.update(session=session)
            self._log_message(message)
            if isinstance(message, sdk.AssistantMessage):
                self._check_repeats(message)
            if isinstance(message, sdk.UserMessage):
                # A call has ended: save what it changed.
                await self._reporter.checkpoint()
                self._record.update(seconds=self._loop_guard.seconds_worked())
                self._hooks.has_deferred = False
            if isinstance(message, sdk.ResultMessage):
                return message
        raise TaskFailed(failures.AGENT_ERROR, "Claude Code ended without a result")

    def _check_repeats(self, message: sdk.AssistantMessage) -> None:
        """End the attempt at repeated calls; not in a hook, since calls of unknown tools reach none."""
        try:
            for call in (each for each in message.content if isinstance(each, sdk.ToolUseBlock) and each.name != ASK):
                self._loop_guard.check_repeat(call.name, call.input)
        except TaskFailed as failed:
            self._proxy_session.end(failed)

    def _outcome(self, result: sdk.ResultMessage) -> Completed | Question | None:
        """The outcome of the attempt; None: the turn ended without a text."""
        if result.deferred_tool_use is not None and result.deferred_tool_use.name == ASK:
            return self._hooks.question(result.deferred_tool_use.input)
        text = self._reporter.redact((result.result or "").strip())
        if result.stop_reason == "refusal":
            raise TaskFailed(failures.REFUSAL, f"the model refused: {text}"[:500])
        if result.subtype == "error_max_turns":
            raise TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} turns without an end")
        if result.is_error or result.subtype != "success":
            message = text[:500] or "; ".join(result.errors or [result.subtype])
            rejected = self._proxy_session.was_rejected
            raise TaskFailed(failures.API_ERROR if rejected else failures.AGENT_ERROR, message)
        if not text:
            return None
        transcript = self._find_transcript()
        return Completed(text, reads(transcript) if transcript is not None else [])

    def _check_turns(self) -> None:
        if self._proxy_session.made >= MAX_TURNS:
            self._proxy_session.end(TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} calls without an end"))

    def _options(self, url: str, key: str) -> sdk.ClaudeAgentOptions:
        context, config = self._context, self._context.state / "config"
        config.mkdir(mode=0o700, exist_ok=True)
        own = {"CLAUDE_CONFIG_DIR": str(config), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}
        tools = context.task.tools if context.task.tools is not None else DEFAULT_TOOLS
        return sdk.ClaudeAgentOptions(
            cwd=context.tree,
            cli_path=self._launcher.script(
                "claude-code",
                str(_program()),
                {**_VARIABLES, **own},
                keep=("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_AGENT_SDK_VERSION"),
            ),
            model=context.model,
            tools=[*tools, ASK],
            # The workspace's settings could run commands and name another server.
            setting_sources=[],
            strict_mcp_config=True,
            verbatim_prompts=True,
            max_turns=MAX_TURNS,
            system_prompt={"type": "preset", "preset": "claude_code", "append": self._instructions()},
            hooks={"PreToolUse": [sdk.HookMatcher(hooks=[self._hooks.before_tool])]},
            can_use_tool=self._hooks.may_use,
            resume=self._record.current.session if self._transcript is not None else None,
            stderr=self._log.said,
        )

    def _instructions(self) -> str:
        """Our instructions, and the project's CLAUDE.md, which Claude Code would read with the project's settings."""
        path = self._context.tree / "CLAUDE.md"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return appended_prompt(self._context)
        with open(file, "rb") as opened:
            text = opened.read(_MAX_INSTRUCTIONS).decode(errors="replace")
        return f"{appended_prompt(self._context)}\nThe project's CLAUDE.md:\n\n{text}"

    def _log_message(self, message: Any) -> None:
        content = message.content if isinstance(message, sdk.AssistantMessage | sdk.UserMessage) else []
        for block in content if isinstance(content, list) else []:
            if isinstance(block, sdk.TextBlock) and isinstance(message, sdk.AssistantMessage):
                self._log.said(block.text)
            elif isinstance(block, sdk.ToolUseBlock):
                self._log.called(block.name, block.input)
            elif isinstance(block, sdk.ToolResultBlock):
                self._log.returned(block.content)

    def _find_transcript(self) -> Path | None:
        """Claude Code's file of the session."""
        session, config = self._record.current.session, self._context.state / "config"
        return next(config.glob(f"projects/*/{session}.jsonl"), None) if session is not None else None


def _program() -> Path:
    """Claude Code's executable; raises `TaskFailed` where there is none."""
    bundled = Path(sdk.__file__).parent / "_bundled" / "claude"
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        how = install_command("claude-code", sys.prefix)
        raise TaskFailed(failures.AGENT_ERROR, f"Claude Code is not installed: {how}", final=True)
    return Path(found)
