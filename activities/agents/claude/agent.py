"""The loop: ask the model, do what it calls for, tell it what came of it, until it has finished or a limit ends it."""

from __future__ import annotations

import json
from typing import Any

from activities.agents.base import AgentOutcome, BudgetReached, Completed, UsageLimit, Work
from activities.agents.claude.conversation import Conversation, Progress
from activities.agents.claude.loop_guard import MAX_BROKEN, MAX_TURNS, LoopGuard
from activities.agents.claude.prompt import first_message, system_prompt, try_again, warned
from activities.agents.claude.tools import WITHOUT_EFFECT, BadCall, Finished, ToolFailed, Toolset
from activities.agents.environment import redacted
from activities.model_api.account import ApiAccount
from activities.model_api.answer import ModelAnswer
from activities.model_api.api import Api
from activities.model_api.budget_ledger import BudgetSpent
from activities.model_api.calls import Calls, Used
from activities.model_api.rate_client import AccountBlocked
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
    """Talks to the Messages API by the `anthropic` SDK."""

    simulated = False
    keeps_state = True

    def __init__(self, account: ApiAccount) -> None:
        self._account = account

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> AgentOutcome:
        """Raises `TaskFailed`: `Refusal`, `TurnLimit`, `TimeLimit`, `SpendLimit`, `RepeatedCall`, `InvalidResponse`,
        `ApiError` or `ApiUnavailable`."""
        return await _Session(work, self._account.api, self._account.calls(work)).run()


