"""The loop: ask the model, do what it calls for, tell it what came of it, until it has finished or a limit ends it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from activities.agents.base import Completed, Ending, UsageLimit, Work
from activities.agents.claude.answer import Answer
from activities.agents.claude.api import Api, Rejected
from activities.agents.claude.conversation import Conversation
from activities.agents.claude.prices import Price, Prices
from activities.agents.claude.prompt import first_message, system_prompt
from activities.agents.claude.tools import BadCall, Finished, ToolFailed, Toolset
from activities.limits.budget import BudgetSpent, Ledger
from activities.limits.rate import AccountBlocked, AccountClosed, Gate
from workflows.errors import TaskFailed
from workflows.messages import Question
from workflows.plan import Task

_MOST_TURNS = 500
_MOST_OUTPUT_TOKENS = 16_000
_LEAST_OUTPUT_TOKENS = 1_024
_MOST_BROKEN = 3
_MOST_SAME_CALLS = 6
_LEAST_SECONDS = 600.0
_MOST_PASSING = 10
_INTERRUPTED = (
    "Interrupted: the worker stopped while this call was running. It may have had effects, in part or in full. "
    "Look at the state of things before you do it again."
)


class ClaudeAgent:
    """Talks to the Messages API by the `anthropic` SDK."""

    simulated = False
    keeps_state = True

    def __init__(self, api: Api, gate: Callable[[Work], Gate], prices: Callable[[], Prices]) -> None:
        self._api = api
        self._gate = gate
        self._prices = prices

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, work: Work) -> Ending:
        """Raises `TaskFailed`: `Refusal`, `TurnLimit`, `TimeLimit`, `BudgetLimit`, `SpendLimit`, `RepeatedCall`,
        `InvalidResponse`, `ApiError` or `ApiUnavailable`."""
        return await _Session(work, self._api, self._gate(work), self._prices()).run()


class _Session:
    """One attempt's part of a task's conversation."""

    def __init__(self, work: Work, api: Api, gate: Gate, prices: Prices) -> None:
        self._work = work
        self._api = api
        self._gate = gate
        self._price: Price | None = prices.of(work.model)
        self._toolset = Toolset(work)
        self._conversation = Conversation.resumed(work.state, (work.attempt, work.round, work.tries))
        self._ledger = Ledger(work.ledger, work.budget)
        self._broken = 0
        self._recent: deque[str] = deque(maxlen=_MOST_SAME_CALLS)
        self._turns = 0
        limits = work.task.constraints.resource_limits or work.plan.constraints.resource_limits
        most = limits.max_duration_ms / 1000 if limits and limits.max_duration_ms else None
        self._deadline = time.monotonic() + (most or max(_LEAST_SECONDS, 2 * 60 * work.task.estimated_minutes))

    async def run(self) -> Ending:
        try:
            self._begin()
            while True:
                if self._conversation.answers_next():
                    answer = await self._asked()
                    ending = await self._done(answer)
                    await self._work.save()
                    if ending is not None:
                        return ending
                else:
                    # Only a crash leaves it so: an answer whose consequences nobody wrote down.
                    self._conversation.say("Go on.")
        except _UntilThen as limit:
            return UsageLimit(limit.until, str(limit), self._conversation.usage)
        except TaskFailed as error:
            error.usage = self._conversation.usage
            raise

    def _begin(self) -> None:
        """Open the conversation, or go on with it where it was left."""
        conversation, work = self._conversation, self._work
        if not conversation:
            conversation.say(first_message(work))
            return
        for call in conversation.pending():
            if call["name"] == "ask_coordinator" and work.answer is not None:
                conversation.result(call["id"], work.answer)
            elif call["name"] == "ask_coordinator":
                conversation.result(call["id"], "Nobody answered. Decide by yourself, and say so.", is_error=True)
            else:
                conversation.result(call["id"], _INTERRUPTED, is_error=True)
        if work.after is not None:
            conversation.say(f"That attempt did not succeed: {work.after}\nGo on from where you are and put it right.")

    async def _asked(self) -> Answer:
        """The next answer, in the conversation; waits for the account's limits and the budget."""
        self._check_limits()
        request: dict[str, Any] = {
            "model": self._work.model,
            "system": system_prompt(self._work),
            "tools": self._toolset.definitions(),
            "messages": self._conversation.messages(),
            "cache_control": {"type": "ephemeral"},
        }
        passing = 0
        while True:
            # No token has less than a byte.
            known = self._conversation.last_context
            new = len(json.dumps(request["messages"][-1:] if known else request).encode())
            input_tokens = known + new
            key = f"{self._work.marker}/{self._conversation.turns}"
            output_tokens = await self._reserved(key, input_tokens)
            used: dict[str, int] = {}
            try:
                await self._enter(input_tokens // 4 + output_tokens // 8)
                answer = await self._api.ask({**request, "max_tokens": output_tokens})
                used = answer.usage
            except Rejected as rejected:
                await self._wait(rejected, passing)
                passing = passing + 1 if rejected.kind == "passing" else passing
                continue
            finally:
                cost = self._price.cost(used) if self._price else 0.0
                self._ledger.settle(key, _total(used), cost)
            self._gate.succeeded(_total(used))
            self._take(answer)
            return answer

    async def _enter(self, tokens: int) -> None:
        """Wait for the account's slot."""
        try:
            await self._gate.enter(tokens)
        except AccountBlocked as blocked:
            raise _UntilThen(blocked.until, str(blocked)) from None
        except AccountClosed as closed:
            raise TaskFailed("SpendLimit", str(closed), final=True) from None

    async def _reserved(self, key: str, input_tokens: int) -> int:
        """How long the answer may be: as long as the budget allows."""
        output = _MOST_OUTPUT_TOKENS
        while True:
            cost = self._price.most(input_tokens, output) if self._price else 0.0
            try:
                await self._ledger.reserve(key, input_tokens + output, cost)
            except BudgetSpent as spent:
                if output <= _LEAST_OUTPUT_TOKENS:
                    raise TaskFailed("BudgetLimit", str(spent), final=True) from None
                output = max(_LEAST_OUTPUT_TOKENS, output // 2)
                continue
            return output

    async def _wait(self, rejected: Rejected, passing: int) -> None:
        """Until it may be tried again; raises where it may not."""
        if rejected.kind == "final":
            raise TaskFailed("ApiError", str(rejected), final=True)
        if rejected.kind == "credit":
            self._gate.close(str(rejected))
            raise TaskFailed("SpendLimit", str(rejected), final=True)
        if rejected.kind == "usage-limit":
            until = time.time() + (rejected.wait or 0)
            self._gate.block(until, str(rejected))
            raise _UntilThen(until, str(rejected))
        self._work.report({"operation": f"waiting for the API: {rejected}"[:200]})
        if rejected.kind == "rate":
            self._gate.throttled(rejected.wait)
            return
        if passing >= _MOST_PASSING:
            raise TaskFailed("ApiUnavailable", f"{passing} calls in a row failed, the last: {rejected}")
        # The seed of a delay matters to nobody: it only keeps agents from calling all at once.
        await asyncio.sleep(rejected.wait or min(60.0, 0.5 * 2**passing) * random.uniform(0.5, 1.0))

    def _take(self, answer: Answer) -> None:
        cost = self._price.cost(answer.usage) if self._price else None
        usage = {
            "inputTokens": _total(answer.usage) - answer.usage.get("output_tokens", 0),
            "outputTokens": answer.usage.get("output_tokens", 0),
            "costUSD": cost,
        }
        self._conversation.answer(answer.content, answer.stop_reason, usage)
        self._turns += 1
        whole = self._conversation.usage
        tokens = whole.input_tokens + whole.output_tokens
        self._work.report({"tokens": tokens, "costUSD": whole.cost_usd, "operation": _operation(answer)})

    async def _done(self, answer: Answer) -> Completed | Question | None:
        """Do what an answer calls for; how the attempt ends with it, null: it goes on."""
        conversation = self._conversation
        if answer.stop_reason == "refusal":
            raise TaskFailed("Refusal", f"the model refused: {answer.text}"[:500], final=True)
        if answer.stop_reason == "max_tokens":
            for call in answer.calls:
                conversation.result(call["id"], "Not run: your answer was cut at its token limit.", is_error=True)
            self._tell("Your answer was cut at its token limit. Say it in smaller parts, one call at a time.")
            return None
        if not answer.calls:
            if answer.text.strip():
                return Completed(summary=answer.text.strip(), usage=conversation.usage)
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
            self._notice(call)
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
            return ending or Completed(summary=result.summary, usage=conversation.usage)
        if isinstance(result, Question):
            if ending is not None:
                conversation.result(call["id"], "one thing at a time: ask this one later", is_error=True)
                return ending
            # Its result is the answer: it comes with the next attempt.
            return result
        conversation.result(call["id"], result)
        return ending

    def _tell(self, text: str) -> None:
        self._conversation.say(text)
        self._count_broken(text)

    def _count_broken(self, what: str) -> None:
        self._broken += 1
        if self._broken > _MOST_BROKEN:
            told = f"the model was told {_MOST_BROKEN} times and went on: {what}"
            raise TaskFailed("InvalidResponse", told[:500], final=True)

    def _notice(self, call: dict[str, Any]) -> None:
        """An agent that does the same again and again gets nowhere."""
        self._recent.append(json.dumps([call["name"], call["input"]], sort_keys=True))
        if len(self._recent) == _MOST_SAME_CALLS and len(set(self._recent)) == 1:
            raise TaskFailed(
                "RepeatedCall", f"the same call {_MOST_SAME_CALLS} times: {self._recent[0][:300]}", final=True
            )

    def _check_limits(self) -> None:
        if self._turns >= _MOST_TURNS:
            raise TaskFailed("TurnLimit", f"{_MOST_TURNS} turns without an end", final=True)
        if time.monotonic() > self._deadline:
            raise TaskFailed("TimeLimit", "the attempt has used its time (maxDurationMs)", final=True)


class _UntilThen(Exception):
    """The account may not be used before `until` (epoch seconds)."""

    def __init__(self, until: float, message: str) -> None:
        self.until = until
        super().__init__(message)


def _total(usage: dict[str, int]) -> int:
    return sum(usage.values())


def _operation(answer: Answer) -> str:
    call = answer.calls[-1] if answer.calls else None
    if call is None:
        return answer.text[:200]
    subject = call["input"].get("file_path") or call["input"].get("command") or call["input"].get("pattern") or ""
    return f"{call['name']} {subject}"[:200]
