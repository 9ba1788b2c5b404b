"""The `claude` backend: ask the model, run the tools that it calls, give it the results, until it finishes."""

from __future__ import annotations

import json
from typing import Any

from activities.agents.agent_log import AgentLog
from activities.agents.base import AgentOutcome, BudgetReached, Completed, UsageLimit, model_caller
from activities.agents.claude.conversation import Conversation, Progress, order_of
from activities.agents.claude.files import Content
from activities.agents.claude.loop_guard import MAX_BROKEN, MAX_TURNS, LoopGuard
from activities.agents.claude.prompt import conflict_warning, first_message, from_a_person, system_prompt, try_again
from activities.agents.claude.tools import WITHOUT_EFFECT, BadCall, Finished, ToolFailed, Toolset
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.model_api.account import ApiAccount
from activities.model_api.answer import ModelAnswer, Used
from activities.model_api.api import Api
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.calls import Calls
from activities.model_api.observer import ToolObserver
from activities.model_api.rate_client import AccountBlocked
from activities.processes.launcher import ProcessLauncher
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Question
from epw.core.plan.model import Task

_MAX_OUTPUT_TOKENS = 16_000
_INTERRUPTED = (
    "Interrupted: the worker stopped while this call was running. It may have had effects, in part or in full. "
    "Look at the state of things before you do it again."
)


class ClaudeAgent:
    """Agent that calls the Messages API by the `anthropic` SDK."""

    def __init__(self, account: ApiAccount) -> None:
        self._account = account

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        """Raises `TaskFailed`: `Refusal`, `TurnLimit`, `TimeLimit`, `SpendLimit`, `RepeatedCall`, `InvalidResponse`,
        `ApiError` or `ApiUnavailable`."""
        calls = self._account.calls(model_caller(context, reporter))
        return await _Session(context, launcher, reporter, self._account.api, calls).run()