class _Session:
    """One attempt's part of a task's conversation."""

    def __init__(self, work: Work, api: Api, calls: Calls) -> None:
        self._work = work
        self._api = api
        self._calls = calls
        self._price = calls.price(work.model)
        self._conversation = Conversation.resumed(work.state, (work.attempt, work.round, work.tries))
        before = self._conversation.progress(work.attempt)
        work.used.so_far = self._conversation.usage
        self._turns, self._broken = before.turns, before.broken
        self._patience = LoopGuard(work, before.seconds)
        self._toolset = Toolset(work, self._patience.left)
        self._is_short = False
        """The last answer was cut because the budget is nearly spent."""

    async def run(self) -> AgentOutcome:
        try:
            ending = await self._begin()
            while ending is None:
                ending = await self._done(await self._asked())
                await self._work.save()
                if ending is None:
                    self._warn()
            return ending
        except AccountBlocked as limit:
            return UsageLimit(limit.until, str(limit))
        except BudgetSpent as spent:
            return BudgetReached(str(spent))

    async def _begin(self) -> AgentOutcome | None:
        """Open the conversation, or go on with it where it was left; an end that was only not told yet is told."""
        conversation, work = self._conversation, self._work
        if not conversation:
            conversation.say(first_message(work), work.attempt)
            return None
        ending = await self._taken_up()
        if work.after is None or conversation.has_begun(work.attempt):
            return ending
        conversation.say(try_again(work.after), work.attempt)
        return None

    async def _taken_up(self) -> AgentOutcome | None:
        """Bring what a crash or a wait has interrupted to its end; nothing that has effects is done again."""
        conversation, work = self._conversation, self._work
        last, interrupted = conversation.last_answer, False
        asked: Completed | Question | None = None
        if last is None:
            return None
        if not last.calls:
            return await self._done(last)
        for call in conversation.pending():
            if call["name"] == "ask_coordinator" and work.answer is not None:
                conversation.result(call["id"], work.answer)
            elif call["name"] == "ask_coordinator":
                # It was not put to anybody yet.
                asked = await self._call(call, None, asked)
            elif call["name"] in WITHOUT_EFFECT and not interrupted:
                await self._call(call, None, None)
            else:
                interrupted = True
                conversation.result(call["id"], _INTERRUPTED, is_error=True)
        finished = [call for call in last.calls if call["name"] == "finish" and conversation.was_done(call["id"])]
        if finished and not interrupted:
            return self._completed(str(finished[0]["input"]["summary"]))
        return asked

    async def _asked(self) -> ModelAnswer:
        """The next answer, in the conversation; waits for the account's limits and the budget."""
        self._check_limits()
        request: dict[str, Any] = {
            "model": self._work.model,
            "system": system_prompt(self._work),
            "tools": self._toolset.definitions(),
            "messages": self._conversation.messages(),
            "cache_control": {"type": "ephemeral"},
        }
        # No token has less than a byte.
        known = self._conversation.last_context
        new = len(json.dumps(request["messages"][-1:] if known else request).encode())
        key = f"{self._work.marker}/{self._conversation.turns}"
        allowed = _MAX_OUTPUT_TOKENS

        async def send(most: int, used: Used) -> ModelAnswer:
            nonlocal allowed
            allowed = most
            return await self._api.ask({**request, "max_tokens": most}, used)

        answer = await self._calls.make(key, self._work.model, known + new, _MAX_OUTPUT_TOKENS, send)
        self._is_short = answer.stop_reason == "max_tokens" and allowed < _MAX_OUTPUT_TOKENS
        self._take(answer)
        return answer

    def _take(self, answer: ModelAnswer) -> None:
        cost = self._price.cost(answer.usage) if self._price else None
        usage = {
            "inputTokens": _total(answer.usage) - answer.usage.get("output_tokens", 0),
            "outputTokens": answer.usage.get("output_tokens", 0),
            "costUSD": cost,
        }
        self._turns += 1
        progress = Progress(self._work.attempt, self._turns, self._patience.worked(), self._broken)
        self._conversation.answer(answer.content, answer.stop_reason, usage, progress)
        whole = self._work.used.so_far = self._conversation.usage
        tokens = whole.input_tokens + whole.output_tokens
        self._work.report({"tokens": tokens, "costUSD": whole.cost_usd, "operation": _operation(answer)})

    async def _done(self, answer: ModelAnswer) -> Completed | Question | None:
        """Do what an answer calls for; how the attempt ends with it, None: it goes on."""
        conversation = self._conversation
        if answer.stop_reason == "refusal":
            raise TaskFailed(failures.REFUSAL, f"the model refused: {redacted(answer.text, self._work)}"[:500])
        if answer.stop_reason == "model_context_window_exceeded":
            raise TaskFailed(failures.CONTEXT_WINDOW, "the conversation has become longer than the model can read")
        if answer.stop_reason == "pause_turn":
            return None
        if answer.stop_reason == "max_tokens":
            for call in answer.calls:
                conversation.result(call["id"], "Not run: your answer was cut at its token limit.", is_error=True)
            if self._is_short:
                conversation.say("Your answer was cut: the budget allowed no more. Say it again.")
                raise BudgetSpent("what is left of the budget is too little for another answer")
            self._tell("Your answer was cut at its token limit. Say it in smaller parts, one call at a time.")
            return None
        if not answer.calls:
            if answer.text.strip():
                return self._completed(answer.text.strip())
            self._tell("Your answer was empty. Go on with the task, or call `finish` when it is done.")
            return None
        ending: Completed | Question | None = None
        for call in answer.calls:
            ending = await self._call(call, answer.unreadable.get(call["id"]), ending)
        return ending

    async def _call(
        self, call: dict[str, Any], unreadable: str | None, ending: Completed | Question | None
    ) -> Completed | Question | None:
        conversation = self._conversation
        try:
            if unreadable is not None:
                raise BadCall(f"the input of {call['name']} is no JSON object: {unreadable}")
            self._patience.notice(call["name"], call["input"])
            result = await self._toolset.run(call["name"], call["input"])
        except BadCall as error:
            conversation.result(call["id"], str(error), is_error=True)
            self._count_broken(str(error))
            return ending
        except ToolFailed as error:
            conversation.result(call["id"], str(error), is_error=True)
            return ending
        self._broken = 0
        if isinstance(result, Finished):
            conversation.result(call["id"], "noted")
            return ending or self._completed(result.summary)
        if isinstance(result, Question):
            if ending is not None:
                conversation.result(call["id"], "one thing at a time: ask this one later", is_error=True)
                return ending
            # Its result is the answer: it comes with the next attempt.
            return result
        conversation.result(call["id"], result)
        return ending

    def _completed(self, summary: str) -> Completed:
        return Completed(summary, self._conversation.reads())

    def _warn(self) -> None:
        for coming in self._work.warnings.untold():
            self._conversation.say(warned(self._work, coming))

    def _tell(self, text: str) -> None:
        self._conversation.say(text)
        self._count_broken(text)

    def _count_broken(self, what: str) -> None:
        self._broken += 1
        if self._broken > MAX_BROKEN:
            told = f"the model was told {MAX_BROKEN} times and went on: {what}"
            raise TaskFailed(failures.INVALID_RESPONSE, told[:500])

    def _check_limits(self) -> None:
        if self._turns >= MAX_TURNS:
            raise TaskFailed(failures.TURN_LIMIT, f"{MAX_TURNS} turns without an end")
        if self._patience.left() <= 0:
            raise self._work.out_of_time()


def _total(usage: dict[str, int]) -> int:
    return sum(usage.values())


def _operation(answer: ModelAnswer) -> str:
    call = answer.calls[-1] if answer.calls else None
    if call is None:
        return answer.text[:200]
    subject = call["input"].get("file_path") or call["input"].get("command") or call["input"].get("pattern") or ""
    return f"{call['name']} {subject}"[:200]
