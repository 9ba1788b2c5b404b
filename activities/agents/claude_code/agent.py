"""A Claude Code session: started by the SDK, watched by its hooks, resumed where it was left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from functools import partial
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk

from activities.agents.base import AgentOutcome, BudgetReached, Completed, UsageLimit, Work
from activities.agents.claude.loop_guard import MAX_BROKEN, MAX_TURNS, LoopGuard
from activities.agents.claude.prompt import appended_prompt, first_message, try_again, warned
from activities.agents.claude_code.proxy import Proxy, ProxySession
from activities.agents.claude_code.transcript import ASK, Recorded, reads, unanswered
from activities.agents.environment import environment, redacted
from activities.model_api.account import ApiAccount
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.rate_client import AccountBlocked
from activities.processes.process_tree import ProcessTree, launcher
from activities.sandbox.levels import entered_by_command
from activities.system.concurrency import in_thread
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import DEFAULT_TOOLS, Task

_GO_ON = (
    "You were interrupted. A command that was running then may have had effects, in part or in full: look at the "
    "state of things before you do it again. Go on with the task."
)
_EMPTY = "Your answer was empty. Go on with the task, or say what you did when it is done."
_UNANSWERED = "Nobody answered. Decide by yourself, and say so."
_PATHS = ("file_path", "notebook_path", "path")
_MAX_OUTPUT_TOKENS = 16_000
_MAX_INSTRUCTIONS = 40_000
_INTERRUPT_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(_MAX_OUTPUT_TOKENS),
    "DISABLE_AUTOUPDATER": "1",
    # Our proxy keeps a call waiting as long as the account's limits say.
    "API_TIMEOUT_MS": "86400000",
}


class ClaudeCodeAgent:
    """Runs Claude Code, as `claude-agent-sdk` brings it, else as it is on PATH."""

    simulated = False
    keeps_state = True

    def __init__(self, account: ApiAccount) -> None:
        self._account = account
        self._proxy = Proxy(account.api)

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> AgentOutcome:
        """Raises `TaskFailed`: `Refusal`, `TurnLimit`, `TimeLimit`, `SpendLimit`, `RepeatedCall`, `InvalidResponse`,
        `ApiError`, `ApiUnavailable` or `AgentError`."""
        return await _Session(work, self._account, self._proxy).run()


class _Session:
    """One attempt's part of a task's session."""

    def __init__(self, work: Work, account: ApiAccount, proxy: Proxy) -> None:
        self._work = work
        self._proxy = proxy
        self._recorded = Recorded(work)
        work.used.so_far = self._recorded.now.usage
        self._calls = account.calls(work)
        ended = asyncio.get_running_loop().create_future()
        self._session = ProxySession(self._calls, work.marker, self._used, partial(redacted, work=work), ended)
        self._transcript = self._find_transcript()
        waiting = unanswered(self._transcript) if self._transcript is not None else None
        self._waiting = None if waiting is None else self._question(waiting)
        """The question that the session waits with."""
        self._deferred = False
        self._patience = LoopGuard(work, self._recorded.now.seconds)

    async def run(self) -> AgentOutcome:
        if self._waiting is not None and self._work.answer is None:
            # It was not put to anybody yet: a worker died between.
            return self._waiting
        try:
            async with (
                ProcessTree.launched(self._work.marker),
                self._proxy.opened(self._session, self._listener()) as (url, key),
            ):
                return await self._talk(await in_thread(self._options, url, key))
        except AccountBlocked as limit:
            return UsageLimit(limit.until, str(limit))
        except BudgetSpent as spent:
            return BudgetReached(str(spent))
        except sdk.ClaudeSDKError as error:
            raise TaskFailed(failures.AGENT_ERROR, f"{type(error).__name__}: {error}"[:500]) from None

    def _listener(self) -> socket.socket | None:
        """Where its sandbox reaches this worker."""
        return self._work.network.listener if self._work.network is not None else None

    async def _talk(self, options: sdk.ClaudeAgentOptions) -> AgentOutcome:
        # Before it is connected: from then on its question may be answered.
        prompt = self._prompt(resumed=options.resume is not None)
        async with sdk.ClaudeSDKClient(options) as client:
            for _ in range(1 + MAX_BROKEN):
                if prompt is not None:
                    await client.query(prompt)
                ending = self._judged(await self._answered(client))
                if ending is not None:
                    return ending
                prompt = _EMPTY
        raise TaskFailed(failures.INVALID_RESPONSE, f"the model was told {MAX_BROKEN} times and went on: {_EMPTY}")

    def _prompt(self, *, resumed: bool) -> str | None:
        """What the session is told; None: it goes on by the answer to its question."""
        if not resumed:
            return first_message(self._work)
        if self._waiting is not None:
            return None
        return _GO_ON if self._work.after is None else try_again(self._work.after)

    async def _answered(self, client: sdk.ClaudeSDKClient) -> sdk.ResultMessage:
        """The end of a turn; raises what has ended the attempt."""
        receiving = asyncio.ensure_future(self._received(client))
        either: list[asyncio.Future[Any]] = [receiving, self._session.ended]
        try:
            while not (await asyncio.wait(either, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED))[0]:
                if self._patience.left() < 0:
                    raise self._work.out_of_time()
            if self._session.ended.done():
                raise self._session.ended.result()
            return receiving.result()
        finally:
            if not receiving.done():
                # It may be at work: a cancellation, a limit.
                with contextlib.suppress(Exception):
                    await asyncio.shield(asyncio.wait_for(client.interrupt(), _INTERRUPT_SECONDS))
                receiving.cancel()

    async def _received(self, client: sdk.ClaudeSDKClient) -> sdk.ResultMessage:
        async for message in client.receive_response():
            session = getattr(message, "session_id", None) or getattr(message, "data", {}).get("session_id")
            if session and session != self._recorded.now.session:
                self._recorded.change(session=session)
            if isinstance(message, sdk.AssistantMessage):
                self._notice(message)
            if isinstance(message, sdk.UserMessage):
                # A call has ended: what it changed is kept.
                await self._work.save()
                self._recorded.change(seconds=self._patience.worked())
                self._deferred = False
            if isinstance(message, sdk.ResultMessage):
                return message
        raise TaskFailed(failures.AGENT_ERROR, "Claude Code ended without a result")

    def _notice(self, message: sdk.AssistantMessage) -> None:
        """Find what goes round in circles; of calls that it cannot make, of tools that are not there, no hook hears."""
        try:
            for call in (each for each in message.content if isinstance(each, sdk.ToolUseBlock) and each.name != ASK):
                self._patience.notice(call.name, call.input)
        except TaskFailed as failed:
            self._session.end(failed)

    def _judged(self, result: sdk.ResultMessage) -> Completed | Question | None:
        """How the attempt ended; None: with nothing said."""
        if result.deferred_tool_use is not None and result.deferred_tool_use.name == ASK:
            return self._question(result.deferred_tool_use.input)
        text = redacted((result.result or "").strip(), self._work)
        if result.stop_reason == "refusal":
            raise TaskFailed(failures.REFUSAL, f"the model refused: {text}"[:500])
        if result.subtype == "error_max_turns":
            raise TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} turns without an end")
        if result.is_error or result.subtype != "success":
            told = text[:500] or "; ".join(result.errors or [result.subtype])
            raise TaskFailed(failures.API_ERROR if self._session.was_refused else failures.AGENT_ERROR, told)
        if not text:
            return None
        transcript = self._find_transcript()
        seen = reads(transcript) if transcript is not None else []
        return Completed(text, seen)

    def _used(self, model: str, tokens: dict[str, int]) -> None:
        price = self._calls.price(model)
        self._recorded.use(tokens, price.cost(tokens) if price else None)
        usage = self._work.used.so_far = self._recorded.now.usage
        self._work.report({"tokens": usage.input_tokens + usage.output_tokens, "costUSD": usage.cost_usd})
        if self._session.made >= MAX_TURNS:
            self._session.end(TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} calls without an end"))

    # What the SDK is told.

    def _options(self, url: str, key: str) -> sdk.ClaudeAgentOptions:
        work, config = self._work, self._work.state / "config"
        config.mkdir(mode=0o700, exist_ok=True)
        own = {"CLAUDE_CONFIG_DIR": str(config), "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}
        tools = work.task.tools if work.task.tools is not None else DEFAULT_TOOLS
        return sdk.ClaudeAgentOptions(
            cwd=work.tree,
            cli_path=launcher(
                work.home.parent / "claude-code",
                [
                    *entered_by_command(work.sandbox, own=work.own, readable=work.readable),
                    *work.sandboxed([str(_program())]),
                ],
                {**environment(work), **_QUIET, **own},
                work.marker,
                keep=("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_AGENT_SDK_VERSION"),
                joining=work.guard.joining() if work.guard is not None else "",
            ),
            model=work.model,
            tools=[*tools, ASK],
            # The workspace's settings could run commands and name another server.
            setting_sources=[],
            strict_mcp_config=True,
            verbatim_prompts=True,
            max_turns=MAX_TURNS,
            system_prompt={"type": "preset", "preset": "claude_code", "append": self._instructions()},
            hooks={"PreToolUse": [sdk.HookMatcher(hooks=[self._before_tool])]},
            can_use_tool=self._may_use,
            resume=self._recorded.now.session if self._transcript is not None else None,
            stderr=self._note,
        )

    def _instructions(self) -> str:
        """Ours, and the project's own, which Claude Code would read with its settings."""
        path = self._work.tree / "CLAUDE.md"
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return appended_prompt(self._work)
        with open(file, "rb") as opened:
            text = opened.read(_MAX_INSTRUCTIONS).decode(errors="replace")
        return f"{appended_prompt(self._work)}\nThe project's CLAUDE.md:\n\n{text}"

    def _note(self, line: str) -> None:
        with contextlib.suppress(OSError), open(self._work.output, "a") as log:
            log.write(f"{redacted(line, self._work)}\n")

    async def _before_tool(self, call: Any, identifier: str | None, context: Any) -> Any:
        """Before every call: tell of it, and keep it in the directory."""
        name, arguments = call["tool_name"], call["tool_input"]
        if name == ASK:
            return self._asks() if self._waiting is None else self._answered_question(arguments)
        subject = next((str(arguments[key]) for key in (*_PATHS, "command", "pattern") if key in arguments), "")
        files = {"files": [self._relative(subject)]} if name in ("Write", "Edit", "NotebookEdit") else {}
        self._work.report({"operation": f"{name} {self._relative(subject)}"[:200], **files})
        outside = [arguments[key] for key in _PATHS if key in arguments and not self._is_inside(arguments[key])]
        if outside:
            return _decision("deny", f"{outside[0]} is outside of the working directory")
        return self._warned(_decision("allow"))

    def _warned(self, decision: dict[str, Any]) -> dict[str, Any]:
        """With what the session is to hear beside the result of its call."""
        if told := [warned(self._work, coming) for coming in self._work.warnings.untold()]:
            decision["hookSpecificOutput"]["additionalContext"] = "\n\n".join(told)
        return decision

    async def _may_use(self, name: str, arguments: dict[str, Any], context: Any) -> Any:
        """As `_before_tool`, which Claude Code may pass over for a question when its session goes on."""
        decided = self._answered_question(arguments)["hookSpecificOutput"] if name == ASK else {}
        if decided.get("permissionDecision") == "deny":
            return sdk.PermissionResultDeny(message=decided["permissionDecisionReason"])
        return sdk.PermissionResultAllow(updated_input=decided.get("updatedInput"))

    def _answered_question(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The decision about a call that asks: the answer that the attempt was started with."""
        answer = None if self._waiting is None else self._work.answer
        self._waiting = None
        if answer is None:
            return _decision("deny", _UNANSWERED)
        answers = {each["question"]: answer for each in arguments.get("questions", [])}
        decision = _decision("allow")
        decision["hookSpecificOutput"]["updatedInput"] = {**arguments, "answers": answers}
        return decision

    def _asks(self) -> dict[str, Any]:
        """The first question of a turn waits for a person; Claude Code would forget all but one."""
        if self._deferred:
            return _decision("deny", "One question at a time: ask this one again when the first is answered.")
        self._deferred = True
        return _decision("defer")

    def _find_transcript(self) -> Path | None:
        """What Claude Code has kept of the session."""
        session, config = self._recorded.now.session, self._work.state / "config"
        return next(config.glob(f"projects/*/{session}.jsonl"), None) if session is not None else None

    def _question(self, arguments: dict[str, Any]) -> Question:
        asked = [each for each in arguments.get("questions", []) if isinstance(each, dict)]
        text = "\n".join(str(each.get("question", "")) for each in asked)
        options = [str(each.get("label", "")) for each in asked[0].get("options", [])] if len(asked) == 1 else []
        return Question.cut(redacted(text, self._work), [redacted(option, self._work) for option in options])

    def _is_inside(self, path: Any) -> bool:
        tree = os.path.realpath(self._work.tree)
        return f"{os.path.realpath(os.path.join(tree, str(path)))}/".startswith(f"{tree}/")

    def _relative(self, text: str) -> str:
        for root in (f"{os.path.realpath(self._work.tree)}/", f"{self._work.tree}/"):
            text = text.replace(root, "")
        return redacted(text, self._work)


def _decision(decision: str, reason: str = "") -> dict[str, dict[str, Any]]:
    output = {"hookEventName": "PreToolUse", "permissionDecision": decision}
    return {"hookSpecificOutput": output | ({"permissionDecisionReason": reason} if reason else {})}


def _program() -> Path:
    """Claude Code's own executable."""
    bundled = Path(sdk.__file__).parent / "_bundled" / "claude"
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        raise TaskFailed(
            failures.AGENT_ERROR, "Claude Code is not installed: pip install 'epw[claude-code]'", final=True
        )
    return Path(found)