class _Session:
    """One attempt's part of a task's conversation."""

    def __init__(
        self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter, api: Api, calls: Calls
    ) -> None:
        self._context = context
        self._reporter = reporter
        self._api = api
        self._marker = launcher.marker
        self._calls = calls
        self._log = AgentLog(launcher.log, reporter.redact)
        self._conversation = Conversation.resumed(context.state, order_of(context))
        before = self._conversation.progress(context.attempt)
        self._turns, self._broken = before.turns, before.broken
        self._loop_guard = LoopGuard(context, reporter, before.seconds)
        self._toolset = Toolset(context, launcher, reporter, self._loop_guard.seconds_left)
        self._tool_calls = ToolObserver()
        self._budget_cut_answer = False
        """Whether the last answer was cut because the budget is nearly spent."""

    async def run(self) -> AgentOutcome:
        try:
            outcome = await self._begin()
            if outcome is None:
                self._pass_on()
            while outcome is None:
                outcome = await self._handle(await self._ask_model())
                await self._reporter.checkpoint()
                if outcome is None:
                    self._pass_on()
            return outcome
        except AccountBlocked as limit:
            return UsageLimit(limit.until, str(limit))
        except BudgetSpent as spent:
            return BudgetReached(str(spent))

    async def _begin(self) -> AgentOutcome | None:
        """Open the conversation, or resume it; returns an outcome that an earlier run reached and did not report."""
        conversation, context = self._conversation, self._context
        if not conversation:
            conversation.say(first_message(context), context.attempt)
            return None
        outcome = await self._resume()
        if context.previous_failure is None or conversation.has_begun(context.attempt):
            return outcome
        conversation.say(try_again(context.previous_failure), context.attempt)
        return None

    async def _resume(self) -> AgentOutcome | None:
        """Finish a turn that a crash or a wait interrupted; no call that may have had effects runs again."""
        conversation, answer = self._conversation, self._context.answer
        last, interrupted = conversation.last_answer, False
        asked: Completed | Question | None = None
        if last is None:
            return None
        if not last.calls:
            return await self._handle(last)
        for call in conversation.pending():
            if call["name"] == "ask_coordinator" and answer is not None:
                conversation.result(call["id"], answer)
            elif call["name"] == "ask_coordinator":
                # The worker died before the question reached the workflow.
                asked = await self._call(call, None, asked)
            elif call["name"] in WITHOUT_EFFECT and not interrupted:
                await self._call(call, None, None)
            else:
                interrupted = True
                conversation.result(call["id"], _INTERRUPTED, is_error=True)
        finished = [call for call in last.calls if call["name"] == "finish" and conversation.was_done(call["id"])]
        if finished and not interrupted:
            self._reporter.propose(finished[0]["input"].get("propose"))
            return self._completed(str(finished[0]["input"]["summary"]))
        return asked

    async def _ask_model(self) -> ModelAnswer:
        """Append the model's next answer to the conversation; waits for the account's limits and the budget."""
        self._check_limits()
        request: dict[str, Any] = {
            "model": self._context.model,
            "system": system_prompt(self._context),
            "tools": self._toolset.definitions(),
            "messages": self._conversation.messages(),
            "cache_control": {"type": "ephemeral"},
        }
        # An upper bound: a token has at least one byte.
        known = self._conversation.last_context
        new = len(json.dumps(request["messages"][-1:] if known else request).encode())
        key = f"{self._marker}/{self._conversation.turns}"
        allowed = _MAX_OUTPUT_TOKENS

        async def send(max_tokens: int, used: Used) -> ModelAnswer:
            nonlocal allowed
            allowed = max_tokens
            return await self._api.ask({**request, "max_tokens": max_tokens}, used)

        answer = await self._calls.make(key, self._context.model, known + new, _MAX_OUTPUT_TOKENS, send)
        self._budget_cut_answer = answer.stop_reason == "max_tokens" and allowed < _MAX_OUTPUT_TOKENS
        self._record(answer)
        return answer

    def _record(self, answer: ModelAnswer) -> None:
        output = answer.usage.get("output_tokens", 0)
        usage = {"inputTokens": sum(answer.usage.values()) - output, "outputTokens": output}
        self._turns += 1
        progress = Progress(self._context.attempt, self._turns, self._loop_guard.seconds_worked(), self._broken)
        self._conversation.answer(answer.content, answer.stop_reason, usage, progress)
        self._log.said(answer.text)
        self._reporter.report({"operation": _operation(answer)})

    async def _handle(self, answer: ModelAnswer) -> Completed | Question | None:
        """Run the calls of an answer; returns how the attempt ends with it, None: it goes on."""
        conversation = self._conversation
        if answer.stop_reason == "refusal":
            raise TaskFailed(failures.REFUSAL, f"the model refused: {self._reporter.redact(answer.text)}"[:500])
        if answer.stop_reason == "model_context_window_exceeded":
            raise TaskFailed(failures.CONTEXT_WINDOW, "the conversation has become longer than the model can read")
        if answer.stop_reason == "pause_turn":
            return None
        if answer.stop_reason == "max_tokens":
            for call in answer.calls:
                conversation.result(call["id"], "Not run: your answer was cut at its token limit.", is_error=True)
            if self._budget_cut_answer:
                conversation.say("Your answer was cut: the budget allowed no more. Say it again.")
                raise BudgetSpent("what is left of the budget is too little for another answer")
            self._correct("Your answer was cut at its token limit. Say it in smaller parts, one call at a time.")
            return None
        if not answer.calls:
            if answer.text.strip():
                return self._completed(answer.text.strip())
            self._correct("Your answer was empty. Go on with the task, or call `finish` when it is done.")
            return None
        outcome: Completed | Question | None = None
        for call in answer.calls:
            outcome = await self._call(call, answer.unreadable.get(call["id"]), outcome)
        return outcome

    async def _call(
        self, call: dict[str, Any], unreadable: str | None, outcome: Completed | Question | None
    ) -> Completed | Question | None:
        """Run one call; `outcome`: how an earlier call of the same answer ended the attempt, which stays."""
        conversation = self._conversation
        self._log.called(call["name"], call["input"])
        try:
            if unreadable is not None:
                raise BadCall(f"the input of {call['name']} is no JSON object: {unreadable}")
            self._loop_guard.check_repeat(call["name"], call["input"])
            with self._tool_calls.call(call["name"]):
                result = await self._toolset.run(call["name"], call["input"])
        except BadCall as error:
            self._returned(call, str(error), is_error=True)
            self._count_broken(str(error))
            return outcome
        except ToolFailed as error:
            self._returned(call, str(error), is_error=True)
            return outcome
        self._broken = 0
        if isinstance(result, Finished):
            conversation.result(call["id"], "noted")
            return outcome or self._completed(result.summary)
        if isinstance(result, Question):
            if outcome is not None:
                conversation.result(call["id"], "one thing at a time: ask this one later", is_error=True)
                return outcome
            # The result of this call is the answer, which comes when the attempt goes on.
            return result
        self._returned(call, result)
        return outcome

    def _returned(self, call: dict[str, Any], content: Content, *, is_error: bool = False) -> None:
        self._conversation.result(call["id"], content, is_error=is_error)
        self._log.returned(content)

    def _completed(self, summary: str) -> Completed:
        return Completed(summary, self._conversation.reads())

    def _pass_on(self) -> None:
        """Tell the model what people have said and what would not merge, since its last turn."""
        for text in self._reporter.new_notes():
            self._conversation.say(from_a_person(text))
        for predicted in self._reporter.warnings.take_new():
            self._conversation.say(conflict_warning(self._context, predicted))

    def _correct(self, text: str) -> None:
        self._conversation.say(text)
        self._count_broken(text)

    def _count_broken(self, what: str) -> None:
        self._broken += 1
        if self._broken > MAX_BROKEN:
            message = f"model kept sending invalid calls after {MAX_BROKEN} corrections: {what}"
            raise TaskFailed(failures.INVALID_RESPONSE, message[:500])

    def _check_limits(self) -> None:
        if self._turns >= MAX_TURNS:
            raise TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} turns without an end")
        if self._loop_guard.seconds_left() <= 0:
            raise self._context.out_of_time()


def _operation(answer: ModelAnswer) -> str:
    call = answer.calls[-1] if answer.calls else None
    if call is None:
        return answer.text[:200]
    subject = call["input"].get("file_path") or call["input"].get("command") or call["input"].get("pattern") or ""
    return f"{call['name']} {subject}"[:200]
